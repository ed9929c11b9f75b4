// SPDX-License-Identifier: Apache-2.0
//! Letting accounts in by the word of an operator that has shown its work.
//!
//! Cores are cheap to rent, so tickets alone would leave the door to those who rent the most. An operator that is established vouches for
//! at most [`Config::MaxVouchesPerEpoch`] newcomers an epoch. They are on probation like those that come by a ticket. If one of them fails
//! it, the voucher can't vouch for [`Config::VoucherBan`] epochs, once for each: a newcomer that fails over and over bars it only at first.
use crate::{Accounts, Admitted, Config, Error, Event, NewcomersInBlock, Pallet, VouchedBy, Vouchers, Vouching};
use ergon_primitives::{
    quota::{Admission, Newcomers},
    traits::CurrentEpoch,
};
use ergon_storage::{Kept, Unreadable};
use frame_support::{ensure, pallet_prelude::DispatchResult, traits::Get};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_vouch(voucher: T::AccountId, account: T::AccountId) -> DispatchResult {
        ensure!(T::Accounts::is_established(&voucher), Error::<T>::NotEstablished);
        ensure!(!Admitted::<T>::contains_key(&account), Error::<T>::AlreadyAdmitted);
        ensure!(
            T::Accounts::operator_of(&account).is_none(),
            Error::<T>::ActsForOperator
        );
        let record = Self::vouching(&voucher)?;
        ensure!(record.barred_until <= record.epoch, Error::<T>::VoucherBarred);
        ensure!(record.count < T::MaxVouchesPerEpoch::get(), Error::<T>::TooManyVouches);
        let taken = Self::with_vouched().ok_or(Error::<T>::NoPlaceLeft)?;

        NewcomersInBlock::<T>::put(taken);
        let count = record.count.saturating_add(1);
        Vouchers::<T>::insert(&voucher, Vouching { count, ..record });
        VouchedBy::<T>::insert(&account, &voucher);
        Self::welcome(&account);
        T::Newcomers::let_in(&account);
        Self::deposit_event(Event::Vouched { voucher, account });
        Ok(())
    }

    /// What `voucher` has vouched for in this epoch.
    fn vouching(voucher: &T::AccountId) -> Result<Vouching, Unreadable> {
        let record = Vouchers::<T>::read(&Vouchers::<T>::hashed_key_for(voucher))?.unwrap_or_default();
        let epoch = T::CurrentEpoch::current_epoch();
        let count = if record.epoch == epoch { record.count } else { 0 };
        Ok(Vouching { epoch, count, ..record })
    }

    /// The operator that vouched for `account` vouches for nobody for a while.
    pub(crate) fn bar_voucher(account: &T::AccountId) {
        let Some(voucher) = VouchedBy::<T>::take(account) else {
            return;
        };
        let Ok(record) = Self::vouching(&voucher) else {
            return;
        };
        let until = record.epoch.saturating_add(T::VoucherBan::get()).saturating_add(1);
        let barred = Vouching {
            barred_until: until,
            ..record
        };
        Vouchers::<T>::insert(&voucher, barred);
        Self::deposit_event(Event::VoucherBarred {
            voucher,
            account: account.clone(),
            until,
        });
    }
}
