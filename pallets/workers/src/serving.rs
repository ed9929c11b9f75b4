// SPDX-License-Identifier: Apache-2.0
//! For every model the dense list of the active operators that serve it, and draws from it.
//!
//! The list is three maps: index to operator, operator to index, and the number of both. Removing moves the last
//! operator into the gap. So listing, delisting and looking at a random operator are O(1) for any number of operators.
//!
//! # The draw
//!
//! Up to [`TRIES`] times, an index is drawn and the operator at it accepted with probability `clamp(weight / (4 * mean
//! weight), 1/8, 1)`. Weights between half and four times the mean are therefore drawn in proportion to weight; below,
//! a newcomer still has its share, and above, nobody is drawn more than eight times as often as a newcomer. Without any
//! weight on the chain, all are equal. If every try fails, as it may when a few of many operators are free, the next
//! [`TRIES`] operators after the last index are looked at in order, and the first that may be drawn is taken. So a list
//! of up to [`TRIES`] operators always yields one if there is one.
use crate::{Config, Pallet, Positions, Serving, ServingCount};
use ergon_primitives::{draw::Draw, traits::Contributions, ModelId, VoteWeight};

/// Random tries of one draw, and operators that are then looked at in order. Each reads an operator twice (index,
/// record) and at most one weight.
pub const TRIES: u32 = 16;

impl<T: Config> Pallet<T> {
    /// Puts `operator` at the end of the model's list; it must not be on it.
    pub(crate) fn list(model: &ModelId, operator: &T::AccountId) {
        let end = ServingCount::<T>::get(model);
        Serving::<T>::insert(model, end, operator);
        Positions::<T>::insert(model, operator, end);
        ServingCount::<T>::insert(model, end.saturating_add(1));
    }

    /// Takes `operator` off the model's list, if it is on it.
    pub(crate) fn delist(model: &ModelId, operator: &T::AccountId) {
        let Some(gap) = Positions::<T>::take(model, operator) else {
            return;
        };
        let last = ServingCount::<T>::get(model).saturating_sub(1);
        let moved = Serving::<T>::take(model, last);
        if let Some(moved) = moved.filter(|_| gap != last) {
            Serving::<T>::insert(model, gap, &moved);
            Positions::<T>::insert(model, &moved, gap);
        }
        match last {
            0 => ServingCount::<T>::remove(model),
            _ => ServingCount::<T>::insert(model, last),
        }
    }

    /// Draws an operator of the model's list that `may_be_drawn`.
    pub(crate) fn draw_from_list(
        model: &ModelId,
        draw: &mut Draw,
        may_be_drawn: impl Fn(&T::AccountId) -> bool,
    ) -> Option<T::AccountId> {
        let count = ServingCount::<T>::get(model);
        if count == 0 {
            return None;
        }
        let total = T::Capacity::total();
        let mut index = 0;
        for _ in 0..TRIES {
            index = draw.below(count.into()) as u32;
            let operator = Serving::<T>::get(model, index)?;
            if may_be_drawn(&operator) && accepts(T::Capacity::weight(&operator), total, count, draw) {
                return Some(operator);
            }
        }
        (1..=TRIES.min(count))
            .filter_map(|step| {
                let next = (u64::from(index) + u64::from(step)) % u64::from(count);
                Serving::<T>::get(model, next as u32)
            })
            .find(may_be_drawn)
    }
}

/// Whether a draw with the probability of an operator's weight, among `count` that share `total`, succeeds.
fn accepts(weight: VoteWeight, total: VoteWeight, count: u32, draw: &mut Draw) -> bool {
    const CERTAIN: u128 = 1 << 32;
    if total == 0 {
        return true;
    }
    // weight / (4 * total / count) with 32 binary places; weight * count is below 2^96, so it fits.
    let proportional = (u128::from(weight) * u128::from(count) * (CERTAIN / 4)) / u128::from(total);
    u128::from(draw.below(CERTAIN as u64)) < proportional.clamp(CERTAIN / 8, CERTAIN)
}
