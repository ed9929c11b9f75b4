// SPDX-License-Identifier: Apache-2.0
//! For every model the dense list of the operators that serve it, and draws from it.
//!
//! The list is two maps, index to [`Listing`] and operator to index, with a [tree of sums](crate::tree) over it. Removing moves the last
//! operator into the gap. So changing the list and drawing from it are O(log n) for any number of operators.
//!
//! # Changes wait
//!
//! What a draw in block `b` could depend on must be fixed before anybody knows the beacon's value in it. So every change to a list, to who
//! stands on it or to what counts there, is queued for [`Config::ListDelay`] blocks, which is the delay of audits:
//!
//! | an operator | is on the list |
//! |---|---|
//! | registers, resumes, or adds a model in block `c` | from block `c + ListDelay` on |
//! | drains, drops a model or its last hot key, is suspended or jailed in block `c` | until block `c + ListDelay` |
//!
//! At most one change waits for each operator and model: a later one takes its place. So changes don't pile up, however often somebody asks
//! for them: the queue is at most as long as all operators' lists of models together.
//!
//! So an operator that leaves at the moment of an answer is still drawn to audit it: this is its **duty to audit**. It is drawn for no
//! execution from the moment on in which it leaves, and one that is suspended or jailed for nothing; a draw that hits such an operator looks
//! for another one, but nobody's leaving changes what else a draw hits.
//!
//! An operator's **weight** in draws is [`Contributions::most_weight`], the work of the epoch under way included. It is brought up to date
//! whenever the operator is drawn, and when a job that it executed is settled, if it has changed by more than an eighth.
//!
//! # Executors
//!
//! By weight. While anybody on the list weighs something, all that weigh nothing have together at most one execution in ten: each
//! assignment to one that weighs adds a tenth to what the others are owed, up to two executions. Where nobody weighs, all are drawn
//! evenly.
//!
//! # Auditors
//!
//! Only established operators, by weight; evenly if none of those that may audit the answer weighs anything. Whether they have room doesn't
//! matter: the answer waits for the one that is drawn. Otherwise an operator that keeps the others busy could choose its auditor.
//!
//! # Tries
//!
//! A draw hits at most [`TRIES`] operators. One that can't be drawn is left out of the tries that follow, exactly: the others are drawn in
//! the right proportion.
use crate::{
    tree::{By, Place, Shares},
    ChangeQueue, Changes, Config, Event, Pallet, Positions, Probation, QueuedChanges, Serving, ServingCount,
    WeightlessTurns,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use ergon_primitives::{draw::Draw, traits::Contributions, ModelId, VoteWeight};
use ergon_storage::{Kept, Unreadable};
use frame_support::{storage::with_storage_layer, traits::Get};
use frame_system::pallet_prelude::BlockNumberFor;
use scale_info::TypeInfo;
use sp_runtime::{
    traits::{BlockNumberProvider, One, Saturating},
    DispatchError,
};

/// Most operators that one draw looks at. Each costs the way through the tree, its listing and its record.
pub const TRIES: u32 = 8;
/// Assignments to operators with weight for each to one without.
pub const WEIGHTED_TURNS: u8 = 9;
/// Most changes to lists that are done at the start of a block.
pub const MAX_CHANGES: u32 = 128;

/// An operator on the list of a model.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Listing<AccountId, BlockNumber> {
    /// The operator.
    pub operator: AccountId,
    /// Block in which it asked to be listed.
    pub since: BlockNumber,
}

/// A change to an operator's place on the list of a model that waits for its block.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Change<BlockNumber> {
    /// Block in which the change was asked for.
    pub asked: BlockNumber,
    /// Block at whose start it is made.
    pub due: BlockNumber,
    /// What it is.
    pub kind: ChangeKind,
}

/// A change to the list of a model.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum ChangeKind {
    /// Onto the list, with these shares; nothing but these changes for one that is on it.
    Enter(Shares),
    /// Other shares, for one that is on the list.
    Reweigh(Shares),
    /// Off the list.
    Leave,
}

/// A change's place in the queue.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Queued<AccountId, BlockNumber> {
    /// The model.
    pub model: ModelId,
    /// Whose place on the list changes.
    pub operator: AccountId,
    /// Block at whose start it is taken off the queue.
    pub due: BlockNumber,
}

/// The ends of the queue of changes.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct QueueEnds {
    /// Number of the first.
    pub first: u64,
    /// Number that the next one gets.
    pub end: u64,
}

type ListingOf<T> = Listing<<T as frame_system::Config>::AccountId, BlockNumberFor<T>>;

/// Listing.
impl<T: Config> Pallet<T> {
    /// `operator` begins to serve `model`.
    pub(crate) fn list(model: &ModelId, operator: &T::AccountId) {
        Self::queue(model, operator, ChangeKind::Enter(Self::current_shares(operator)));
    }

    /// `operator` no longer serves `model`.
    pub(crate) fn leave(model: &ModelId, operator: &T::AccountId) {
        Self::queue(model, operator, ChangeKind::Leave);
    }

    /// Lets later draws for `model` follow what `operator` weighs now, unless they nearly do. One that waits to enter the list asks again, to enter
    /// with that.
    pub(crate) fn follow_weight(model: &ModelId, operator: &T::AccountId) {
        let current = Self::current_shares(operator);
        let waiting = Changes::<T>::get(model, operator).map(|change| change.kind);
        let (shares, kind) = match waiting {
            Some(ChangeKind::Enter(shares)) => (Some(shares), ChangeKind::Enter(current)),
            Some(ChangeKind::Reweigh(_) | ChangeKind::Leave) => return,
            None => (
                Positions::<T>::get(model, operator).map(|index| Self::shares_at(model, index)),
                ChangeKind::Reweigh(current),
            ),
        };
        if shares.is_some_and(|shares| shares.differs_from(&current)) {
            Self::queue(model, operator, kind);
        }
    }

    /// First block in which `operator` is on none of the lists that it leaves now.
    pub(crate) fn left_at() -> BlockNumberFor<T> {
        let now = T::BlockNumberProvider::current_block_number();
        now.saturating_add(T::ListDelay::get()).saturating_add(One::one())
    }

    fn queue(model: &ModelId, operator: &T::AccountId, kind: ChangeKind) {
        let asked = T::BlockNumberProvider::current_block_number();
        let due = match kind {
            ChangeKind::Leave => Self::left_at(),
            _ => asked.saturating_add(T::ListDelay::get()),
        };
        let is_queued = Changes::<T>::get(model, operator).is_some();
        Changes::<T>::insert(model, operator, Change { asked, due, kind });
        if !is_queued {
            let queued = Queued {
                model: *model,
                operator: operator.clone(),
                due,
            };
            ChangeQueue::<T>::mutate(|queue| Self::push(queue, queued));
        }
    }

    fn push(queue: &mut QueueEnds, queued: Queued<T::AccountId, BlockNumberFor<T>>) {
        QueuedChanges::<T>::insert(queue.end, queued);
        queue.end = queue.end.saturating_add(1);
    }

    /// Takes up to [`MAX_CHANGES`] changes off the queue whose block has come, in the order in which they were asked for, and makes them; returns
    /// how many it took. One that was asked for again since goes to the end. One that can't be read is reported and stays as it is, for an
    /// upgrade to repair; those behind it go on.
    pub(crate) fn make_changes(now: BlockNumberFor<T>) -> u32 {
        let mut queue = ChangeQueue::<T>::get();
        let (end, mut taken) = (queue.end, 0);
        while taken < MAX_CHANGES && queue.first < end {
            let number = queue.first;
            match QueuedChanges::<T>::get(number) {
                Some(queued) if queued.due > now => break,
                Some(queued) => {
                    QueuedChanges::<T>::remove(number);
                    Self::take_change(&mut queue, queued, now);
                }
                None => Self::deposit_event(Event::UnreadableChange { number }),
            }
            queue.first = queue.first.saturating_add(1);
            taken += 1;
        }
        if taken > 0 {
            ChangeQueue::<T>::put(queue);
        }
        taken
    }

    /// Makes a change that was taken off the queue, or puts it to the end if it was asked for again since.
    fn take_change(queue: &mut QueueEnds, queued: Queued<T::AccountId, BlockNumberFor<T>>, now: BlockNumberFor<T>) {
        let Queued { model, operator, .. } = queued;
        match Changes::<T>::get(model, &operator) {
            Some(Change { due, .. }) if due > now => Self::push(queue, Queued { model, operator, due }),
            Some(change) => {
                Changes::<T>::remove(model, &operator);
                let made = with_storage_layer(|| Self::make(&model, operator, change).map_err(DispatchError::from));
                if made.is_err() {
                    Self::deposit_event(Event::UnreadableChange { number: queue.first });
                }
            }
            None => Self::deposit_event(Event::UnreadableChange { number: queue.first }),
        }
    }

    /// Makes a change. If a part of the list can't be read, what was done before must be rolled back.
    pub(crate) fn make(
        model: &ModelId,
        operator: T::AccountId,
        change: Change<BlockNumberFor<T>>,
    ) -> Result<(), Unreadable> {
        let index = Positions::<T>::read(&Positions::<T>::hashed_key_for(model, &operator))?;
        match (change.kind, index) {
            (ChangeKind::Enter(shares) | ChangeKind::Reweigh(shares), Some(index)) => {
                Self::set_shares(model, index, shares)
            }
            (ChangeKind::Enter(shares), None) => {
                let since = change.asked;
                Self::append(model, Listing { operator, since }, shares)
            }
            (ChangeKind::Leave, Some(index)) => Self::take_off(model, &operator, index),
            (ChangeKind::Reweigh(_) | ChangeKind::Leave, None) => Ok(()),
        }
    }

    fn append(model: &ModelId, listing: ListingOf<T>, shares: Shares) -> Result<(), Unreadable> {
        let end = Self::count(model)?;
        Positions::<T>::insert(model, &listing.operator, end);
        Serving::<T>::insert(model, end, listing);
        ServingCount::<T>::insert(model, end.saturating_add(1));
        Self::set_shares(model, end, shares)
    }

    fn count(model: &ModelId) -> Result<u32, Unreadable> {
        ServingCount::<T>::read(&ServingCount::<T>::hashed_key_for(model)).map(Option::unwrap_or_default)
    }

    fn take_off(model: &ModelId, operator: &T::AccountId, gap: u32) -> Result<(), Unreadable> {
        Positions::<T>::remove(model, operator);
        let count = Self::count(model)?;
        let last = count.saturating_sub(1);
        let moved = Serving::<T>::take_out(&Serving::<T>::hashed_key_for(model, last))?.filter(|_| gap != last);
        let shares = Self::shares_at(model, last);
        Self::drop_last_shares(model, count)?;
        match last {
            0 => ServingCount::<T>::remove(model),
            _ => ServingCount::<T>::insert(model, last),
        }
        if let Some(moved) = moved {
            Positions::<T>::insert(model, &moved.operator, gap);
            Serving::<T>::insert(model, gap, moved);
            Self::set_shares(model, gap, shares)?;
        }
        Ok(())
    }

    /// What `operator` counts in draws from now on.
    fn current_shares(operator: &T::AccountId) -> Shares {
        let established = !Probation::<T>::contains_key(operator);
        Shares::new(T::Capacity::most_weight(operator), established)
    }
}

/// Drawing.
impl<T: Config> Pallet<T> {
    /// Draws an operator to execute a job for `model`, among those that are `eligible`.
    pub(crate) fn draw_listed_executor(
        model: &ModelId,
        draw: &mut Draw,
        exclude: &[T::AccountId],
        eligible: impl Fn(&ListingOf<T>) -> bool,
    ) -> Option<T::AccountId> {
        let mut excluded = Self::places(model, exclude);
        let mut draw_by = |by, draw: &mut Draw| Self::draw_by(model, by, draw, &mut excluded, &eligible).operator();
        if Self::all_shares(model).weight == 0 {
            return draw_by(By::Weightless, draw);
        }
        let turns = WeightlessTurns::<T>::get(model);
        let owed = turns >= WEIGHTED_TURNS;
        let weightless_first = owed && draw.below(u64::from(WEIGHTED_TURNS) + 1) == 0;
        let order = match weightless_first {
            true => [Some(By::Weightless), Some(By::Weight)],
            false => [Some(By::Weight), owed.then_some(By::Weightless)],
        };
        let (by, operator) = order
            .into_iter()
            .flatten()
            .find_map(|by| draw_by(by, draw).map(|operator| (by, operator)))?;
        let after = match by {
            By::Weightless => turns.saturating_sub(WEIGHTED_TURNS),
            _ => turns.saturating_add(1).min(2 * WEIGHTED_TURNS),
        };
        if after != turns {
            WeightlessTurns::<T>::insert(model, after);
        }
        Some(operator)
    }

    /// Draws an established operator to audit an answer to `model`, among those that are `eligible`; `None` if there is none, or none was found.
    pub(crate) fn draw_listed_auditor(
        model: &ModelId,
        draw: &mut Draw,
        exclude: &[T::AccountId],
        eligible: impl Fn(&ListingOf<T>) -> bool,
    ) -> Option<T::AccountId> {
        let mut excluded = Self::places(model, exclude);
        match Self::draw_by(model, By::AuditWeight, draw, &mut excluded, &eligible) {
            Drawn::Nobody => Self::draw_by(model, By::Auditors, draw, &mut excluded, &eligible).operator(),
            drawn => drawn.operator(),
        }
    }

    /// Where operators stand on the list of `model`.
    fn places(model: &ModelId, operators: &[T::AccountId]) -> Vec<Place> {
        let mut places: Vec<_> = operators
            .iter()
            .filter_map(|operator| Positions::<T>::get(model, operator))
            .map(|index| (index, Self::shares_at(model, index)))
            .collect();
        places.sort_by_key(|(index, _)| *index);
        places.dedup_by_key(|(index, _)| *index);
        places
    }

    /// Draws an operator of the model's list in proportion to a share. Those found that can't be drawn are `excluded` from then on.
    fn draw_by(
        model: &ModelId,
        by: By,
        draw: &mut Draw,
        excluded: &mut Vec<Place>,
        eligible: impl Fn(&ListingOf<T>) -> bool,
    ) -> Drawn<T::AccountId> {
        let all = Self::all_shares(model).by(by);
        for _ in 0..TRIES {
            let left_out = excluded
                .iter()
                .fold(0u64, |sum, (_, shares)| sum.saturating_add(shares.by(by)));
            let place = match all.saturating_sub(left_out) {
                0 => None,
                left => Self::find(model, by, draw.below(left), excluded),
            };
            let found =
                place.and_then(|(index, shares)| Serving::<T>::get(model, index).map(|found| (index, shares, found)));
            let Some((index, shares, listing)) = found else {
                return Drawn::Nobody;
            };
            if eligible(&listing) {
                Self::follow_weight(model, &listing.operator);
                return Drawn::Operator(listing.operator);
            }
            excluded.push((index, shares));
        }
        Drawn::NotFound
    }
}

/// What a draw found.
enum Drawn<AccountId> {
    /// This operator.
    Operator(AccountId),
    /// None that can be drawn, in as many tries as there are.
    NotFound,
    /// Nobody is left that has a share.
    Nobody,
}

impl<AccountId> Drawn<AccountId> {
    fn operator(self) -> Option<AccountId> {
        match self {
            Self::Operator(operator) => Some(operator),
            Self::NotFound | Self::Nobody => None,
        }
    }
}

impl Shares {
    /// Of an operator that weighs this and is on a list.
    fn new(weight: VoteWeight, established: bool) -> Self {
        Self {
            weight,
            weightless: (weight == 0).into(),
            auditors: established.into(),
            audit_weight: if established { weight } else { 0 },
        }
    }

    /// Whether draws have to be told of these: the weight is another by more than an eighth, or the operator counts where it didn't.
    fn differs_from(&self, current: &Self) -> bool {
        let far = self.weight.abs_diff(current.weight) > self.weight / 8;
        far || (self.weightless, self.auditors) != (current.weightless, current.auditors)
    }
}
