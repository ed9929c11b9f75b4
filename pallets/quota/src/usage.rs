// SPDX-License-Identifier: Apache-2.0
//! The arithmetic of one token bucket, exact however often it is touched.
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_runtime::traits::{AtLeast32BitUnsigned, UniqueSaturatedInto};

/// What is missing from a full bucket.
///
/// A charge of `a` makes a debt of `a * period`, and each block pays back `capacity`. So an empty bucket is full again after
/// `period` blocks, whatever its capacity, and nothing is lost to rounding when it is touched in every block. A bucket that
/// shrinks is at most empty, and what one grows by arrives empty.
///
/// What is *held* is missing as well, but doesn't come back with time.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Usage<BlockNumber> {
    /// What is missing, times the period, as of block `at`.
    pub debt: u128,
    /// When it was last touched.
    pub at: BlockNumber,
    /// How large the bucket was then.
    pub capacity: u64,
    /// What is reserved.
    pub held: u64,
}

/// How large a bucket is, and how many blocks it takes to fill.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shape {
    /// Most that it holds.
    pub capacity: u64,
    /// Blocks until an empty one is full, at least 1.
    pub period: u64,
}

impl Shape {
    fn full_debt(&self) -> u128 {
        u128::from(self.capacity) * u128::from(self.period)
    }
}

impl<BlockNumber: AtLeast32BitUnsigned + Copy> Usage<BlockNumber> {
    /// Of a bucket that has always been full.
    pub fn full(capacity: u64) -> Self {
        Self {
            debt: 0,
            at: BlockNumber::zero(),
            capacity,
            held: 0,
        }
    }

    /// As of block `now`, in a bucket of `shape`. If that is larger than when it was last touched, what it grew by was empty in block
    /// `since`, or when it was last touched if that was later.
    pub fn refilled(self, shape: Shape, since: BlockNumber, now: BlockNumber) -> Self {
        let growth = shape.capacity.saturating_sub(self.capacity);
        if growth == 0 {
            return self.filled(shape, now);
        }
        let before = Shape {
            capacity: self.capacity,
            ..shape
        };
        let mut grown = self.filled(before, since.max(self.at).min(now));
        grown.charge(shape.period, growth);
        grown.filled(shape, now)
    }

    fn filled(self, shape: Shape, now: BlockNumber) -> Self {
        let elapsed: u64 = now.saturating_sub(self.at).unique_saturated_into();
        let paid = u128::from(shape.capacity) * u128::from(elapsed);
        Self {
            debt: self.debt.min(shape.full_debt()).saturating_sub(paid),
            at: now,
            capacity: shape.capacity,
            held: self.held,
        }
    }

    /// Makes the bucket one of `shape` with `left` in it, as far as that fits beside what is held.
    pub fn resize(&mut self, shape: Shape, left: u64) {
        self.capacity = shape.capacity;
        let missing = shape.capacity.saturating_sub(self.held).saturating_sub(left);
        self.debt = u128::from(missing) * u128::from(shape.period);
    }

    /// What is missing, rounded up.
    pub fn used(&self, shape: Shape) -> u64 {
        let charged: u64 = self.debt.div_ceil(u128::from(shape.period)).unique_saturated_into();
        charged.saturating_add(self.held)
    }

    /// What there is, rounded down.
    pub fn remaining(&self, shape: Shape) -> u64 {
        shape.capacity.saturating_sub(self.used(shape))
    }

    /// Takes `amount` out of a bucket that fills in `period` blocks.
    pub fn charge(&mut self, period: u64, amount: u64) {
        let more = u128::from(amount) * u128::from(period);
        self.debt = self.debt.saturating_add(more);
    }

    /// Puts `amount` back into one; a full bucket stays full.
    pub fn refund(&mut self, period: u64, amount: u64) {
        let less = u128::from(amount) * u128::from(period);
        self.debt = self.debt.saturating_sub(less);
    }

    /// Reserves `amount`.
    pub fn hold(&mut self, amount: u64) {
        self.held = self.held.saturating_add(amount);
    }

    /// Ends a reservation of `amount`, of which `used` was used: that comes back from now on.
    pub fn settle(&mut self, period: u64, amount: u64, used: u64) {
        self.held = self.held.saturating_sub(amount);
        self.charge(period, used.min(amount));
    }

    /// Blocks from `at` until nothing but what is held is missing.
    pub fn blocks_until_full(&self, shape: Shape) -> u64 {
        let per_block = u128::from(shape.capacity.max(1));
        self.debt.div_ceil(per_block).unique_saturated_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PERIOD: u64 = 600;

    fn shape(capacity: u64) -> Shape {
        Shape {
            capacity,
            period: PERIOD,
        }
    }

    #[test]
    fn empty_bucket_of_any_size_is_full_after_one_period() {
        for capacity in [1, 7, 599, 1_000_000] {
            let shape = shape(capacity);
            let mut usage = Usage::<u32>::full(shape.capacity);
            usage.charge(shape.period, capacity);
            assert_eq!(usage.remaining(shape), 0);
            assert_eq!(usage.blocks_until_full(shape), PERIOD);
            assert_eq!(usage.refilled(shape, 0, 300).remaining(shape), capacity / 2);
            assert!(usage.refilled(shape, 0, 599).remaining(shape) < capacity);
            assert_eq!(usage.refilled(shape, 0, 600).remaining(shape), capacity);
        }
    }

    #[test]
    fn largest_numbers_saturate() {
        let shape = Shape {
            capacity: u64::MAX,
            period: u64::MAX,
        };
        let mut usage = Usage::<u32>::full(shape.capacity);
        usage.charge(shape.period, u64::MAX);
        usage.charge(shape.period, u64::MAX);
        assert_eq!(usage.refilled(shape, 0, 0).remaining(shape), 0);
        assert_eq!(usage.refilled(shape, 0, 0).blocks_until_full(shape), u64::MAX);
        assert!(usage.refilled(shape, 0, u32::MAX).remaining(shape) < u64::from(u32::MAX) + 1);
    }

    #[test]
    fn growth_arrives_empty_and_fills_from_when_it_came() {
        let (small, large) = (shape(600), shape(6_000));
        let usage = Usage::<u32>::full(600);
        assert_eq!(usage.refilled(large, 100, 100).remaining(large), 600);
        assert_eq!(usage.refilled(large, 100, 400).remaining(large), 3_600);
        assert_eq!(usage.refilled(large, 100, 700).remaining(large), 6_000);
        // Nothing fills before it was touched last, nor in the future.
        let touched = usage.refilled(small, 0, 300);
        assert_eq!(touched.refilled(large, 100, 300).remaining(large), 600);
        assert_eq!(touched.refilled(large, 900, 300).remaining(large), 600);
        // Shrinking and growing again gains nothing.
        let mut spent = Usage::<u32>::full(6_000);
        spent.charge(large.period, 6_000);
        let back = spent.refilled(small, 0, 0).refilled(large, 0, 0);
        assert_eq!(back.remaining(large), 0);
    }

    #[test]
    fn a_resized_bucket_holds_what_it_is_given_as_far_as_it_fits() {
        let mut usage = Usage::<u32>::full(1_000);
        usage.hold(100);
        for (capacity, left, remaining) in [(500, 300, 300), (500, 500, 400), (50, 500, 0), (1_000, 0, 0)] {
            usage.resize(shape(capacity), left);
            assert_eq!(usage.remaining(shape(capacity)), remaining);
        }
    }

    #[test]
    fn what_is_held_does_not_come_back_until_it_is_settled() {
        let shape = shape(1_000);
        let mut usage = Usage::<u32>::full(shape.capacity);
        usage.hold(600);
        assert_eq!(usage.refilled(shape, 0, 10_000).remaining(shape), 400);
        let mut usage = usage.refilled(shape, 0, 10_000);
        usage.settle(shape.period, 600, 300);
        assert_eq!(usage.remaining(shape), 700);
        assert_eq!(usage.refilled(shape, 0, 10_300).remaining(shape), 1_000);
    }

    proptest! {
        #[test]
        fn refill_is_linear_and_never_exceeds_capacity(
            capacity in 1u64..1 << 40,
            share in 0u64..=1_000,
            blocks in 0u32..1_000,
            touches in proptest::collection::btree_set(0u32..1_000, 0..40),
        ) {
            let shape = shape(capacity);
            let mut usage = Usage::<u32>::full(shape.capacity);
            usage.charge(shape.period, capacity / 1_000 * share);
            let once = usage.refilled(shape, 0, blocks);
            // capacity * blocks / period comes back, to the last fraction.
            let back = u128::from(capacity) * u128::from(blocks);
            prop_assert_eq!(once.debt, usage.debt.saturating_sub(back));
            prop_assert!(once.remaining(shape) <= capacity);
            // Looking more often changes nothing.
            let before = touches.into_iter().filter(|at| *at < blocks);
            let often = before.fold(usage, |usage, at| usage.refilled(shape, 0, at));
            prop_assert_eq!(often.refilled(shape, 0, blocks), once);
        }

        /// However its capacity changes, a bucket yields at most what its largest capacity would have.
        #[test]
        fn changes_of_capacity_gain_nothing(
            steps in proptest::collection::vec((1u64..1_000_000, 0u32..200, 0u64..=100), 1..40),
        ) {
            let most = shape(1_000_000);
            let (mut usage, mut now, mut spent) = (Usage::<u32>::full(1_000_000), 0, 0);
            for (capacity, blocks, percent) in steps {
                now += blocks;
                let shape = shape(capacity);
                usage = usage.refilled(shape, 0, now);
                let amount = usage.remaining(shape) / 100 * percent;
                usage.charge(shape.period, amount);
                spent += amount;
                prop_assert!(spent <= most.capacity + most.capacity * u64::from(now) / PERIOD);
            }
        }

        #[test]
        fn charge_and_refund_cancel(capacity in 1u64..1 << 40, first in 0u64..1 << 40, amount in 0u64..1 << 40) {
            let shape = shape(capacity);
            let mut usage = Usage::<u32>::full(shape.capacity);
            usage.charge(shape.period, first);
            let before = usage;
            usage.charge(shape.period, amount);
            usage.refund(shape.period, amount);
            prop_assert_eq!(usage, before);
            usage.refund(shape.period, u64::MAX);
            prop_assert_eq!(usage.remaining(shape), capacity);
        }
    }
}
