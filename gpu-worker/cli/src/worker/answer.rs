// SPDX-License-Identifier: Apache-2.0
//! From a prompt on chain to token ids: a pure function, since executor and auditors must come to the same verdict.
use ergon_engine::model::TokenTable;
use ergon_primitives::{commitment::RejectReason, request::Input};

/// Token ids of a prompt for a model with these `tokens` and this `context`, or why it can't be answered.
///
/// Text goes through the tokenizer as it stands: the client has applied the chat template, and special tokens are recognised by their
/// text. `encode` gives its ids, or nothing if it fails. The ids must stand for the text byte by byte; a tokenizer that changes a text
/// (by normalizing it, say) can't take it as text.
///
/// The prompt and at least one output token must fit the context.
pub fn prompt_ids(
    input: &Input,
    encode: impl Fn(&str) -> Option<Vec<u32>>,
    tokens: &TokenTable,
    context: u32,
) -> Result<Vec<u32>, RejectReason> {
    let ids = match input {
        Input::Tokens(ids) => ids.to_vec(),
        Input::Text(bytes) => {
            let text = std::str::from_utf8(bytes).map_err(|_| RejectReason::InvalidPrompt)?;
            encode(text)
                .filter(|ids| spells(ids, tokens, bytes))
                .ok_or(RejectReason::InvalidPrompt)?
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

    /// Tokens `a`, `b`, `ab` and the unused fourth one.
    fn tokens() -> TokenTable {
        TokenTable::new(b"abab".to_vec(), vec![0, 1, 2, 4, 4]).unwrap()
    }

    fn encode(text: &str) -> Option<Vec<u32>> {
        match text {
            "" => Some(vec![]),
            "abb" => Some(vec![2, 1]),
            "aaaa" => Some(vec![0, 0, 0, 0]),
            "A" => Some(vec![0]),
            "ab?" => Some(vec![2]),
            "abc" => Some(vec![2, 9]),
            "b" => Some(vec![3, 1]),
            _ => None,
        }
    }

    fn text(text: &[u8]) -> Result<Vec<u32>, RejectReason> {
        prompt_ids(&Input::Text(text.to_vec().try_into().unwrap()), encode, &tokens(), 4)
    }

    fn ids(ids: &[u32]) -> Result<Vec<u32>, RejectReason> {
        prompt_ids(&Input::Tokens(ids.to_vec().try_into().unwrap()), encode, &tokens(), 4)
    }

    #[test]
    fn a_text_becomes_ids_that_spell_it() {
        assert_eq!(text(b"abb"), Ok(vec![2, 1]));
    }

    #[test]
    fn a_text_that_its_ids_do_not_spell_is_invalid() {
        for bytes in [&b"A"[..], b"ab?", b"abc", b"b", b"zzz", b"", b"\xff\xfe"] {
            assert_eq!(text(bytes), Err(RejectReason::InvalidPrompt), "{bytes:?}");
        }
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
