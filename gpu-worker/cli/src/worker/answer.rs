// SPDX-License-Identifier: Apache-2.0
//! From a prompt on chain to token ids: a pure function, since executor and auditors must come to the same verdict.
use ergon_engine::{model::TokenTable, tokenizer::Tokenizer};
use ergon_primitives::{commitment::RejectReason, request::Input};

/// Token ids of a prompt for a model with these `tokens` and this `context`, or why it can't be answered.
///
/// Text goes through the tokenizer as it stands: the client has applied the chat template, and special tokens are recognised by their
/// text. The ids must stand for the text byte by byte; a tokenizer that changes a text (by normalizing it, or by putting a space before it
/// as SentencePiece does) can't take it as text.
///
/// The prompt and at least one output token must fit the context.
pub fn prompt_ids(
    input: &Input,
    tokenizer: &Tokenizer,
    tokens: &TokenTable,
    context: u32,
) -> Result<Vec<u32>, RejectReason> {
    let ids = match input {
        Input::Tokens(ids) => ids.to_vec(),
        Input::Text(bytes) => {
            let text = std::str::from_utf8(bytes).map_err(|_| RejectReason::InvalidPrompt)?;
            let ids = tokenizer.encode(text).map_err(|_| RejectReason::InvalidPrompt)?;
            if !spells(&ids, tokens, bytes) {
                return Err(RejectReason::InvalidPrompt);
            }
            ids
        }
    };
    if ids.is_empty() || ids.iter().any(|id| tokens.get(*id).is_none()) {
        return Err(RejectReason::InvalidPrompt);
    }
    if ids.len() >= context as usize {
        return Err(RejectReason::PromptTooLong);
    }
    Ok(ids)
}

/// Whether the bytes of `ids`, at least one each, are `text` one after the other.
fn spells(ids: &[u32], tokens: &TokenTable, mut text: &[u8]) -> bool {
    for id in ids {
        let bytes = tokens.get(*id).filter(|bytes| !bytes.is_empty());
        match bytes.and_then(|bytes| text.strip_prefix(bytes)) {
            Some(rest) => text = rest,
            None => return false,
        }
    }
    text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ergon_engine::tokenizer::{
        definition::{Definition, Splitting},
        sentencepiece::byte_token,
    };

    /// Tokens `a`, `b` and `ab`.
    fn tokenizer() -> Tokenizer {
        define(&["a", "b", "ab"].map(String::from), Splitting::Gpt2)
    }

    fn define(tokens: &[String], splitting: Splitting) -> Tokenizer {
        let definition = Definition {
            tokens,
            merges: vec![("a", "b")],
            added: vec![],
            splitting,
        };
        Tokenizer::from_json(&definition.to_json().unwrap()).unwrap()
    }

    /// With an unused fourth token.
    fn tokens() -> TokenTable {
        tokenizer().token_table(4).unwrap()
    }

    fn taken(input: Input) -> Result<Vec<u32>, RejectReason> {
        prompt_ids(&input, &tokenizer(), &tokens(), 4)
    }

    fn text(text: &[u8]) -> Result<Vec<u32>, RejectReason> {
        taken(Input::Text(text.to_vec().try_into().unwrap()))
    }

    fn ids(ids: &[u32]) -> Result<Vec<u32>, RejectReason> {
        taken(Input::Tokens(ids.to_vec().try_into().unwrap()))
    }

    #[test]
    fn a_text_becomes_ids_that_spell_it() {
        assert_eq!(text(b"abb"), Ok(vec![2, 1]));
    }

    #[test]
    fn a_text_that_its_ids_do_not_spell_is_invalid() {
        for bytes in [&b"A"[..], b"ab?", b"abc", b"zzz", b"", b"\xff\xfe"] {
            assert_eq!(text(bytes), Err(RejectReason::InvalidPrompt), "{bytes:?}");
        }
    }

    #[test]
    fn a_text_before_which_the_tokenizer_puts_a_space_is_invalid_and_its_ids_are_taken() {
        let bytes = (0..=255).map(byte_token);
        let tokens: Vec<String> = bytes.chain(["\u{2581}", "a", "b", "ab"].map(String::from)).collect();
        let taken = |prefix, input| {
            let tokenizer = define(&tokens, Splitting::SentencePiece { prefix });
            prompt_ids(&input, &tokenizer, &tokenizer.token_table(260).unwrap(), 8)
        };
        let text = |text: &str| Input::Text(text.as_bytes().to_vec().try_into().unwrap());
        let ids = vec![256, 259];
        for invalid in ["ab", " ab"] {
            assert_eq!(taken(true, text(invalid)), Err(RejectReason::InvalidPrompt));
        }
        assert_eq!(
            taken(true, Input::Tokens(ids.clone().try_into().unwrap())),
            Ok(ids.clone())
        );
        assert_eq!(taken(false, text(" ab")), Ok(ids));
        // Its own `\u{2581}` becomes a space.
        assert_eq!(taken(false, text("\u{2581}")), Err(RejectReason::InvalidPrompt));
    }

    #[test]
    fn ids_are_taken_as_they_are_if_the_model_has_them() {
        assert_eq!(ids(&[3, 0]), Ok(vec![3, 0]));
        assert_eq!(ids(&[]), Err(RejectReason::InvalidPrompt));
        assert_eq!(ids(&[0, 4]), Err(RejectReason::InvalidPrompt));
        assert_eq!(ids(&[u32::MAX]), Err(RejectReason::InvalidPrompt));
    }

    #[test]
    fn a_prompt_must_leave_room_for_one_token() {
        assert_eq!(ids(&[0, 0, 0]), Ok(vec![0, 0, 0]));
        assert_eq!(ids(&[0, 0, 0, 0]), Err(RejectReason::PromptTooLong));
        assert_eq!(text(b"aaaa"), Err(RejectReason::PromptTooLong));
        // Unknown ids make a prompt invalid however long it is.
        assert_eq!(ids(&[0, 0, 0, 0, 9]), Err(RejectReason::InvalidPrompt));
    }
}
