// SPDX-License-Identifier: Apache-2.0
//! Benchmarks of the calls and the extension, each for its longest way.
use crate::{
    Admitted, Bucket, Call, ChargeQuota, Config, GenesisLines, Meter, Pallet, Points, Sponsors, Vouchers, Vouching,
};
use ergon_primitives::traits::{CurrentEpoch as _, Parameters as _};
use frame_benchmarking::v2::*;
use frame_support::{
    dispatch::{DispatchInfo, PostDispatchInfo},
    traits::Get,
    weights::Weight,
};
use frame_system::RawOrigin;
use sp_runtime::traits::{AsSystemOriginSigner, AsTransactionAuthorizedOrigin, DispatchTransaction, Dispatchable};

/// Makes what benchmarks need, with the runtime's own registry and ledger.
pub trait BenchmarkHelper<AccountId, RuntimeCall> {
    /// An operator with little weight and its hot key, others for each index.
    fn operator(index: u32) -> (AccountId, AccountId);
    /// A call that is a duty of `operator`, the one for which the most is read to see that.
    fn duty(operator: &AccountId) -> RuntimeCall;
}

/// An operator that has plenty to give and gives to somebody else already; and how much that is.
fn sponsor<T: Config>(index: u32) -> (T::AccountId, Points) {
    let (sponsor, _) = T::BenchmarkHelper::operator(index);
    let line = T::Parameters::get().newcomer_points.saturating_mul(2);
    GenesisLines::<T>::insert(&sponsor, line.saturating_mul(100));
    Pallet::<T>::do_sponsor(sponsor.clone(), account("other", index, 0), line).expect("the sponsor has enough");
    (sponsor, line)
}

/// The same, which is sponsored itself and has used some of everything.
fn giver<T: Config>() -> (T::AccountId, Points) {
    // Benchmarks are prepared in block 0 and run in the next one, in which buckets would have been filled a bit.
    frame_system::Pallet::<T>::set_block_number(1u32.into());
    let ((giver, line), (patron, _)) = (sponsor::<T>(0), sponsor::<T>(1));
    Pallet::<T>::do_sponsor(patron, giver.clone(), line).expect("the sponsor has enough");
    use_some::<T>(&giver);
    (giver, line)
}

/// Takes something out of both buckets of `account`.
fn use_some<T: Config>(account: &T::AccountId) {
    for mut bucket in Pallet::<T>::earned_buckets(account, &T::Parameters::get()) {
        bucket.charge(2);
        Bucket::save(bucket);
    }
}

#[benchmarks(
    where
        T: Send + Sync,
        T::RuntimeCall: Dispatchable<Info = DispatchInfo, PostInfo = PostDispatchInfo>,
        T::RuntimeOrigin: AsSystemOriginSigner<T::AccountId> + AsTransactionAuthorizedOrigin + Clone,
)]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn sponsor() {
        let ((giver, line), (operator, _)) = (super::giver::<T>(), T::BenchmarkHelper::operator(2));
        use_some::<T>(&operator);

        #[extrinsic_call]
        _(RawOrigin::Signed(giver.clone()), operator, line);

        assert_eq!(Sponsors::<T>::get(&giver).lines, 2);
    }

    #[benchmark]
    fn withdraw() {
        let ((giver, line), (operator, _)) = (super::giver::<T>(), T::BenchmarkHelper::operator(2));
        Pallet::<T>::do_sponsor(giver.clone(), operator.clone(), line).expect("the sponsor has enough");
        use_some::<T>(&operator);

        #[extrinsic_call]
        _(RawOrigin::Signed(giver.clone()), operator);

        assert_eq!(Sponsors::<T>::get(&giver).lines, 1);
    }

    /// The last newcomer that an operator may vouch for in this epoch.
    #[benchmark]
    fn vouch() {
        let ((voucher, _), newcomer) = (
            T::BenchmarkHelper::operator(0),
            account::<T::AccountId>("newcomer", 0, 0),
        );
        let record = Vouching {
            epoch: T::CurrentEpoch::current_epoch(),
            count: T::MaxVouchesPerEpoch::get() - 1,
            barred_until: 0,
        };
        Vouchers::<T>::insert(&voucher, record);

        #[extrinsic_call]
        _(RawOrigin::Signed(voucher), newcomer.clone());

        assert!(Admitted::<T>::contains_key(&newcomer));
    }

    /// The hot key of a sponsored operator whose sponsor has become poor sends what is its duty, but there is nothing left for duties: all
    /// records are read and all counters written. A changed vote takes no longer: four records are read to see that it counts, but none to see
    /// whom its signer works for.
    #[benchmark]
    fn charge_quota() {
        let ((giver, line), (operator, hot)) = (super::giver::<T>(), T::BenchmarkHelper::operator(2));
        Pallet::<T>::do_sponsor(giver.clone(), operator.clone(), line).expect("the sponsor has enough");
        GenesisLines::<T>::insert(&giver, 1);
        use_some::<T>(&operator);
        let mut duties = Bucket::<T>::of_all(operator.clone(), Meter::Duty, T::Parameters::get().duty_points);
        duties.charge(T::Parameters::get().duty_points);
        duties.save();
        let before = Pallet::<T>::quota_of(&hot).points;

        let call = T::BenchmarkHelper::duty(&operator);
        let info = DispatchInfo {
            call_weight: Weight::from_parts(100_000_000, 0),
            ..Default::default()
        };
        // Half of it is given back.
        let post_info = PostDispatchInfo {
            actual_weight: Some(Weight::from_parts(50_000_000, 0)),
            pays_fee: Default::default(),
        };
        let origin = T::RuntimeOrigin::from(RawOrigin::Signed(hot.clone()));

        #[block]
        {
            ChargeQuota::<T>::new()
                .test_run(origin, &call, &info, 0, 0, |_| Ok(post_info))
                .expect("a newcomer can pay for it")
                .expect("the call succeeds");
        }

        assert!(Pallet::<T>::quota_of(&hot).points < before);
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
