// SPDX-License-Identifier: Apache-2.0
//! The CPU backend: `ergon_exact` with SIMD dot products, on all threads of the current rayon pool.
//!
//! A batch is cut into blocks of tokens, whichever sequences they belong to. In each layer the blocks first make their keys and values, then,
//! with all of them in the cache, attend and go through the feed-forward part; both are shared out over the threads, and every weight that
//! is read serves a whole block. A few tokens only, as in decoding, make one block, and the threads share the rows of each matrix instead.
mod block;
mod cache;
mod encoder;
mod kernel;
mod profile;

pub use encoder::CpuEncoder;

use crate::{
    backend::{by_run, rows, Backend, Cache, Error, Position, Row, Run},
    model::Model,
};
use block::{Block, Engine};
use cache::LayerCache;
use kernel::Level;
use rayon::prelude::*;
use std::sync::Arc;

/// Most tokens of a block: enough to use every weight often, few enough to stay in the cache.
const BLOCK: usize = 64;
/// Tokens that go through the layers together, which bounds memory.
const CHUNK: usize = 512;
/// Up to so many tokens the threads share rows instead of blocks.
const WIDE: usize = 16;

/// A model on the CPU.
pub struct CpuBackend {
    model: Arc<Model>,
    level: Level,
}

impl CpuBackend {
    /// Backend with the best instruction set of this processor.
    pub fn new(model: Arc<Model>) -> Self {
        Self {
            model,
            level: Level::available()[0],
        }
    }
}

impl Backend for CpuBackend {
    fn name(&self) -> String {
        format!("cpu ({:?})", self.level).to_lowercase()
    }

    fn model(&self) -> &Arc<Model> {
        &self.model
    }

    fn cache(&self, pages: usize) -> Result<Box<dyn Cache>, Error> {
        Ok(Box::new(CpuCache {
            model: self.model.clone(),
            level: self.level,
            layers: cache::new(&self.model, pages)?,
            pages,
        }))
    }
}

struct CpuCache {
    model: Arc<Model>,
    level: Level,
    layers: Vec<LayerCache>,
    pages: usize,
}

impl Cache for CpuCache {
    fn forward(&mut self, batch: &[Run<'_>]) -> Result<Vec<Vec<Position>>, Error> {
        let rows = rows(&self.model, self.pages, batch)?;
        // All of it in the pool: handing over every small step from outside would cost more than the steps themselves.
        let outputs = rayon::scope(|_| rows.chunks(CHUNK).flat_map(|rows| self.chunk(rows)).collect());
        Ok(by_run(batch, outputs))
    }
}

impl CpuCache {
    /// The wanted outputs.
    fn chunk(&mut self, rows: &[Row<'_>]) -> Vec<Position> {
        let wide = rows.len() <= WIDE;
        // Two blocks a thread at least, since one may be late; whole quads of rows.
        let share = rows
            .len()
            .div_ceil(2 * rayon::current_num_threads())
            .next_multiple_of(4);
        let size = if wide { rows.len().max(1) } else { share.min(BLOCK) };
        let engine = Engine {
            model: &self.model,
            level: self.level,
            wide,
        };
        let mut blocks: Vec<_> = rows.chunks(size).map(|rows| Block::new(engine, rows)).collect();
        for (layer, cache) in self.model.layers.iter().zip(&mut self.layers) {
            blocks.par_iter_mut().for_each(|block| block.project(layer));
            for block in &blocks {
                block.store(cache);
            }
            blocks.par_iter_mut().for_each(|block| block.transform(layer, cache));
        }
        blocks.par_iter().flat_map(|block| block.outputs()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random};
    use ergon_primitives::manifest::Architecture;

    fn backend(dimensions: ergon_primitives::manifest::Dimensions, tied: bool, level: Level) -> CpuBackend {
        CpuBackend {
            model: Arc::new(testing::model(dimensions, tied, 1)),
            level,
        }
    }

    #[test]
    fn every_instruction_set_equals_the_specification_with_biases_and_norms_of_heads() {
        for architecture in [Architecture::Qwen2, Architecture::Qwen3] {
            let model = Arc::new(testing::model_of(architecture, testing::DIMENSIONS, false, 3));
            let tokens = Random::new(8).tokens(70, testing::DIMENSIONS.vocabulary);
            let expected = testing::reference(&model, &tokens);
            for level in Level::available() {
                let model = model.clone();
                let backend = CpuBackend { model, level };
                assert!(
                    outputs(&backend, &tokens, &[70]) == expected,
                    "{architecture:?} {level:?}"
                );
                assert!(
                    outputs(&backend, &tokens, &[37, 1, 1, 31]) == expected,
                    "{architecture:?} {level:?}"
                );
            }
        }
    }

    /// Outputs of all positions, cut into calls of these lengths.
    fn outputs(backend: &CpuBackend, tokens: &[u32], calls: &[usize]) -> Vec<Position> {
        let mut sequence = backend.sequence(tokens.len()).unwrap();
        let mut outputs = Vec::new();
        for call in calls {
            let from = sequence.len();
            outputs.extend(sequence.forward(&tokens[from..from + call], *call).unwrap());
        }
        assert_eq!(sequence.len(), tokens.len());
        outputs
    }

    #[test]
    fn every_instruction_set_equals_the_specification_on_a_whole_model() {
        for tied in [true, false] {
            for level in Level::available() {
                let backend = backend(testing::DIMENSIONS, tied, level);
                let tokens = Random::new(2).tokens(70, testing::DIMENSIONS.vocabulary);
                assert!(
                    outputs(&backend, &tokens, &[70]) == testing::reference(&backend.model, &tokens),
                    "{level:?}"
                );
            }
        }
    }

    #[test]
    fn any_cut_into_calls_gives_the_same_bits() {
        let backend = backend(testing::DIMENSIONS, true, Level::available()[0]);
        let tokens = Random::new(4).tokens(90, testing::DIMENSIONS.vocabulary);
        let whole = outputs(&backend, &tokens, &[90]);
        for calls in [
            vec![1; 90],
            vec![45, 45],
            vec![33, 1, 1, 3, 4, 5, 43],
            vec![89, 1],
            vec![2; 45],
        ] {
            assert!(outputs(&backend, &tokens, &calls) == whole, "{calls:?}");
        }
    }

    #[test]
    fn what_a_position_gives_does_not_depend_on_which_outputs_are_wanted() {
        let backend = backend(testing::DIMENSIONS, false, Level::available()[0]);
        let tokens = Random::new(5).tokens(80, testing::DIMENSIONS.vocabulary);
        let whole = outputs(&backend, &tokens, &[80]);
        for wanted in [0, 1, 15, 16, 17, 48, 80] {
            let mut sequence = backend.sequence(80).unwrap();
            assert!(sequence.forward(&tokens, wanted).unwrap() == whole[80 - wanted..]);
        }
    }

    #[test]
    fn a_truncated_sequence_goes_on_as_if_the_rest_had_never_been() {
        let backend = backend(testing::DIMENSIONS, true, Level::available()[0]);
        let tokens = Random::new(6).tokens(60, testing::DIMENSIONS.vocabulary);
        let mut sequence = backend.sequence(60).unwrap();
        let first = sequence.forward(&tokens, 60).unwrap();
        sequence.truncate(20);
        sequence.truncate(100);
        assert_eq!(sequence.len(), 20);
        assert!(sequence.forward(&tokens[20..], 40).unwrap() == first[20..]);
    }

    #[test]
    fn a_refused_call_leaves_the_cache_as_it_was() {
        let backend = backend(testing::DIMENSIONS, true, Level::available()[0]);
        let mut sequence = backend.sequence(4).unwrap();
        sequence.forward(&[1, 2, 3], 0).unwrap();
        let refused = sequence.forward(&[256], 1);
        assert!(matches!(
            refused,
            Err(Error::UnknownToken {
                token: 256,
                vocabulary: 256
            })
        ));
        assert!(matches!(
            sequence.forward(&[1, 2], 1),
            Err(Error::CacheFull { needed: 5, capacity: 4 })
        ));
        assert!(matches!(
            sequence.forward(&[1], 2),
            Err(Error::Outputs { wanted: 2, tokens: 1 })
        ));
        assert_eq!(sequence.len(), 3);
        let last = sequence.forward(&[4], 1).unwrap();
        assert!(last[0] == testing::reference(&backend.model, &[1, 2, 3, 4])[3]);
        assert!(matches!(
            backend.sequence(257),
            Err(Error::CacheFull {
                needed: 257,
                capacity: 256
            })
        ));
    }

    #[test]
    fn a_cache_that_no_machine_has_room_for_is_refused() {
        let backend = backend(testing::DIMENSIONS, true, Level::available()[0]);
        for pages in [usize::MAX, usize::MAX / 2, 1 << 40] {
            let refused = backend.cache(pages).map(drop).unwrap_err();
            assert!(
                matches!(refused, Error::Memory { pages: of, .. } if of == pages),
                "{refused}"
            );
        }
    }

    #[test]
    fn odd_shapes_equal_the_specification() {
        let odd = ergon_primitives::manifest::Dimensions {
            layers: 2,
            hidden: 36,
            feed_forward: 100,
            heads: 6,
            kv_heads: 2,
            head_dim: 20,
            vocabulary: 68,
            context: 40,
        };
        for level in Level::available() {
            let backend = backend(odd, true, level);
            let tokens = Random::new(7).tokens(40, odd.vocabulary);
            assert!(outputs(&backend, &tokens, &[38, 2]) == testing::reference(&backend.model, &tokens));
        }
    }
}
