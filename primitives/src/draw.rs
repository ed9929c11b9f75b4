// SPDX-License-Identifier: Apache-2.0
//! Unbiased draws from a beacon value: a counter-based generator keyed by beacon, domain and subject.
use crate::{hash, H256};

/// A stream of draws. The same beacon value, domain and subject give the same stream.
///
/// ```
/// use ergon_primitives::{draw::Draw, H256};
/// let mut draw = Draw::new(H256::zero(), b"worker", &7u64.to_le_bytes());
/// assert!(draw.below(10) < 10);
/// ```
#[derive(Clone, Debug)]
pub struct Draw {
    key: H256,
    counter: u32,
}

impl Draw {
    /// The stream for `subject` (say, a job's number) in `domain` (say, the choice of its worker).
    pub fn new(beacon: H256, domain: &[u8], subject: &[u8]) -> Self {
        let length = (domain.len() as u32).to_le_bytes();
        Self {
            key: hash(&[b"ergon/draw", &beacon.0, &length, domain, subject]),
            counter: 0,
        }
    }

    /// How many draws were taken.
    pub fn taken(&self) -> u32 {
        self.counter
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        let block = hash(&[&self.key.0, &self.counter.to_le_bytes()]);
        self.counter = self.counter.wrapping_add(1);
        u64::from_le_bytes(block.0[..8].try_into().unwrap_or_default())
    }

    /// The next draw from `0..bound`; 0 for a bound of 0. The bias is below `bound / 2^64`.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_spread_evenly() {
        let mut counts = [0u32; 10];
        let mut draw = Draw::new(H256::repeat_byte(3), b"test", b"");
        for _ in 0..10_000 {
            counts[draw.below(10) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn beacon_domain_and_subject_all_change_the_stream() {
        let first = |beacon, domain: &[u8], subject: &[u8]| Draw::new(beacon, domain, subject).bits();
        let base = first(H256::zero(), b"ab", b"c");
        assert_eq!(base, first(H256::zero(), b"ab", b"c"));
        assert_ne!(base, first(H256::repeat_byte(1), b"ab", b"c"));
        assert_ne!(base, first(H256::zero(), b"a", b"bc"));
        assert_ne!(base, first(H256::zero(), b"ab", b"d"));
    }
}
