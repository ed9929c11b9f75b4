// SPDX-License-Identifier: Apache-2.0
//! What both kinds of sources say of a model besides its tensors.
use super::ImportError;
use ergon_primitives::manifest::{Architecture, Dimensions, DimensionsError, GRANULE, MAX_CONTEXT};

/// Configuration of a decoder.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Config {
    /// Human-readable name.
    pub name: String,
    /// Family.
    pub architecture: Architecture,
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
        self.dimensions
            .check()
            .map_err(|error| ImportError::Unsupported(describe(error)))?;
        if !(0.0..=1.0).contains(&self.epsilon) {
            return refuse(format!("an epsilon of {} in the norms", self.epsilon));
        }
        if !(1.0..=1e12).contains(&self.rope_theta) {
            return refuse(format!("a rotary base of {}", self.rope_theta));
        }
        Ok(())
    }
}

/// What is not supported, and the remedy where there is one.
fn describe(error: DimensionsError) -> String {
    match error {
        DimensionsError::Range {
            what: "context", size, ..
        } => {
            format!("a context of {size} positions; choose at most {MAX_CONTEXT} with --context; it")
        }
        DimensionsError::Range { what, size, most } => format!("a {what} of {size} (1 to {most} are possible)"),
        DimensionsError::Granule { what, size } => format!("a {what} of {size}, not a multiple of {GRANULE},"),
        DimensionsError::UnevenHeads { heads, kv_heads } => {
            format!("{heads} attention heads over {kv_heads} key-value heads")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::DIMENSIONS;

    fn checked(dimensions: Dimensions) -> Result<(), String> {
        let config = Config {
            name: "tiny".into(),
            architecture: Architecture::Llama,
            dimensions,
            epsilon: 1e-5,
            rope_theta: 1e4,
            tied: true,
            begin_of_sequence: None,
            end_of_sequence: vec![2],
            chat_template: None,
        };
        config.check().map_err(|error| error.to_string())
    }

    #[test]
    fn a_shape_that_the_chain_would_not_register_is_not_imported() {
        let head = |head_dim| Dimensions { head_dim, ..DIMENSIONS };
        assert_eq!(checked(head(512)), Ok(()));
        assert!(checked(head(516))
            .unwrap_err()
            .starts_with("a head size of 516 (1 to 512 are possible) is not supported"));
        assert!(checked(head(510))
            .unwrap_err()
            .starts_with("a head size of 510, not a multiple of 4, is not supported"));
        let context = |context| Dimensions { context, ..DIMENSIONS };
        assert_eq!(checked(context(MAX_CONTEXT)), Ok(()));
        assert!(checked(context(MAX_CONTEXT + 1)).unwrap_err().contains("--context"));
        // Each is possible by itself, but not together.
        let wide = Dimensions {
            heads: 4096,
            head_dim: 512,
            ..DIMENSIONS
        };
        assert!(checked(wide).unwrap_err().contains("all heads together"));
        let uneven = Dimensions {
            kv_heads: 3,
            ..DIMENSIONS
        };
        assert!(checked(uneven)
            .unwrap_err()
            .starts_with("4 attention heads over 3 key-value heads is not supported"));
    }
}
