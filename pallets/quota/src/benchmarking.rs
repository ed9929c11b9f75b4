// SPDX-License-Identifier: Apache-2.0
//! Benchmarks of the calls and the extension, each for its longest way.
use crate::{Bucket, Call, ChargeQuota, Config, GenesisLines, Pallet, Points, Sponsors};
use ergon_primitives::traits::Parameters as _;
use frame_benchmarking::v2::*;
use frame_support::{
    dispatch::{DispatchInfo, PostDispatchInfo},
    weights::Weight,
};
use frame_system::{Pallet as System, RawOrigin};
use sp_runtime::traits::{AsSystemOriginSigner, AsTransactionAuthorizedOrigin, DispatchTransaction, Dispatchable};

/// An account that has plenty to give, has used some of everything and gives to somebody else already.
fn giver<T: Config>() -> (T::AccountId, Points) {
    let giver: T::AccountId = account("sponsor", 0, 0);
    let line = T::Parameters::get().newcomer_points.saturating_mul(2);
    GenesisLines::<T>::insert(&giver, line.saturating_mul(100));
    System::<T>::inc_providers(&giver);
    let other: T::AccountId = account("other", 0, 0);
    Pallet::<T>::do_sponsor(giver.clone(), other, line).expect("the sponsor has enough");
    use_some::<T>(&giver);
    (giver, line)
}

/// Takes something out of both buckets of `account`.
fn use_some<T: Config>(account: &T::AccountId) {
    for mut bucket in Pallet::<T>::own_buckets(account, &T::Parameters::get()) {
        bucket.charge(2);
        Bucket::save(bucket);
    }
}

#[benchmarks(
    where
        T: Send + Sync,
        T::RuntimeCall: Dispatchable<Info = DispatchInfo, PostInfo = PostDispatchInfo> + From<frame_system::Call<T>>,
        T::RuntimeOrigin: AsSystemOriginSigner<T::AccountId> + AsTransactionAuthorizedOrigin + Clone,
)]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn sponsor() {
        let (giver, line) = super::giver::<T>();
        let stranger: T::AccountId = account("stranger", 0, 0);

        #[extrinsic_call]
        _(RawOrigin::Signed(giver.clone()), stranger.clone(), line);

        assert_eq!(Sponsors::<T>::get(&giver).lines, 2);
        assert!(Pallet::<T>::is_known(&stranger));
    }

    #[benchmark]
    fn withdraw() {
        let (giver, line) = super::giver::<T>();
        let sponsored: T::AccountId = account("sponsored", 0, 0);
        Pallet::<T>::do_sponsor(giver.clone(), sponsored.clone(), line).expect("the sponsor has enough");
        use_some::<T>(&sponsored);

        #[extrinsic_call]
        _(RawOrigin::Signed(giver.clone()), sponsored);

        assert_eq!(Sponsors::<T>::get(&giver).lines, 1);
    }

    /// A newcomer with a sponsor that has become poor, so that all records are read and all counters written.
    #[benchmark]
    fn charge_quota() {
        let (giver, line) = super::giver::<T>();
        let sponsored: T::AccountId = account("sponsored", 0, 0);
        Pallet::<T>::do_sponsor(giver.clone(), sponsored.clone(), line).expect("the sponsor has enough");
        GenesisLines::<T>::insert(&giver, 1);
        use_some::<T>(&sponsored);
        let before = Pallet::<T>::quota_of(&sponsored).points;

        let call: T::RuntimeCall = frame_system::Call::remark {
            remark: Default::default(),
        }
        .into();
        let info = DispatchInfo {
            call_weight: Weight::from_parts(100_000_000, 0),
            ..Default::default()
        };
        // Half of it is given back.
        let post_info = PostDispatchInfo {
            actual_weight: Some(Weight::from_parts(50_000_000, 0)),
            pays_fee: Default::default(),
        };
        let origin = T::RuntimeOrigin::from(RawOrigin::Signed(sponsored.clone()));

        #[block]
        {
            ChargeQuota::<T>::new()
                .test_run(origin, &call, &info, 0, 0, |_| Ok(post_info))
                .expect("a newcomer can pay for it")
                .expect("the call succeeds");
        }

        assert!(Pallet::<T>::quota_of(&sponsored).points < before);
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
