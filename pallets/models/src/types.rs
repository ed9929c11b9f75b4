// SPDX-License-Identifier: Apache-2.0
//! What the registry keeps of a model.
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use ergon_primitives::{manifest::Manifest, traits::ModelTerms, units::Prices, Units};
use scale_info::TypeInfo;

/// Whether a model takes new jobs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Status {
    /// It does.
    Active,
    /// It doesn't; it is kept as evidence.
    Retired,
}

/// A registered model.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Model {
    /// What it is.
    pub manifest: Manifest,
    /// What its tokens count.
    pub prices: Prices,
    /// Output tokens that any device that serves it is expected to decode in a block.
    pub tokens_per_block: u32,
    /// Whether it takes new jobs.
    pub status: Status,
}

impl Model {
    /// What jobs need to know.
    pub fn terms(&self) -> ModelTerms {
        ModelTerms {
            prices: self.prices,
            context: self.manifest.dimensions.context,
            rate: self.rate(),
        }
    }

    /// Units that any device that serves it is expected to do in a block: those of its tokens, wherever they stand. Prefill is faster.
    fn rate(&self) -> Units {
        let tokens = Prices {
            prompt_token: 0,
            attended_position: 0,
            ..self.prices
        };
        tokens.units(0, self.tokens_per_block).max(1)
    }
}
