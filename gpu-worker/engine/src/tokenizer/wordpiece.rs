// SPDX-License-Identifier: Apache-2.0
//! WordPiece, the tokenizer of encoders.
//!
//! A text is put between the tokens that the definition's template names (`[CLS]`, `[SEP]`), as the model was trained. Nothing is ever cut
//! off or filled up: definitions as published have truncation and padding of their own, which are ignored.
use super::TokenizerError;
use crate::model::TokenTable;
use std::collections::BTreeMap;
use tokenizers::ModelWrapper;

/// A WordPiece tokenizer.
pub struct WordPiece(tokenizers::Tokenizer);

impl WordPiece {
    /// Tokenizer that a `tokenizer.json` defines.
    pub fn from_json(json: &[u8]) -> Result<Self, TokenizerError> {
        let malformed = |error: tokenizers::Error| TokenizerError::Malformed(error.to_string());
        let mut tokenizer = tokenizers::Tokenizer::from_bytes(json).map_err(malformed)?;
        if !matches!(tokenizer.get_model(), ModelWrapper::WordPiece(_)) {
            return Err(TokenizerError::NotWordPiece);
        }
        tokenizer.with_truncation(None).map_err(malformed)?.with_padding(None);
        Ok(Self(tokenizer))
    }

    /// Ids of `text` with the tokens around it.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.0.encode_fast(text, true);
        let encoding = encoding.map_err(|error| TokenizerError::Text(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// How each token of a model with `vocabulary` tokens is written, `##` before one that continues a word; nothing for ids that the
    /// tokenizer doesn't use.
    pub fn token_table(&self, vocabulary: u32) -> Result<TokenTable, TokenizerError> {
        let tokens = self.0.get_vocab(true).into_iter();
        let tokens: BTreeMap<u32, String> = tokens.map(|(token, id)| (id, token)).collect();
        if let Some(id) = tokens.keys().next_back().filter(|id| **id >= vocabulary) {
            return Err(TokenizerError::Vocabulary { id: *id, vocabulary });
        }
        let (mut bytes, mut offsets) = (Vec::new(), vec![0u32]);
        for id in 0..vocabulary {
            bytes.extend_from_slice(tokens.get(&id).map_or(b"", |token| token.as_bytes()));
            let end = u32::try_from(bytes.len());
            offsets.push(end.map_err(|_| TokenizerError::Unsupported("tokens of over 4 GiB".into()))?);
        }
        TokenTable::new(bytes, offsets).map_err(|error| TokenizerError::Malformed(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// As published ones are: with truncation and padding baked in.
    fn tiny(truncation: serde_json::Value, padding: serde_json::Value) -> WordPiece {
        let special = |id: u32, content: &str| {
            json!({"id": id, "content": content, "special": true, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false})
        };
        let place = |token: &str| json!({"SpecialToken": {"id": token, "type_id": 0}});
        let named = |id: u32, token: &str| json!({"id": token, "ids": [id], "tokens": [token]});
        let definition = json!({
            "version": "1.0", "truncation": truncation, "padding": padding,
            "added_tokens": [special(0, "[PAD]"), special(1, "[UNK]"), special(2, "[CLS]"), special(3, "[SEP]")],
            "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
                "lowercase": true},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "TemplateProcessing",
                "single": [place("[CLS]"), {"Sequence": {"id": "A", "type_id": 0}}, place("[SEP]")],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {"[CLS]": named(2, "[CLS]"), "[SEP]": named(3, "[SEP]")}},
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "embed": 4, "##ding": 5, "##s": 6, "cafe": 7}}
        });
        WordPiece::from_json(definition.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn words_are_cut_into_pieces_between_the_special_tokens() {
        let tokenizer = tiny(json!(null), json!(null));
        assert_eq!(tokenizer.encode("Embeddings embed").unwrap(), [2, 4, 5, 6, 4, 3]);
        assert_eq!(tokenizer.encode("CAF\u{c9} xyz").unwrap(), [2, 7, 1, 3]);
        assert_eq!(tokenizer.encode("").unwrap(), [2, 3]);
    }

    #[test]
    fn truncation_and_padding_of_the_definition_are_ignored() {
        let truncation = json!({"max_length": 3, "strategy": "LongestFirst", "stride": 0, "direction": "Right"});
        let padding = json!({"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0,
            "pad_token": "[PAD]"});
        assert_eq!(
            tiny(truncation, padding).encode("Embeddings embed").unwrap(),
            [2, 4, 5, 6, 4, 3]
        );
    }

    #[test]
    fn a_tokens_bytes_are_how_it_is_written() {
        let tokenizer = tiny(json!(null), json!(null));
        let table = tokenizer.token_table(12).unwrap();
        assert_eq!((table.get(5), table.get(11)), (Some(&b"##ding"[..]), Some(&b""[..])));
        assert!(matches!(
            tokenizer.token_table(4),
            Err(TokenizerError::Vocabulary { id: 7, .. })
        ));
    }

    #[test]
    fn another_kind_of_tokenizer_is_refused() {
        let bpe = br#"{"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": []}}"#;
        assert!(matches!(WordPiece::from_json(bpe), Err(TokenizerError::NotWordPiece)));
        assert!(matches!(WordPiece::from_json(b"{"), Err(TokenizerError::Malformed(_))));
    }
}
