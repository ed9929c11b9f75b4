// SPDX-License-Identifier: Apache-2.0
//! A nonce check that says what is wrong with an account that the chain doesn't know.
use crate::{extension::EXHAUSTED, Config, Pallet};
use codec::{Decode, DecodeWithMemTracking, Encode};
use frame_support::{
    dispatch::{DispatchInfo, PostDispatchInfo},
    ensure,
    pallet_prelude::TransactionSource,
    weights::Weight,
    DebugNoBound,
};
use scale_info::TypeInfo;
use sp_runtime::{
    traits::{
        AsSystemOriginSigner, DispatchInfoOf, Dispatchable, Implication, PostDispatchInfoOf, Saturating,
        TransactionExtension, UniqueSaturatedInto, ValidateResult,
    },
    transaction_validity::{InvalidTransaction, TransactionValidityError},
    DispatchResult,
};

/// `InvalidTransaction::Custom` code: the chain doesn't know the account, so that it can't sign anything. A ticket, a sponsor or an operator
/// whose hot key it becomes makes it known.
pub const UNKNOWN_ACCOUNT: u8 = 2;
/// `InvalidTransaction::Custom` code: too many of the account's transactions have to come before this one. It can be sent when some of them are
/// in blocks.
pub const TOO_FAR_AHEAD: u8 = 5;

/// Most nonces that a transaction may be ahead of its account's in the pool; half of that for hot keys, of which an operator has many.
pub const MAX_AHEAD: u64 = 64;

/// [`frame_system::CheckNonce`] that refuses an account without a provider by [`UNKNOWN_ACCOUNT`], where the framework says
/// that it can't pay a fee.
///
/// A transaction that waits for others of its account is looked at together with them, so that no account fills the pool with what it can't
/// pay for: it is refused if it is more than [`MAX_AHEAD`] nonces ahead ([`TOO_FAR_AHEAD`]), or if its bucket holds less than it takes as many times ([`EXHAUSTED`]).
///
/// To clients it is `CheckNonce`, with the payload and the metadata of the framework's.
#[derive(Clone, DebugNoBound, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking)]
pub struct CheckNonce<T: Config>(frame_system::CheckNonce<T>);

impl<T: Config> CheckNonce<T> {
    /// For making transactions.
    pub fn from(nonce: T::Nonce) -> Self {
        Self(frame_system::CheckNonce::from(nonce))
    }

    fn check_those_before(
        &self,
        who: &T::AccountId,
        call: &T::RuntimeCall,
        info: &DispatchInfo,
        length: usize,
    ) -> Result<(), InvalidTransaction> {
        let next = frame_system::Account::<T>::get(who).nonce;
        let before: u64 = self.0 .0.saturating_sub(next).unique_saturated_into();
        if before == 0 {
            return Ok(());
        }
        let most = match Pallet::<T>::is_hot_key(who) {
            true => MAX_AHEAD / 2,
            false => MAX_AHEAD,
        };
        ensure!(before <= most, InvalidTransaction::Custom(TOO_FAR_AHEAD));
        let cost = Pallet::<T>::cost(info, length.unique_saturated_into());
        let affordable = Pallet::<T>::affords(who, call, cost, before.saturating_add(1));
        ensure!(affordable, InvalidTransaction::Custom(EXHAUSTED));
        Ok(())
    }
}

impl<T: Config> TypeInfo for CheckNonce<T>
where
    frame_system::CheckNonce<T>: TypeInfo + 'static,
{
    type Identity = frame_system::CheckNonce<T>;

    fn type_info() -> scale_info::Type {
        frame_system::CheckNonce::<T>::type_info()
    }
}

/// The framework's extension.
type Stock<T> = frame_system::CheckNonce<T>;

impl<T: Config + Send + Sync> TransactionExtension<T::RuntimeCall> for CheckNonce<T>
where
    T::RuntimeCall: Dispatchable<Info = DispatchInfo, PostInfo = PostDispatchInfo>,
    <T::RuntimeCall as Dispatchable>::RuntimeOrigin: AsSystemOriginSigner<T::AccountId> + Clone,
    Stock<T>: TransactionExtension<T::RuntimeCall, Implicit = ()>,
{
    const IDENTIFIER: &'static str = <Stock<T> as TransactionExtension<T::RuntimeCall>>::IDENTIFIER;
    type Implicit = ();
    type Val = <Stock<T> as TransactionExtension<T::RuntimeCall>>::Val;
    type Pre = <Stock<T> as TransactionExtension<T::RuntimeCall>>::Pre;

    fn weight(&self, call: &T::RuntimeCall) -> Weight {
        self.0.weight(call)
    }

    fn validate(
        &self,
        origin: T::RuntimeOrigin,
        call: &T::RuntimeCall,
        info: &DispatchInfoOf<T::RuntimeCall>,
        length: usize,
        implicit: (),
        implication: &impl Implication,
        source: TransactionSource,
    ) -> ValidateResult<Self::Val, T::RuntimeCall> {
        let valid = self
            .0
            .validate(origin, call, info, length, implicit, implication, source)
            .map_err(|error| match error {
                TransactionValidityError::Invalid(InvalidTransaction::Payment) => {
                    InvalidTransaction::Custom(UNKNOWN_ACCOUNT).into()
                }
                other => other,
            })?;
        if let Some(who) = valid.2.as_system_origin_signer() {
            self.check_those_before(who, call, info, length)?;
        }
        Ok(valid)
    }

    fn prepare(
        self,
        val: Self::Val,
        origin: &T::RuntimeOrigin,
        call: &T::RuntimeCall,
        info: &DispatchInfoOf<T::RuntimeCall>,
        length: usize,
    ) -> Result<Self::Pre, TransactionValidityError> {
        self.0.prepare(val, origin, call, info, length)
    }

    fn post_dispatch_details(
        pre: Self::Pre,
        info: &DispatchInfoOf<T::RuntimeCall>,
        post_info: &PostDispatchInfoOf<T::RuntimeCall>,
        length: usize,
        result: &DispatchResult,
    ) -> Result<Weight, TransactionValidityError> {
        Stock::<T>::post_dispatch_details(pre, info, post_info, length, result)
    }
}
