// SPDX-License-Identifier: Apache-2.0
//! The ledger of verified work, and the vote weight that follows from it.
//!
//! # Rules
//!
//! 1. **Units** are credited to an operator in the current epoch, those of jobs and those of audits apart ([`Source`]).
//! 2. An epoch **closes** when the next one begins; until then nothing in it counts.
//! 3. **Weight** is an exponential moving average over closed epochs: `w' = w * d + units * (1 - d)`, and `d = 1/2` to
//!    the power of `1 / `[`HalfLifeEpochs`](Config::HalfLifeEpochs). [`weight::average`] is the one function that says
//!    so. An operator that stops working loses half of its weight per half-life.
//! 4. Only **job** units weigh. Audit units are kept apart, so that a later rule may let them weigh as well.
//! 5. **Fraud** takes everything: current units, average and past weights, so past snapshots count 0 too.
//! 6. The **total** is kept like an operator's record and never below the sum of all weights; it may be above it by a
//!    few units for roundings. Past totals are not lowered by a later fraud.
//!
//! # Laziness
//!
//! Nothing happens when an epoch begins. A record is brought up to date when it is credited, and computed up to date
//! when it is read. A weight depends on credits only, not on when somebody looked:
//!
//! ```text
//! epoch      3        4        5        6 (current)
//! credited   1000     -        500      200
//! closed     (3, w3)           (5, w5 = average(w3, 500, 5 - 3))
//! weight                                average(w5, 0, 0) = w5
//! ```
//!
//! # Genesis
//!
//! A network may start with weights that real work then replaces: they count from epoch 1 on and fade like all others.
//! They are kept as the job units of epoch 0 that are worth as much, so there is one kind of record only. An account that
//! isn't an operator may have one too; the listener decides what it is told about whom.
//!
//! # Past weights
//!
//! A record keeps its last [`KEPT_EPOCHS`] closed epochs with units, so [`Pallet::weight_at`] is exact for at least
//! that many epochs back. Older ones read 0.
//!
//! All work is O(1): a record is one storage item of bounded size, and the total another. The pallet has no calls;
//! others write to it through [`Contributions`], and are told of changes through [`OnContribution`].
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod hook;
mod types;
pub mod weight;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

use ergon_primitives::{
    traits::{Contributions, CurrentEpoch, Source},
    Epoch, Units, VoteWeight,
};
use frame_support::traits::Get;
pub use hook::OnContribution;
pub use pallet::*;
pub use types::{ClosedEpoch, Record, UnitsBySource, KEPT_EPOCHS};

#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use alloc::{collections::BTreeSet, vec::Vec};
    use frame_support::pallet_prelude::*;

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The epoch that units are credited in.
        type CurrentEpoch: CurrentEpoch;
        /// Epochs without work after which half of a weight is left.
        #[pallet::constant]
        type HalfLifeEpochs: Get<u32>;
        /// Told when an operator's work is credited or taken away.
        type OnChange: OnContribution<Self::AccountId>;
    }

    /// What each operator has done. The key is hashed since anyone may choose an account's bytes.
    #[pallet::storage]
    pub type Records<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Record>;

    /// What all operators have done.
    #[pallet::storage]
    pub type Total<T: Config> = StorageValue<_, Record, ValueQuery>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// Units count for the operator when the epoch closes.
        Credited {
            /// Whose.
            operator: T::AccountId,
            /// The current epoch.
            epoch: Epoch,
            /// What they are for.
            source: Source,
            /// How many.
            units: Units,
        },
        /// An operator lost all of its weight and units.
        Forfeited {
            /// Who.
            operator: T::AccountId,
            /// The weight that it had.
            weight: VoteWeight,
        },
    }

    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// The weights in epoch 1, before any work is done; each account at most once.
        pub weights: Vec<(T::AccountId, VoteWeight)>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            let mut seen = BTreeSet::new();
            for (operator, weight) in &self.weights {
                assert!(
                    seen.insert(operator),
                    "contributions: {operator:?} has two genesis weights"
                );
                let units = weight::units_for(*weight, T::HalfLifeEpochs::get());
                let units = units.filter(|units| Total::<T>::get().open_units.job.checked_add(*units).is_some());
                let units = units
                    .unwrap_or_else(|| panic!("contributions: the genesis weights up to {operator:?}'s are too large"));
                Pallet::<T>::credit(operator, Source::Job, units);
            }
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<frame_system::pallet_prelude::BlockNumberFor<T>> for Pallet<T> {
        fn integrity_test() {
            assert!(T::HalfLifeEpochs::get() > 0, "HalfLifeEpochs: must be at least 1");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: frame_system::pallet_prelude::BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }
}

/// Reading. An epoch after the current one reads as the current one.
impl<T: Config> Pallet<T> {
    /// Weight of `operator` at the start of `epoch`; 0 for epochs before those that are kept.
    pub fn weight_at(operator: &T::AccountId, epoch: Epoch) -> VoteWeight {
        let now = T::CurrentEpoch::current_epoch();
        Records::<T>::get(operator).map_or(0, |record| {
            record
                .rolled(now, Self::average)
                .weight_at(epoch.min(now), Self::average)
        })
    }

    /// Sum of all weights at the start of `epoch`, as it was then; 0 for epochs before those that are kept.
    pub fn total_at(epoch: Epoch) -> VoteWeight {
        let now = T::CurrentEpoch::current_epoch();
        Total::<T>::get()
            .rolled(now, Self::average_of_all)
            .weight_at(epoch.min(now), Self::average_of_all)
    }

    /// Units that `operator` was credited in `epoch`; 0 for epochs before those that are kept.
    pub fn units_in(operator: &T::AccountId, epoch: Epoch) -> UnitsBySource {
        Records::<T>::get(operator)
            .map(|record| record.units_in(epoch))
            .unwrap_or_default()
    }

    fn average(previous: VoteWeight, units: Units, elapsed: u32) -> VoteWeight {
        weight::average(previous, units, elapsed, T::HalfLifeEpochs::get())
    }

    fn average_of_all(previous: VoteWeight, units: Units, elapsed: u32) -> VoteWeight {
        weight::average_of_all(previous, units, elapsed, T::HalfLifeEpochs::get())
    }

    /// Checks that
    /// 1. every record's closed epochs are in order and before its open one, which is not in the future,
    /// 2. the total is at least the sum of all weights,
    /// 3. the total's open units of each source are the sum of all operators'.
    #[cfg(any(feature = "std", feature = "try-runtime"))]
    pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
        use frame_support::ensure;
        let now = T::CurrentEpoch::current_epoch();
        let (mut weights, mut open) = (0u64, UnitsBySource::default());
        for (operator, record) in Records::<T>::iter() {
            ensure!(
                record.is_ordered(now),
                "contributions: a record's epochs are out of order"
            );
            weights = weights.saturating_add(Self::weight_at(&operator, now));
            open.add(&record.units_in(now));
        }
        let total = Total::<T>::get();
        ensure!(
            total.is_ordered(now),
            "contributions: the total's epochs are out of order"
        );
        ensure!(
            Self::total_at(now) >= weights,
            "contributions: the total is below the sum of weights"
        );
        ensure!(
            total.units_in(now) == open,
            "contributions: the total's units are not the sum of all"
        );
        Ok(())
    }
}

impl<T: Config> Contributions<T::AccountId> for Pallet<T> {
    fn credit(operator: &T::AccountId, source: Source, units: Units) {
        if units == 0 {
            return;
        }
        let epoch = T::CurrentEpoch::current_epoch();
        let added = UnitsBySource::from_source(source, units);
        let mut record = Records::<T>::get(operator)
            .unwrap_or_default()
            .rolled(epoch, Self::average);
        record.open_units.add(&added);
        Records::<T>::insert(operator, record);
        let mut total = Total::<T>::get().rolled(epoch, Self::average_of_all);
        total.open_units.add(&added);
        Total::<T>::put(total);
        Self::deposit_event(Event::Credited {
            operator: operator.clone(),
            epoch,
            source,
            units,
        });
        T::OnChange::credited(operator);
    }

    fn weight(operator: &T::AccountId) -> VoteWeight {
        Self::weight_at(operator, T::CurrentEpoch::current_epoch())
    }

    fn total() -> VoteWeight {
        Self::total_at(T::CurrentEpoch::current_epoch())
    }

    fn forfeit(operator: &T::AccountId) {
        let now = T::CurrentEpoch::current_epoch();
        let Some(record) = Records::<T>::take(operator) else {
            return;
        };
        let record = record.rolled(now, Self::average);
        let weight = record.weight_at(now, Self::average);
        let mut total = Total::<T>::get().rolled(now, Self::average_of_all);
        total.open_units.subtract(&record.open_units);
        let rest = total.weight_at(now, Self::average_of_all).saturating_sub(weight);
        total.replace_weight(rest);
        Total::<T>::put(total);
        Self::deposit_event(Event::Forfeited {
            operator: operator.clone(),
            weight,
        });
        T::OnChange::forfeited(operator);
    }
}
