// SPDX-License-Identifier: Apache-2.0
//! Benchmarks of every call, each in its worst case.
use crate::{
    Adopted, Adoption, Call, Change, Config, Delegations, EnsureGuardian, HistoryLength, HistoryOf, MemberRecord,
    Members, Pallet, PalletsOriginOf, PollIndexOf, Referenda, Thresholds, VoteRecord, Voting,
};
use alloc::vec::Vec;
use ergon_primitives::VoteWeight;
use frame_benchmarking::{v2::*, BenchmarkError};
use frame_support::{
    traits::{
        schedule::{v3::Named, DispatchTime},
        Bounded, EnsureOrigin, Get, Polling, VoteTally,
    },
    BoundedVec,
};
use frame_system::RawOrigin;
use sp_runtime::traits::BlockNumberProvider;

/// Makes what benchmarks need, with the runtime's own registry and ledger.
pub trait BenchmarkHelper<AccountId> {
    /// Makes `who` an operator and credits it, so that it is a member and weighs at least `weight` from the next epoch on.
    fn make_member(who: &AccountId, weight: VoteWeight);
    /// Takes all of `who`'s weight.
    fn forfeit(who: &AccountId);
    /// The next epoch begins.
    fn begin_epoch();
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn vote() -> Result<(), BenchmarkError> {
        let (who, _, poll) = voter::<T>()?;
        Pallet::<T>::vote(RawOrigin::Signed(who.clone()).into(), poll, false)?;

        #[extrinsic_call]
        vote(RawOrigin::Signed(who.clone()), poll, true);

        assert!(Voting::<T>::get(poll, &who).is_some_and(|record| record.is_aye()));
        Ok(())
    }

    #[benchmark]
    fn delegate() -> Result<(), BenchmarkError> {
        // Had as many delegators as can be, has none any more, and has delegated elsewhere.
        let (who, former) = crowd::<T>("delegator", T::MaxDelegators::get())?;
        let (to, delegators) = crowd::<T>("delegate", T::MaxDelegators::get() - 1)?;
        grow_old::<T>();
        former
            .iter()
            .for_each(|delegator| fill_history::<T>(delegator, &who, 0));
        delegators
            .iter()
            .for_each(|delegator| fill_history::<T>(delegator, &to, last::<T>()));
        fill_history::<T>(&who, &former[0], 0);

        #[extrinsic_call]
        delegate(RawOrigin::Signed(who.clone()), to.clone());

        assert_eq!(Pallet::<T>::delegate_at(&who, Pallet::<T>::next_epoch()), Some(to));
        Ok(())
    }

    #[benchmark]
    fn undelegate() -> Result<(), BenchmarkError> {
        let (voter, delegators) = crowd::<T>("delegate", 1)?;
        let who = delegators[0].clone();
        grow_old::<T>();
        fill_history::<T>(&who, &voter, last::<T>());

        #[extrinsic_call]
        undelegate(RawOrigin::Signed(who.clone()));

        assert_eq!(
            Delegations::<T>::get(who).last().map(|change| &change.delegate),
            Some(&None)
        );
        Ok(())
    }

    #[benchmark]
    fn dismiss() -> Result<(), BenchmarkError> {
        let (signer, delegators) = crowd::<T>("delegate", T::MaxDelegators::get())?;
        let who = delegators[0].clone();
        grow_old::<T>();
        fill_history::<T>(&who, &signer, last::<T>());

        #[extrinsic_call]
        dismiss(RawOrigin::Signed(signer), who.clone());

        assert_eq!(
            Delegations::<T>::get(who).last().map(|change| &change.delegate),
            Some(&None)
        );
        Ok(())
    }

    #[benchmark]
    fn refresh_vote() -> Result<(), BenchmarkError> {
        let (who, delegators, poll) = voter::<T>()?;
        Pallet::<T>::vote(RawOrigin::Signed(who.clone()).into(), poll, true)?;
        // Adopted by it alone, so that it is stopped.
        let before = Voting::<T>::get(poll, &who);
        adopt::<T>(poll)?;
        T::BenchmarkHelper::forfeit(&delegators[0]);

        #[extrinsic_call]
        refresh_vote(RawOrigin::Signed(whitelisted_caller()), poll, who.clone());

        assert!(Voting::<T>::get(poll, &who) != before && Adopted::<T>::get(poll).is_some_and(|poll| poll.stopped));
        Ok(())
    }

    #[benchmark]
    fn refresh_member() {
        // One that nobody has credited anything.
        T::BenchmarkHelper::begin_epoch();
        let who: T::AccountId = account("member", 0, 0);
        Members::<T>::insert(&who, MemberRecord { rank: 0, since: 0 });

        #[extrinsic_call]
        refresh_member(RawOrigin::Signed(whitelisted_caller()), who.clone());

        assert!(!Members::<T>::contains_key(who));
    }

    #[benchmark]
    fn cleanup_poll(n: Linear<1, 100>) -> Result<(), BenchmarkError> {
        let poll = ongoing_poll::<T>()?;
        for index in 0..n {
            let who: T::AccountId = account("voter", index, 0);
            Voting::<T>::insert(poll, who, VoteRecord::Aye(1));
        }
        adopt::<T>(poll)?;
        T::Polls::end_ongoing(poll, false).map_err(|()| BenchmarkError::Stop("the poll can't be ended"))?;
        // Enacted since.
        T::Scheduler::cancel_named(T::Polls::task_name(poll))?;
        Adopted::<T>::mutate_extant(poll, |adoption| adoption.when = 0u32.into());

        #[extrinsic_call]
        cleanup_poll(RawOrigin::Signed(whitelisted_caller()), poll, n);

        assert_eq!(Voting::<T>::iter_prefix(poll).count(), 0);
        Ok(())
    }

    #[benchmark]
    fn veto() -> Result<(), BenchmarkError> {
        let poll = ongoing_poll::<T>()?;
        adopt::<T>(poll)?;
        let guardian = EnsureGuardian::<T>::try_successful_origin().map_err(|()| "there is no guardian")?;

        #[extrinsic_call]
        veto(guardian as T::RuntimeOrigin, poll);

        assert!(Adopted::<T>::get(poll).is_none());
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}

/// A member to which `count` others have delegated since the current epoch, and those.
fn crowd<T: Config>(name: &'static str, count: u32) -> Result<(T::AccountId, Vec<T::AccountId>), BenchmarkError> {
    let member = |index| {
        let who: T::AccountId = account(name, index, 0);
        T::BenchmarkHelper::make_member(&who, T::MinSubmitWeight::get());
        who
    };
    let delegate = member(0);
    let delegators: Vec<_> = (1..=count).map(member).collect();
    for delegator in &delegators {
        Pallet::<T>::delegate(RawOrigin::Signed(delegator.clone()).into(), delegate.clone())?;
    }
    T::BenchmarkHelper::begin_epoch();
    Ok((delegate, delegators))
}

/// A member with as many delegators as there can be, those, and a poll that is as old as one can be that takes votes. The delegation to
/// the member is the oldest that each of them had.
fn voter<T: Config>() -> Result<(T::AccountId, Vec<T::AccountId>, PollIndexOf<T>), BenchmarkError> {
    let (voter, delegators) = crowd::<T>("voter", T::MaxDelegators::get())?;
    let poll = ongoing_poll::<T>()?;
    grow_old::<T>();
    delegators
        .iter()
        .for_each(|delegator| fill_history::<T>(delegator, &voter, 0));
    // It hasn't delegated itself at that time, but in every epoch since.
    fill_history::<T>(&voter, &delegators[0], 0);
    Delegations::<T>::mutate(&voter, |history| drop(history.remove(0)));
    Ok((voter, delegators, poll))
}

/// As many epochs go by as a poll takes votes for.
fn grow_old<T: Config>() {
    (0..T::MaxPollEpochs::get()).for_each(|_| T::BenchmarkHelper::begin_epoch());
}

/// Number of the last change in the longest history.
fn last<T: Config>() -> u32 {
    HistoryLength::<T>::get() - 1
}

/// Gives `who` the longest history that there can be: another delegate in each epoch from that of the oldest poll to the next one. The
/// change number `at` is to `delegate`.
fn fill_history<T: Config>(who: &T::AccountId, delegate: &T::AccountId, at: u32) {
    let oldest = Pallet::<T>::oldest_poll_epoch();
    let changes = (0..=last::<T>()).map(|index| Change {
        from: oldest + index,
        delegate: Some(if index == at {
            delegate.clone()
        } else {
            account("elsewhere", index % 2, 0)
        }),
    });
    Delegations::<T>::insert(who, HistoryOf::<T>::truncate_from(changes.collect()));
}

/// A poll that is submitted in the current epoch.
fn ongoing_poll<T: Config>() -> Result<PollIndexOf<T>, BenchmarkError> {
    let class = T::Polls::classes().into_iter().next().ok_or("there are no tracks")?;
    T::Polls::create_ongoing(class).map_err(|()| BenchmarkError::Stop("a poll can't be created"))
}

/// Adopts a poll by the votes that it has: whatever is taken of them is too much. Its proposal is as long as one can be that travels in it.
fn adopt<T: Config>(poll: PollIndexOf<T>) -> Result<(), BenchmarkError> {
    let (tally, _) = T::Polls::as_ongoing(poll).ok_or("there is no such poll")?;
    let when = T::BlockNumberProvider::current_block_number() + 1u32.into();
    let origin: PalletsOriginOf<T> = RawOrigin::Root.into();
    let call = Bounded::Inline(BoundedVec::truncate_from(alloc::vec![0; 128]));
    T::Scheduler::schedule_named(
        T::Polls::task_name(poll),
        DispatchTime::At(when),
        None,
        0,
        origin.clone(),
        call.clone(),
    )?;
    let thresholds = Thresholds {
        approval: tally.approval(()),
        support: tally.support(()),
    };
    let adoption = Adoption {
        tally,
        thresholds,
        when,
        priority: 0,
        origin,
        call,
        stopped: false,
    };
    Adopted::<T>::insert(poll, adoption);
    Ok(())
}
