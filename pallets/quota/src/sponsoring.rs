// SPDX-License-Identifier: Apache-2.0
//! Giving a part of one's capacity to others.
//!
//! A line moves capacity together with what is in it: what one side's bucket gets is at most what the other's loses, so neither giving
//! nor taking back makes anything full. Nobody is asked before it is given a line, so a line never takes anything of the account's own: what the
//! account has when it ends fills its own bucket first, and the rest goes back. The free bucket of an account that was let in has no part in it.
use crate::{Accounts, Config, Error, Event, Given, Line, Lines, Pallet, Points, QuotaParameters, Sponsors};
use ergon_primitives::traits::Parameters as _;
use ergon_storage::{Kept, Unreadable};
use frame_support::{ensure, pallet_prelude::DispatchResult, traits::Get};
use frame_system::Pallet as System;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_sponsor(sponsor: T::AccountId, account: T::AccountId, points: Points) -> DispatchResult {
        ensure!(sponsor != account, Error::<T>::SelfSponsored);
        // Nobody asks a hot key: with a line it would lose its operator's bucket.
        let operator = T::Accounts::operator_of(&account);
        ensure!(
            operator.is_none_or(|operator| operator == account),
            Error::<T>::ActsForOperator
        );
        let curve = T::Parameters::get();
        ensure!(points >= curve.newcomer_points, Error::<T>::LineTooSmall);
        ensure!(!Lines::<T>::contains_key(&account), Error::<T>::AlreadySponsored);
        let mut given = Self::given(&sponsor)?;
        ensure!(given.lines < T::MaxLines::get(), Error::<T>::TooManyLines);
        let free = Self::own(&sponsor, &curve).saturating_sub(given.points);
        ensure!(points <= free, Error::<T>::NotEnoughCapacity);
        let givers = Self::earned_buckets(&sponsor, &curve);
        let receivers = Self::earned_buckets(&account, &curve);
        given.points = given.points.saturating_add(points);
        given.lines = given.lines.saturating_add(1);
        Sponsors::<T>::insert(&sponsor, given);
        Lines::<T>::insert(
            &account,
            Line {
                sponsor: sponsor.clone(),
                points,
            },
        );
        if !Self::is_known(&account) {
            System::<T>::inc_providers(&account);
        }
        let amounts = [points, curve.units(points)];
        let sizes = Self::earned_sizes(&sponsor, &curve)
            .into_iter()
            .zip(Self::earned_sizes(&account, &curve));
        for (((mut giver, mut receiver), amount), (rest, size)) in
            givers.into_iter().zip(receivers).zip(amounts).zip(sizes)
        {
            let given = amount.min(giver.remaining());
            giver.resize(rest, giver.remaining().saturating_sub(given));
            receiver.resize(size, receiver.remaining().saturating_add(given));
            giver.save();
            receiver.save();
        }
        Self::deposit_event(Event::Sponsored {
            sponsor,
            account,
            points,
        });
        Ok(())
    }

    pub(crate) fn do_withdraw(who: T::AccountId, account: T::AccountId) -> DispatchResult {
        let line = Lines::<T>::get(&account).ok_or(Error::<T>::NotSponsored)?;
        let (sponsor, points) = (line.sponsor, line.points);
        ensure!(who == sponsor || who == account, Error::<T>::NotYourLine);

        let curve = T::Parameters::get();
        let receivers = Self::earned_buckets(&account, &curve);
        let givers = Self::earned_buckets(&sponsor, &curve);
        let mut given = Self::given(&sponsor)?;
        Lines::<T>::remove(&account);
        given.points = given.points.saturating_sub(points);
        given.lines = given.lines.saturating_sub(1);
        if given.lines == 0 {
            Sponsors::<T>::remove(&sponsor);
        } else {
            Sponsors::<T>::insert(&sponsor, given);
        }
        let sizes = Self::earned_sizes(&account, &curve)
            .into_iter()
            .zip(Self::earned_sizes(&sponsor, &curve));
        for ((mut receiver, mut giver), (rest, size)) in receivers.into_iter().zip(givers).zip(sizes) {
            // What the account has is its own as far as it has room for it without the line: the sponsor may have given an empty one, or one
            // that was empty in between.
            let kept = rest.saturating_sub(receiver.usage.held).min(receiver.remaining());
            let returned = receiver.remaining().saturating_sub(kept);
            receiver.resize(rest, kept);
            giver.resize(size, giver.remaining().saturating_add(returned));
            receiver.save();
            giver.save();
        }
        Self::deposit_event(Event::Withdrawn {
            sponsor,
            account,
            points,
        });
        Ok(())
    }

    fn given(sponsor: &T::AccountId) -> Result<Given, Unreadable> {
        Sponsors::<T>::read(&Sponsors::<T>::hashed_key_for(sponsor)).map(Option::unwrap_or_default)
    }

    /// How large the buckets of points and of units are that `owner` has earned.
    fn earned_sizes(owner: &T::AccountId, curve: &QuotaParameters) -> [u64; 2] {
        let points = Self::earned(owner, curve);
        [points, curve.units(points)]
    }
}
