// SPDX-License-Identifier: Apache-2.0
//! What must hold after every block.
use crate::{
    Admitted, Config, Given, Lines, NewcomersInBlock, Pallet, Sponsors, TicketDifficulty, Usages, VouchedBy, Vouchers,
    MAX_NEWCOMER_SHARE, MAX_UNITS_PER_POINT,
};
use alloc::collections::BTreeMap;
use ergon_primitives::traits::Parameters as _;
use frame_support::{ensure, traits::Get};
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
    /// Checks that
    /// 1. each sponsor's total is the sum of its lines, which are not too many and none empty,
    /// 2. what the sponsored get from one sponsor is at most what it has,
    /// 3. who is sponsored can sign,
    /// 4. no bucket was touched in the future, nor was an account let in or included then,
    /// 5. newcomers have not taken more of the last block than any curve lets them,
    /// 6. the difficulty is within its limits,
    /// 7. the parameters are in their ranges,
    /// 8. somebody vouches only for accounts that were let in and can sign, and for no more of them in an epoch than may be.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        let now = frame_system::Pallet::<T>::block_number();
        Self::check_lines()?;
        T::Parameters::get().check(&Self::limits())?;
        ensure!(
            Usages::<T>::iter().all(|(_, _, usage)| usage.at <= now),
            "quota: a bucket was touched in the future"
        );
        for (account, included) in Admitted::<T>::iter() {
            ensure!(included <= now, "quota: an account was included in the future");
            ensure!(Self::is_known(&account), "quota: an account that was let in can't sign");
        }
        ensure!(
            VouchedBy::<T>::iter_keys().all(Admitted::<T>::contains_key),
            "quota: somebody vouches for an account that was not let in"
        );
        ensure!(
            Vouchers::<T>::iter_values().all(|record| record.count <= T::MaxVouchesPerEpoch::get()),
            "quota: an operator has vouched for too many"
        );
        let newcomers = NewcomersInBlock::<T>::get();
        let most = MAX_NEWCOMER_SHARE * Self::block_points();
        ensure!(
            newcomers.points <= most
                && newcomers.changed_votes <= newcomers.points.min(most / 2)
                && newcomers.management <= newcomers.points.min(most / 2)
                && newcomers.units <= most.saturating_mul(MAX_UNITS_PER_POINT)
                && newcomers.tickets.max(newcomers.vouched) <= Self::places(),
            "quota: newcomers have taken more than their share of a block"
        );
        let difficulty = TicketDifficulty::<T>::get();
        let limits = T::HardestTarget::get()..=T::EasiestTarget::get();
        ensure!(
            limits.contains(&difficulty.target) && limits.contains(&difficulty.previous),
            "quota: the difficulty is out of its limits"
        );
        ensure!(difficulty.since <= now, "quota: the difficulty is from the future");
        Ok(())
    }

    fn check_lines() -> Result<(), TryRuntimeError> {
        let curve = T::Parameters::get();
        let mut sums = BTreeMap::<T::AccountId, (Given, u64)>::new();
        for (account, line) in Lines::<T>::iter() {
            ensure!(Self::is_known(&account), "quota: a sponsored account can't sign");
            ensure!(account != line.sponsor, "quota: an account sponsors itself");
            ensure!(line.points > 0, "quota: a line is worth nothing");
            let (given, received) = sums.entry(line.sponsor).or_default();
            given.points = given.points.saturating_add(line.points);
            given.lines = given.lines.saturating_add(1);
            *received = received.saturating_add(Self::received(&account, &curve));
        }
        ensure!(
            sums.len() == Sponsors::<T>::iter().count(),
            "quota: a sponsor is kept that gives nothing"
        );
        for (sponsor, (given, received)) in sums {
            ensure!(
                Sponsors::<T>::get(&sponsor) == given,
                "quota: a sponsor's total is not the sum of its lines"
            );
            ensure!(given.lines <= T::MaxLines::get(), "quota: a sponsor has too many lines");
            ensure!(
                received <= Self::own(&sponsor, &curve),
                "quota: a sponsor's lines are worth more than what it has"
            );
        }
        Ok(())
    }
}
