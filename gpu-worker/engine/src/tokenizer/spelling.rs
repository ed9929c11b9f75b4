// SPDX-License-Identifier: Apache-2.0
//! Which ids stand for a text.
use super::{sentencepiece::Prefix, Kind, Tokenizer, TokenizerError};
use crate::model::TokenTable;

impl Tokenizer {
    /// Whether `ids` stand for `text`: their bytes in `tokens`, at least one each, are its bytes one after the other, but for the spaces
    /// that this tokenizer puts before the text, or before its pieces between added tokens.
    pub fn spells(&self, ids: &[u32], tokens: &TokenTable, text: &str) -> bool {
        let added = self.tokenizer.get_added_tokens_decoder();
        let mut rest = text.as_bytes();
        let mut piece_begins = true;
        for (position, id) in ids.iter().enumerate() {
            let Some(mut bytes) = tokens.get(*id).filter(|bytes| !bytes.is_empty()) else {
                return false;
            };
            let added = added.get(id);
            if piece_begins && added.is_none() && self.adds_space(position == 0, rest) {
                match bytes.strip_prefix(b" ") {
                    Some(unprefixed) => bytes = unprefixed,
                    None => return false,
                }
            }
            match rest.strip_prefix(bytes) {
                Some(after) => rest = after,
                None => return false,
            }
            piece_begins = added.is_some_and(|added| !(added.normalized && self.prefix() == Prefix::Prepend));
        }
        rest.is_empty()
    }

    /// Ids of `text` where it goes on from another text, as an answer does: as far as the tokens are its own, without a space before it.
    pub fn encode_continuation(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        if self.prefix() == Prefix::Never {
            return self.encode(text);
        }
        // The space goes before the end of a line, which is hardly ever part of a larger token.
        let ids = self.encode(&format!("\n{text}"))?;
        let ends_line = |id: &u32| {
            self.tokenizer
                .id_to_token(*id)
                .is_some_and(|token| LINE_END.contains(&&*token))
        };
        match ids.iter().take(2).position(ends_line) {
            Some(at) => Ok(ids[at + 1..].to_vec()),
            None => self.encode(text),
        }
    }

    fn prefix(&self) -> Prefix {
        match self.kind {
            Kind::ByteLevel => Prefix::Never,
            Kind::SentencePiece(prefix) => prefix,
        }
    }

    /// Whether a space goes before a piece of text that begins with `text`; the first one stands at the beginning of the whole text.
    fn adds_space(&self, is_first: bool, text: &[u8]) -> bool {
        let spaced = text.starts_with(b" ");
        match self.prefix() {
            Prefix::Never => false,
            Prefix::First => is_first && !spaced,
            Prefix::Always => !spaced,
            Prefix::Prepend => true,
        }
    }
}

/// How a line's end is written as a token, perhaps with the space before it.
const LINE_END: [&str; 3] = ["<0x0A>", "\n", "\u{2581}\n"];
