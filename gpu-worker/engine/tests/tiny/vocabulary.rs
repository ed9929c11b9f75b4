// SPDX-License-Identifier: Apache-2.0
//! What a tiny decoder's tokens are.
use super::{Entry, Tiny, CHAT_TEMPLATE, END};
use ergon_engine::tokenizer::{
    definition::{split_merge, Added, Definition, Splitting},
    merges,
    sentencepiece::byte_token,
};

/// Two control tokens, and what a text is made of, with scores.
const PIECES: [(&str, f32); 8] = [
    ("<|start|>", 0.0),
    ("<|end|>", 0.0),
    ("he", 0.0),
    ("\u{2581}he", -1.0),
    ("\u{2581}", -2.0),
    ("h", -3.0),
    ("e", -4.0),
    ("l", -5.0),
];

/// The 256 characters of byte-level BPE by code point, two added tokens, two merged ones.
fn tokens() -> Vec<String> {
    let printable = ('!'..='~').chain('\u{a1}'..='\u{ac}').chain('\u{ae}'..='\u{ff}');
    let characters = printable.chain('\u{100}'..='\u{143}').map(String::from);
    characters
        .chain(["<|start|>", "<|end|>", "he", "ll"].map(String::from))
        .collect()
}

fn merges() -> Vec<String> {
    ["h e", "l l"].map(String::from).to_vec()
}

impl Tiny {
    fn is_sentencepiece(&self) -> bool {
        matches!(self.splitting, Splitting::SentencePiece { .. })
    }

    pub fn tokens(&self) -> Vec<String> {
        match self.is_sentencepiece() {
            true => (0..=255)
                .map(byte_token)
                .chain(PIECES.map(|(piece, _)| piece.into()))
                .collect(),
            false => tokens(),
        }
    }

    pub fn tokenizer(&self) -> Vec<u8> {
        let (tokens, merges) = (self.tokens(), merges());
        let merges = match self.is_sentencepiece() {
            true => merges::by_score(&tokens, &self.scores(), |id| id > END as usize),
            false => merges.iter().map(|merge| split_merge(merge)).collect(),
        };
        let added = vec![Added { id: 256, special: true }, Added { id: END, special: true }];
        Definition {
            tokens: &tokens,
            merges: merges.unwrap(),
            added,
            splitting: self.splitting,
        }
        .to_json()
        .unwrap()
    }

    fn scores(&self) -> Vec<f32> {
        let bytes = (0..=255).map(|_| 0.0);
        bytes.chain(PIECES.map(|(_, score)| score)).collect()
    }

    /// Types of tokens, as llama.cpp numbers them.
    fn types(&self) -> Vec<i32> {
        let ordinary = |id: usize| if self.is_sentencepiece() && id < 256 { 6 } else { 1 };
        let control = |id: usize| id == 256 || id == END as usize;
        let types = (0..self.tokens().len()).map(|id| if control(id) { 3 } else { ordinary(id) });
        types.collect()
    }

    /// What a GGUF file says of the tokenizer.
    pub(super) fn tokenizer_entries(&self) -> Vec<(&'static str, Entry)> {
        let common = [
            ("tokenizer.ggml.tokens", Entry::Texts(self.tokens())),
            ("tokenizer.ggml.token_type", Entry::I32s(self.types())),
            ("tokenizer.ggml.bos_token_id", Entry::U32(256)),
            ("tokenizer.ggml.eos_token_id", Entry::U32(END)),
            ("tokenizer.chat_template", Entry::Text(CHAT_TEMPLATE.into())),
        ];
        let own = match self.splitting {
            Splitting::SentencePiece { prefix } => [
                ("tokenizer.ggml.model", Entry::Text("llama".into())),
                ("tokenizer.ggml.scores", Entry::F32s(self.scores())),
                ("tokenizer.ggml.add_space_prefix", Entry::Bool(prefix)),
            ],
            _ => [
                ("tokenizer.ggml.model", Entry::Text("gpt2".into())),
                ("tokenizer.ggml.pre", Entry::Text("smollm".into())),
                ("tokenizer.ggml.merges", Entry::Texts(merges())),
            ],
        };
        own.into_iter().chain(common).collect()
    }
}
