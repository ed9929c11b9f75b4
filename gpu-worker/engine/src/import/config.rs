// SPDX-License-Identifier: Apache-2.0
//! What both kinds of sources say of a model besides its tensors.
use super::ImportError;
use ergon_primitives::manifest::Dimensions;

/// Most positions that the exact arithmetic is proven for.
const MAX_CONTEXT: u32 = 32768;

/// Configuration of a decoder.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Config {
    /// Human-readable name.
    pub name: String,
    /// Shape.
    pub dimensions: Dimensions,
    /// Epsilon of the norms.
    pub epsilon: f64,
    /// Base of the rotary angles.
    pub rope_theta: f64,
    /// Whether the embedding is also the output head.
    pub tied: bool,
    /// Token at the beginning of a sequence.
    pub begin_of_sequence: Option<u32>,
    /// Tokens that end an answer.
    pub end_of_sequence: Vec<u32>,
    /// Chat template (Jinja).
    pub chat_template: Option<String>,
}

impl Config {
    /// Cuts the context to `context` positions.
    pub fn restrict_context(&mut self, context: u32) -> Result<(), ImportError> {
        if context == 0 || context > self.dimensions.context {
            let own = self.dimensions.context;
            return Err(ImportError::Unsupported(format!(
                "a context of {context} positions, the model has {own},"
            )));
        }
        self.dimensions.context = context;
        Ok(())
    }

    /// Refuses numbers that the exact arithmetic isn't proven for.
    pub fn check(&self) -> Result<(), ImportError> {
        let refuse = |what: String| Err(ImportError::Unsupported(what));
        let d = &self.dimensions;
        let limits = [
            ("layers", d.layers, 1024),
            ("a hidden size", d.hidden, 65536),
            ("a feed-forward size", d.feed_forward, 65536),
            ("a head size", d.head_dim, 512),
            ("a vocabulary", d.vocabulary, 1 << 20),
            ("attention heads", d.heads, 65536),
            ("key-value heads", d.kv_heads, 65536),
        ];
        for (name, size, most) in limits {
            if size == 0 || size > most {
                return refuse(format!("{name} of {size} (1 to {most} are possible)"));
            }
        }
        if d.context == 0 || d.context > MAX_CONTEXT {
            return refuse(format!(
                "a context of {} positions; choose at most {MAX_CONTEXT} with --context; it",
                d.context
            ));
        }
        if !d.heads.is_multiple_of(d.kv_heads) {
            return refuse(format!(
                "{} attention heads over {} key-value heads",
                d.heads, d.kv_heads
            ));
        }
        for (name, size) in [
            ("hidden size", d.hidden),
            ("feed-forward size", d.feed_forward),
            ("head size", d.head_dim),
        ] {
            if !size.is_multiple_of(4) {
                return refuse(format!("a {name} of {size}, not a multiple of 4,"));
            }
        }
        if !d.vocabulary.is_multiple_of(4) {
            return refuse(format!("a vocabulary of {}, not a multiple of 4,", d.vocabulary));
        }
        if !(0.0..=1.0).contains(&self.epsilon) {
            return refuse(format!("an epsilon of {} in the norms", self.epsilon));
        }
        if !(1.0..=1e12).contains(&self.rope_theta) {
            return refuse(format!("a rotary base of {}", self.rope_theta));
        }
        Ok(())
    }
}
