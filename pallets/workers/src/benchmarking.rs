// SPDX-License-Identifier: Apache-2.0
//! Benchmarks of every call and of what lets a `join` in, each with as many models and hot keys as an operator can have, and with others
//! on the lists of these models.
use crate::{
    serving::{Change, ChangeKind, MAX_CHANGES},
    tree::Shares,
    Active, Call, Config, Endpoint, HotKeys, HotKeysEver, Operators, Pallet, ServedModels, ServingCount, Sponsored,
    Status, MAX_ENDPOINT_BYTES, MAX_HOT_KEYS, MAX_MODELS,
};
use alloc::{vec, vec::Vec};
use ergon_primitives::{ticket::Ticket, ModelId, VoteWeight, H256};
use frame_benchmarking::{v2::*, BenchmarkError};
use frame_support::traits::{Authorize, EnsureOrigin, Get, Hooks};
use frame_system::RawOrigin;
use sp_runtime::{
    traits::{BlockNumberProvider, Saturating},
    transaction_validity::TransactionSource,
};

/// Makes what benchmarks need, with the runtime's own registry of models, keys and tickets.
pub trait BenchmarkHelper<AccountId, Signature> {
    /// A model that takes jobs, another for each index.
    fn model(index: u32) -> ModelId;
    /// An account that the chain doesn't know and that can [`sign`](Self::sign).
    fn stranger() -> AccountId;
    /// Its signature.
    fn sign(stranger: &AccountId, message: &H256) -> Signature;
    /// What lets it in in this block.
    fn ticket(stranger: &AccountId) -> Ticket;
}

/// Puts an operator at the end of a model's list, as if it had been there from the beginning.
pub fn append<T: Config>(model: &ModelId, operator: &T::AccountId, weight: VoteWeight) {
    let change = Change {
        asked: Default::default(),
        due: Default::default(),
        kind: ChangeKind::Enter(Shares {
            weight,
            weightless: (weight == 0).into(),
            auditors: 1,
            audit_weight: weight,
        }),
    };
    Active::<T>::mutate(model, |active| *active = active.saturating_add(1));
    let _ = Pallet::<T>::make(model, operator.clone(), change);
}

fn endpoint() -> Endpoint {
    vec![b'e'; MAX_ENDPOINT_BYTES as usize].try_into().unwrap_or_default()
}

/// As many models as an operator can serve, from the `first` on.
fn models<T: Config>(first: u32) -> ServedModels {
    let models: Vec<_> = (first..first + MAX_MODELS).map(T::BenchmarkHelper::model).collect();
    ServedModels::truncate_from(models)
}

/// An account that may become an operator.
fn sponsored<T: Config>(name: &'static str) -> T::AccountId {
    let who: T::AccountId = account(name, 0, 0);
    Pallet::<T>::keep_alive(&who);
    Sponsored::<T>::insert(&who, ());
    who
}

/// An operator with `hot_keys` of them, and after it on each list another one, which takes its place when it leaves.
fn operator<T: Config>(name: &'static str, hot_keys: u32) -> Result<(T::AccountId, Vec<T::AccountId>), BenchmarkError> {
    let operator = sponsored::<T>(name);
    let hot: Vec<T::AccountId> = (0..hot_keys).map(|index| account(name, index, 1)).collect();
    Pallet::<T>::do_register(operator.clone(), hot[0].clone(), endpoint(), models::<T>(0))?;
    for key in &hot[1..] {
        Pallet::<T>::do_add_hot_key(operator.clone(), key.clone())?;
    }
    let other = sponsored::<T>("other");
    Pallet::<T>::do_register(other.clone(), other, endpoint(), models::<T>(0))?;
    Ok((operator, hot))
}

/// What a stranger joins with: its account, its hot key, its ticket and its signature. Its account is the last hot key of an operator, which
/// loses it.
#[expect(clippy::type_complexity)]
fn joining<T: Config>() -> Result<(T::AccountId, T::AccountId, Ticket, T::Signature), BenchmarkError> {
    let (stranger, hot) = (T::BenchmarkHelper::stranger(), account("hot", 0, 0));
    Pallet::<T>::do_register(sponsored::<T>("thief"), stranger.clone(), endpoint(), models::<T>(0))?;
    operator::<T>("other operator", MAX_HOT_KEYS)?;
    let ticket = T::BenchmarkHelper::ticket(&stranger);
    let message = Pallet::<T>::join_message(&stranger, &hot, &endpoint(), &models::<T>(MAX_MODELS), &ticket);
    let signature = T::BenchmarkHelper::sign(&stranger, &message);
    Ok((stranger, hot, ticket, signature))
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn register() -> Result<(), BenchmarkError> {
        operator::<T>("other operator", MAX_HOT_KEYS)?;
        let (operator, hot): (_, T::AccountId) = (sponsored::<T>("operator"), account("hot", 0, 0));

        #[extrinsic_call]
        _(RawOrigin::Signed(operator.clone()), hot, endpoint(), models::<T>(0));

        assert!(Operators::<T>::contains_key(operator));
        Ok(())
    }

    #[benchmark]
    fn update() -> Result<(), BenchmarkError> {
        let (operator, _) = super::operator::<T>("operator", MAX_HOT_KEYS)?;
        let after = models::<T>(MAX_MODELS);

        #[extrinsic_call]
        _(RawOrigin::Signed(operator.clone()), endpoint(), after.clone());

        assert!(Operators::<T>::get(operator).is_some_and(|entry| entry.models == after));
        Ok(())
    }

    #[benchmark]
    fn add_hot_key() -> Result<(), BenchmarkError> {
        let (operator, _) = super::operator::<T>("operator", MAX_HOT_KEYS - 1)?;
        let hot: T::AccountId = account("hot", 0, 0);

        #[extrinsic_call]
        _(RawOrigin::Signed(operator.clone()), hot);

        assert_eq!(HotKeysEver::<T>::get(operator), MAX_HOT_KEYS);
        Ok(())
    }

    #[benchmark]
    fn remove_hot_key() -> Result<(), BenchmarkError> {
        // Its only one: it drains.
        let (operator, hot) = super::operator::<T>("operator", 1)?;

        #[extrinsic_call]
        _(RawOrigin::Signed(operator.clone()), hot[0].clone());

        assert!(Operators::<T>::get(operator).is_some_and(|entry| entry.status == Status::Draining));
        Ok(())
    }

    #[benchmark]
    fn drain() -> Result<(), BenchmarkError> {
        let (operator, _) = super::operator::<T>("operator", MAX_HOT_KEYS)?;

        #[extrinsic_call]
        _(RawOrigin::Signed(operator.clone()));

        assert!(Operators::<T>::get(operator).is_some_and(|entry| entry.status == Status::Draining));
        Ok(())
    }

    #[benchmark]
    fn resume() -> Result<(), BenchmarkError> {
        let (operator, hot) = super::operator::<T>("operator", MAX_HOT_KEYS)?;
        Pallet::<T>::do_drain(operator.clone())?;

        #[extrinsic_call]
        _(RawOrigin::Signed(hot[0].clone()));

        assert!(Operators::<T>::get(operator).is_some_and(|entry| entry.status == Status::Active));
        Ok(())
    }

    #[benchmark]
    fn remove() -> Result<(), BenchmarkError> {
        let (operator, hot) = super::operator::<T>("operator", MAX_HOT_KEYS)?;
        Pallet::<T>::do_drain(operator.clone())?;
        frame_system::Pallet::<T>::set_block_number(Pallet::<T>::left_at());

        #[extrinsic_call]
        _(RawOrigin::Signed(operator.clone()));

        assert!(!Operators::<T>::contains_key(operator));
        assert!(!hot.iter().any(HotKeys::<T>::contains_key));
        Ok(())
    }

    #[benchmark]
    fn unjail() -> Result<(), BenchmarkError> {
        let origin = T::GovernanceOrigin::try_successful_origin()
            .map_err(|()| BenchmarkError::Stop("nobody governs operators"))?;
        let (operator, _) = super::operator::<T>("operator", MAX_HOT_KEYS)?;
        Operators::<T>::mutate_extant(&operator, |entry| entry.status = Status::Jailed);

        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, operator.clone());

        assert!(Operators::<T>::get(operator).is_some_and(|entry| entry.status == Status::Draining));
        Ok(())
    }

    #[benchmark]
    fn join() -> Result<(), BenchmarkError> {
        let (stranger, hot, ticket, signature) = joining::<T>()?;
        let models = models::<T>(MAX_MODELS);

        #[extrinsic_call]
        _(
            RawOrigin::Authorized,
            stranger.clone(),
            hot,
            endpoint(),
            models.clone(),
            ticket,
            signature,
        );

        assert!(Operators::<T>::contains_key(stranger));
        assert_eq!(Active::<T>::get(models[0]), 1);
        Ok(())
    }

    #[benchmark]
    fn authorize_join() -> Result<(), BenchmarkError> {
        let (operator, hot, ticket, signature) = joining::<T>()?;
        let call = Call::<T>::join {
            operator,
            hot,
            endpoint: endpoint(),
            models: models::<T>(MAX_MODELS),
            ticket,
            signature,
        };

        #[block]
        {
            call.authorize(TransactionSource::External)
                .ok_or("a join authorizes itself")?
                .map_err(|_| BenchmarkError::Stop("the join is valid"))?;
        }

        Ok(())
    }

    /// Operators that leave lists of more than 4,096, so that the tree has all of its levels, from the front, so that another moves.
    #[benchmark]
    fn on_initialize(n: Linear<0, MAX_CHANGES>) -> Result<(), BenchmarkError> {
        let (model, now) = (
            T::BenchmarkHelper::model(0),
            T::BlockNumberProvider::current_block_number(),
        );
        for index in 0..4_097 + n {
            Pallet::<T>::list(&model, &account("listed", index, 0));
        }
        let listed = now.saturating_add(T::ListDelay::get());
        while Pallet::<T>::make_changes(listed) > 0 {}
        for index in 0..n {
            Pallet::<T>::leave(&model, &account("listed", index, 0));
        }
        let left = Pallet::<T>::left_at();
        frame_system::Pallet::<T>::set_block_number(left);

        #[block]
        {
            Pallet::<T>::on_initialize(left);
        }

        assert_eq!(ServingCount::<T>::get(model), 4_097);
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
