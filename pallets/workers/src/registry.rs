// SPDX-License-Identifier: Apache-2.0
//! What the calls do, and what the other pallets see.
use crate::{
    Active, BroughtBy, Conduct, Conducts, Config, Endpoint, Error, Event, HotKeys, HotKeysEver, Operator, Operators,
    Pallet, ServedModels, Sponsored, Status,
};
use alloc::vec::Vec;
use ergon_primitives::{traits::Models, ModelId};
use ergon_storage::{Kept, Unreadable};
use frame_support::{ensure, pallet_prelude::DispatchResult, traits::Get};
use frame_system::{pallet_prelude::BlockNumberFor, Pallet as System};
use sp_runtime::{traits::BlockNumberProvider, DispatchError};

pub(crate) type OperatorOf<T> = Operator<<T as frame_system::Config>::AccountId, BlockNumberFor<T>>;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_register(
        operator: T::AccountId,
        hot: T::AccountId,
        endpoint: Endpoint,
        models: ServedModels,
    ) -> DispatchResult {
        ensure!(Sponsored::<T>::contains_key(&operator), Error::<T>::NotSponsored);
        Self::check_registration(&operator, &hot, &endpoint, &models)?;
        Self::enlist(operator, hot, endpoint, models)
    }

    /// All that a registration must fulfill whether it is by a ticket or not.
    pub(crate) fn check_registration(
        operator: &T::AccountId,
        hot: &T::AccountId,
        endpoint: &Endpoint,
        models: &ServedModels,
    ) -> DispatchResult {
        ensure!(!Operators::<T>::contains_key(operator), Error::<T>::AlreadyRegistered);
        Self::check_hot_key(operator, hot)?;
        Self::check_service(endpoint, models)
    }

    /// Makes an account an active operator.
    pub(crate) fn enlist(
        operator: T::AccountId,
        hot: T::AccountId,
        endpoint: Endpoint,
        models: ServedModels,
    ) -> DispatchResult {
        let Conduct {
            misses_in_row,
            kept_since,
            suspensions,
        } = Conducts::<T>::take_out(&Conducts::<T>::hashed_key_for(&operator))?.unwrap_or_default();
        let mut entry = Operator {
            misses_in_row,
            kept_since,
            suspensions,
            ..Operator::new(endpoint, models)
        };
        Self::bind_hot_key(&operator, &mut entry, &hot)?;
        Self::enter_lists(&operator, &entry.models);
        Operators::<T>::insert(&operator, entry);
        Self::deposit_event(Event::Registered { operator, hot });
        Ok(())
    }

    pub(crate) fn do_update(operator: T::AccountId, endpoint: Endpoint, models: ServedModels) -> DispatchResult {
        Self::try_change(&operator, |entry| {
            Self::check_service(&endpoint, &models)?;
            let before = core::mem::replace(&mut entry.models, models);
            entry.endpoint = endpoint;
            if entry.status == Status::Active {
                let dropped: Vec<_> = before.iter().filter(|model| !entry.models.contains(model)).collect();
                Self::leave_lists(&operator, entry, dropped);
                let added = entry.models.iter().filter(|model| !before.contains(model));
                Self::enter_lists(&operator, added);
            }
            Ok(())
        })?;
        Self::deposit_event(Event::Updated { operator });
        Ok(())
    }

    pub(crate) fn do_add_hot_key(operator: T::AccountId, hot: T::AccountId) -> DispatchResult {
        Self::try_change(&operator, |entry| {
            Self::check_hot_key(&operator, &hot)?;
            Self::bind_hot_key(&operator, entry, &hot)
        })?;
        Self::deposit_event(Event::HotKeyAdded { operator, hot });
        Ok(())
    }

    pub(crate) fn do_remove_hot_key(who: T::AccountId, hot: T::AccountId) -> DispatchResult {
        let operator = HotKeys::<T>::get(&hot).ok_or(Error::<T>::UnknownHotKey)?;
        ensure!(who == operator || who == hot, Error::<T>::UnknownHotKey);
        HotKeys::<T>::remove(&hot);
        Self::change(&operator, |entry| {
            entry.hot_keys.retain(|key| *key != hot);
            if entry.hot_keys.is_empty() && entry.status == Status::Active {
                Self::stop(&operator, entry, Status::Draining);
            }
        });
        Self::deposit_event(Event::HotKeyRemoved { operator, hot });
        Ok(())
    }

    pub(crate) fn do_drain(operator: T::AccountId) -> DispatchResult {
        Self::try_change(&operator, |entry| {
            ensure!(entry.status != Status::Draining, Error::<T>::AlreadyDraining);
            Self::stop(&operator, entry, Status::Draining);
            Ok(())
        })?;
        Self::deposit_event(Event::Drained { operator });
        Ok(())
    }

    pub(crate) fn do_resume(who: T::AccountId) -> DispatchResult {
        let operator = HotKeys::<T>::get(&who).unwrap_or(who);
        Self::try_change(&operator, |entry| {
            ensure!(entry.status != Status::Active, Error::<T>::AlreadyActive);
            ensure!(!entry.hot_keys.is_empty(), Error::<T>::NoHotKey);
            ensure!(
                entry.resumable <= T::BlockNumberProvider::current_block_number(),
                Error::<T>::SuspendedForLonger
            );
            entry.status = Status::Active;
            Self::enter_lists(&operator, &entry.models);
            Ok(())
        })?;
        Self::deposit_event(Event::Resumed { operator });
        Ok(())
    }

    pub(crate) fn do_remove(operator: T::AccountId) -> DispatchResult {
        let entry = Self::unjailed(&operator)?;
        ensure!(entry.obligations == 0, Error::<T>::ObligationsLeft);
        let now = T::BlockNumberProvider::current_block_number();
        ensure!(entry.resumable <= now, Error::<T>::SuspendedForLonger);
        ensure!(
            entry.status != Status::Active && entry.off_lists <= now,
            Error::<T>::StillListed
        );
        let conduct = Conduct {
            misses_in_row: entry.misses_in_row,
            kept_since: entry.kept_since,
            suspensions: entry.suspensions,
        };
        if conduct != Conduct::default() {
            Conducts::<T>::insert(&operator, conduct);
        }
        entry.hot_keys.iter().for_each(HotKeys::<T>::remove);
        Operators::<T>::remove(&operator);
        Self::deposit_event(Event::Removed { operator });
        Ok(())
    }

    pub(crate) fn do_unjail(operator: T::AccountId) -> DispatchResult {
        let mut entry = Operators::<T>::get(&operator).ok_or(Error::<T>::NotRegistered)?;
        ensure!(entry.status == Status::Jailed, Error::<T>::NotJailed);
        entry.status = Status::Draining;
        Operators::<T>::insert(&operator, entry);
        Self::deposit_event(Event::Unjailed { operator });
        Ok(())
    }

    /// Gives an account its one provider, so that it can sign.
    pub(crate) fn keep_alive(who: &T::AccountId) {
        if System::<T>::providers(who) == 0 {
            System::<T>::inc_providers(who);
        }
    }

    fn unjailed(operator: &T::AccountId) -> Result<OperatorOf<T>, DispatchError> {
        let entry = Operators::<T>::get(operator).ok_or(Error::<T>::NotRegistered)?;
        ensure!(entry.status != Status::Jailed, Error::<T>::OperatorJailed);
        Ok(entry)
    }

    /// Changes an operator. One that can't be read stays as it is, and is reported.
    pub(crate) fn change<R: Default>(operator: &T::AccountId, change: impl FnOnce(&mut OperatorOf<T>) -> R) -> R {
        let key = Operators::<T>::hashed_key_for(operator);
        let outcome = Operators::<T>::change(&key, |entry| entry.as_mut().map(change).unwrap_or_default());
        outcome.unwrap_or_else(|Unreadable| {
            let operator = operator.clone();
            Self::deposit_event(Event::Unreadable { operator });
            R::default()
        })
    }

    /// Changes an operator that is not barred.
    fn try_change(
        operator: &T::AccountId,
        change: impl FnOnce(&mut OperatorOf<T>) -> DispatchResult,
    ) -> DispatchResult {
        let mut entry = Self::unjailed(operator)?;
        change(&mut entry)?;
        Operators::<T>::insert(operator, entry);
        Ok(())
    }

    fn check_hot_key(operator: &T::AccountId, hot: &T::AccountId) -> DispatchResult {
        ensure!(!HotKeys::<T>::contains_key(hot), Error::<T>::KeyTaken);
        if hot == operator {
            return Ok(());
        }
        ensure!(!Operators::<T>::contains_key(hot), Error::<T>::KeyTaken);
        let brought = || BroughtBy::<T>::get(hot).as_ref() == Some(operator) && !Sponsored::<T>::contains_key(hot);
        ensure!(System::<T>::providers(hot) == 0 || brought(), Error::<T>::KeyNotYours);
        Ok(())
    }

    fn bind_hot_key(operator: &T::AccountId, entry: &mut OperatorOf<T>, hot: &T::AccountId) -> DispatchResult {
        entry
            .hot_keys
            .try_push(hot.clone())
            .map_err(|_| Error::<T>::TooManyHotKeys)?;
        if System::<T>::providers(hot) == 0 {
            let ever = HotKeysEver::<T>::get(operator).saturating_add(1);
            ensure!(ever <= T::MaxHotKeysEver::get(), Error::<T>::TooManyHotKeysEver);
            HotKeysEver::<T>::insert(operator, ever);
            BroughtBy::<T>::insert(hot, operator);
            Self::keep_alive(hot);
        }
        HotKeys::<T>::insert(hot, operator);
        Ok(())
    }

    fn check_service(endpoint: &Endpoint, models: &ServedModels) -> DispatchResult {
        ensure!(endpoint.iter().all(u8::is_ascii_graphic), Error::<T>::InvalidEndpoint);
        ensure!(!models.is_empty(), Error::<T>::NoModels);
        for (index, model) in models.iter().enumerate() {
            ensure!(!models[..index].contains(model), Error::<T>::DuplicateModel);
            ensure!(T::Models::active(model).is_some(), Error::<T>::ModelNotActive);
        }
        Ok(())
    }

    /// The operator begins to be drawn for these models, once lists follow.
    fn enter_lists<'a>(operator: &T::AccountId, models: impl IntoIterator<Item = &'a ModelId>) {
        for model in models {
            Self::change_active(model, |active| active.saturating_add(1));
            Self::list(model, operator);
        }
    }

    /// An active operator is no longer drawn for executions of these models, nor for audits once lists follow.
    fn leave_lists<'a>(
        operator: &T::AccountId,
        entry: &mut OperatorOf<T>,
        models: impl IntoIterator<Item = &'a ModelId>,
    ) {
        for model in models {
            Self::change_active(model, |active| active.saturating_sub(1));
            Self::leave(model, operator);
        }
        entry.off_lists = Self::left_at();
    }

    fn change_active(model: &ModelId, change: impl FnOnce(u32) -> u32) {
        let _ = Active::<T>::change(&Active::<T>::hashed_key_for(model), |active| {
            *active = Some(change(active.unwrap_or_default())).filter(|active| *active > 0);
        });
    }

    /// The operator is no longer active.
    pub(crate) fn stop(operator: &T::AccountId, entry: &mut OperatorOf<T>, status: Status) {
        if entry.status == Status::Active {
            let models = entry.models.clone();
            Self::leave_lists(operator, entry, &models);
        }
        entry.status = status;
    }
}
