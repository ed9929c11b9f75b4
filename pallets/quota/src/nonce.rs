// SPDX-License-Identifier: Apache-2.0
//! A nonce check that says what is wrong with an account that the chain doesn't know.
use codec::{Decode, DecodeWithMemTracking, Encode};
use frame_support::{pallet_prelude::TransactionSource, weights::Weight, DebugNoBound};
use frame_system::Config;
use scale_info::TypeInfo;
use sp_runtime::{
    traits::{DispatchInfoOf, Implication, PostDispatchInfoOf, TransactionExtension, ValidateResult},
    transaction_validity::{InvalidTransaction, TransactionValidityError},
    DispatchResult,
};

/// `InvalidTransaction::Custom` code: the chain doesn't know the account, so that it can't sign anything. A ticket, a sponsor or an operator
/// whose hot key it becomes makes it known.
pub const UNKNOWN_ACCOUNT: u8 = 2;

/// [`frame_system::CheckNonce`] that refuses an account without a provider by [`UNKNOWN_ACCOUNT`], where the framework says
/// that it can't pay a fee.
///
/// To clients it is `CheckNonce`, with the payload and the metadata of the framework's.
#[derive(Clone, DebugNoBound, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking)]
pub struct CheckNonce<T: Config>(frame_system::CheckNonce<T>);

impl<T: Config> CheckNonce<T> {
    /// For making transactions.
    pub fn from(nonce: T::Nonce) -> Self {
        Self(frame_system::CheckNonce::from(nonce))
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
        self.0
            .validate(origin, call, info, length, implicit, implication, source)
            .map_err(|error| match error {
                TransactionValidityError::Invalid(InvalidTransaction::Payment) => {
                    InvalidTransaction::Custom(UNKNOWN_ACCOUNT).into()
                }
                other => other,
            })
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
