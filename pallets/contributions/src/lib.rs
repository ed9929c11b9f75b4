// SPDX-License-Identifier: Apache-2.0
//! The ledger of verified work, and the vote weight that follows from it.
//!
//! # Rules
//!
//! 1. **Units** are credited to an operator in the current epoch, those of jobs and those of audits apart ([`Source`]).
//! 2. An epoch **closes** when the next one begins; until then nothing in it counts.
//! 3. **Weight** is an exponential moving average over closed epochs: each makes it `w' = w * d + units * (1 - d)`, and `d = 1/2` to
//!    the power of `1 / half-life` of that epoch. [`weight::average`] is the one function that says so. An operator that
//!    stops working loses half of its weight per half-life. A weight follows from credits and from the half-lives of the epochs that
//!    they lie back, regardless of who looks and when.
//! 4. Governance may change the **half-life** ([`Config::HalfLifeEpochs`]). What it is when an epoch begins is the half-life of
//!    that epoch, and of all after it until it differs again when one of them begins. So a change holds from the next epoch on,
//!    and no weight that can be read changes by it.
//! 5. An epoch in which nobody was credited anything is **void**: no weight decays in it. So weights are shares of the work that was done, not
//!    a measure of how long ago; a network on which nothing can be credited for a while, or nobody asks for anything, keeps its
//!    electorate, and with it the means to change that. Genesis weights don't fade on an idle chain either.
//! 6. Only **job** units weigh. Audit units are kept apart, so that a later rule may let them weigh as well.
//! 7. **Fraud** takes everything: current units, average and past weights, so past snapshots count 0 too.
//! 8. The **total** is kept like an operator's record and never below the sum of all weights; it may be above it by a
//!    few units for roundings. Past totals are not lowered by a later fraud.
//!
//! # Laziness
//!
//! When an epoch begins, only its half-life is settled, and whether the one before was void ([`Pallet::begin_epoch`]). A [`Record`] is written when something is credited, and
//! computed up to date when it is read. It says what it weighed and how many half-lives had passed since epoch 0, the *index*
//! ([`Schedule`]); decay follows from the difference to the index of the epoch that is asked for:
//!
//! ```text
//! epoch        3            4        5            6 (current)
//! half-life    4            2        2            2
//! index        3/4          1        3/2          2
//! credited     1000         -        500          200
//! kept         w3, index 1           w5, index 2  w6, index 5/2
//! weight                                          w5
//! ```
//!
//! where `w5 = average(w3, 500, 2 - 1, 1/2)`: two epochs, each of which takes half a half-life. So records are exact however
//! long they rest, and however often the half-life changes in the meantime.
//!
//! # Void epochs
//!
//! A void epoch has a start and an end like any other, but its end has the index of its start. That is all there is to it:
//! what decays follows from indices, and records, the total and past weights know nothing of void epochs. Which epochs are void is
//! said in one place, `is_void`; a consensus of proven work will redefine that and nothing else. It can be said only when the epoch is over, and before that it makes no difference: what is credited in an
//! epoch makes it one that isn't void. A fraudster's units don't count there, they are gone.
//!
//! # Genesis
//!
//! A network may start with weights that real work then replaces: they count from epoch 1 on and fade like all others, that is, in epochs in
//! which somebody works.
//! They are kept as the job units of epoch 0 that are worth as much, so there is one kind of record only. An account that
//! isn't an operator may have one too; the listener decides what it is told about whom.
//!
//! # Past weights
//!
//! A record keeps its last [`KEPT_EPOCHS`] closed epochs with units, and the schedule one change more. So
//! [`Pallet::weight_at`] is exact for at least that many epochs back. Older ones may read 0.
//!
//! All work is O(1): a record is one storage item of bounded size, and so are the total and the schedule. The pallet has no calls;
//! others write to it through [`Contributions`], and are told of changes through [`OnContribution`].
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod half_life;
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
use ergon_storage::Kept;
use frame_support::traits::Get;
pub use half_life::{Change, Schedule, HALF_LIFE_EPOCHS};
pub use hook::OnContribution;
pub use pallet::*;
pub use types::{Average, Record, Span, UnitsBySource, Worked, KEPT_EPOCHS};
use weight::{average, average_of_all};

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
        /// Epochs without work after which half of a weight is left, in [`HALF_LIFE_EPOCHS`]. May change; what it is when an
        /// epoch begins counts.
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

    /// Which epochs have which half-life, and which are void; empty only before genesis.
    #[pallet::storage]
    pub type HalfLives<T: Config> = StorageValue<_, Schedule, ValueQuery>;

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
        /// The operator's record doesn't decode. It stays as it is, for an upgrade to repair, and these units were not credited.
        Unreadable {
            /// Whose.
            operator: T::AccountId,
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
        /// From now on, weights fade at another speed.
        HalfLifeChanged {
            /// The first epoch with this half-life: the current one.
            epoch: Epoch,
            /// The half-life, in epochs.
            half_life: u32,
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
            Pallet::<T>::begin_epoch();
            let epoch = Pallet::<T>::now();
            let mut seen = BTreeSet::new();
            for (operator, weight) in &self.weights {
                assert!(
                    seen.insert(operator),
                    "contributions: {operator:?} has two genesis weights"
                );
                let units = weight::units_for(*weight, epoch.end - epoch.start);
                let units = units.filter(|units| {
                    Total::<T>::get()
                        .units_in(epoch.epoch)
                        .job
                        .checked_add(*units)
                        .is_some()
                });
                let units = units
                    .unwrap_or_else(|| panic!("contributions: the genesis weights up to {operator:?}'s are too large"));
                Pallet::<T>::credit(operator, Source::Job, units);
            }
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<frame_system::pallet_prelude::BlockNumberFor<T>> for Pallet<T> {
        fn integrity_test() {
            assert!(
                HALF_LIFE_EPOCHS.contains(&T::HalfLifeEpochs::get()),
                "HalfLifeEpochs: out of range"
            );
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
        Records::<T>::get(operator).map_or(0, |record| Self::read(&record, epoch, average))
    }

    /// Sum of all weights at the start of `epoch`, as it was then; 0 for epochs before those that are kept.
    pub fn total_at(epoch: Epoch) -> VoteWeight {
        Self::read(&Total::<T>::get(), epoch, average_of_all)
    }

    /// Units that `operator` was credited in `epoch`; 0 for epochs before those that are kept.
    pub fn units_in(operator: &T::AccountId, epoch: Epoch) -> UnitsBySource {
        Records::<T>::get(operator)
            .map(|record| record.units_in(epoch))
            .unwrap_or_default()
    }

    fn read(record: &Record, epoch: Epoch, average: Average) -> VoteWeight {
        let epoch = epoch.min(T::CurrentEpoch::current_epoch());
        let index = HalfLives::<T>::get().index_at(epoch);
        index.map_or(0, |index| record.weight_at(epoch, index, average))
    }

    fn now() -> Span {
        HalfLives::<T>::get().span(T::CurrentEpoch::current_epoch())
    }

    /// Checks that
    /// 1. every record's epochs are in order, and none is in the future,
    /// 2. the total is at least the sum of all weights,
    /// 3. the total's units of the current epoch, of each source, are the sum of all operators',
    /// 4. the half-lives are in order, none begins in the future, and the current epoch has one.
    #[cfg(any(feature = "std", feature = "try-runtime"))]
    pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
        use frame_support::ensure;
        let now = Self::now();
        let (mut weights, mut open) = (0u64, UnitsBySource::default());
        for (operator, record) in Records::<T>::iter() {
            ensure!(
                record.is_ordered(now),
                "contributions: a record's epochs are out of order"
            );
            weights = weights.saturating_add(Self::weight_at(&operator, now.epoch));
            open.add(&record.units_in(now.epoch));
        }
        let total = Total::<T>::get();
        ensure!(
            total.is_ordered(now),
            "contributions: the total's epochs are out of order"
        );
        ensure!(
            Self::total_at(now.epoch) >= weights,
            "contributions: the total is below the sum of weights"
        );
        ensure!(
            total.units_in(now.epoch) == open,
            "contributions: the total's units are not the sum of all"
        );
        ensure!(
            HalfLives::<T>::get().is_ordered(now.epoch),
            "contributions: the half-lives are out of order"
        );
        Ok(())
    }
}

/// Writing.
impl<T: Config> Pallet<T> {
    /// To be called whenever an epoch begins, before anything is credited in it: settles its half-life, and whether the one before was void.
    /// Complexity: O(1).
    pub fn begin_epoch() {
        let (epoch, half_life) = (T::CurrentEpoch::current_epoch(), T::HalfLifeEpochs::get());
        let void = epoch.checked_sub(1).is_some_and(Self::is_void);
        if HalfLives::<T>::mutate(|schedule| schedule.begin(epoch, half_life, void)) {
            Self::deposit_event(Event::HalfLifeChanged { epoch, half_life });
        }
    }

    /// Whether no weight decays in `epoch`, which is over: nothing was credited in it that is still there.
    fn is_void(epoch: Epoch) -> bool {
        Total::<T>::get().units_in(epoch) == UnitsBySource::default()
    }
}

impl<T: Config> Contributions<T::AccountId> for Pallet<T> {
    fn credit(operator: &T::AccountId, source: Source, units: Units) {
        if units == 0 {
            return;
        }
        let now = Self::now();
        let added = UnitsBySource::from_source(source, units);
        let credited = Records::<T>::change(&Records::<T>::hashed_key_for(operator), |record| {
            record.get_or_insert_default().credit(now, &added, average);
        });
        if credited.is_err() {
            return Self::deposit_event(Event::Unreadable {
                operator: operator.clone(),
                source,
                units,
            });
        }
        Total::<T>::mutate(|total| total.credit(now, &added, average_of_all));
        Self::deposit_event(Event::Credited {
            operator: operator.clone(),
            epoch: now.epoch,
            source,
            units,
        });
        T::OnChange::credited(operator);
    }

    fn weight(operator: &T::AccountId) -> VoteWeight {
        Self::weight_at(operator, T::CurrentEpoch::current_epoch())
    }

    fn most_weight(operator: &T::AccountId) -> VoteWeight {
        let Some(record) = Records::<T>::get(operator) else {
            return 0;
        };
        let now = Self::now();
        let next = record.weight_at(now.epoch.saturating_add(1), now.end, average);
        record.weight_at(now.epoch, now.start, average).max(next)
    }

    fn total() -> VoteWeight {
        Self::total_at(T::CurrentEpoch::current_epoch())
    }

    fn forfeit(operator: &T::AccountId) {
        let Some(record) = Records::<T>::take(operator) else {
            return;
        };
        let now = Self::now();
        let (units, weight) = (
            record.units_in(now.epoch),
            record.weight_at(now.epoch, now.start, average),
        );
        Total::<T>::mutate(|total| total.forfeit(now, &units, weight, average_of_all));
        Self::deposit_event(Event::Forfeited {
            operator: operator.clone(),
            weight,
        });
        T::OnChange::forfeited(operator);
    }
}
