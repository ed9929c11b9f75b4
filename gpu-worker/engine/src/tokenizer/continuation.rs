// SPDX-License-Identifier: Apache-2.0
//! Ids of a text that goes on from another.
use super::{Kind, Tokenizer, TokenizerError};

impl Tokenizer {
    /// Ids of `text` where it goes on from another text, as an answer does: as far as the tokens are its own, without a space before it.
    pub fn encode_continuation(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        if self.kind != (Kind::SentencePiece { prefixes: true }) {
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
}

/// How a line's end is written as a token, perhaps with the space before it.
const LINE_END: [&str; 3] = ["<0x0A>", "\n", "\u{2581}\n"];
