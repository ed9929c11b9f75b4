// SPDX-License-Identifier: Apache-2.0
//! What the calls do, and what the other pallets see.
use crate::{
    BroughtBy, Config, Endpoint, Error, Event, HotKeys, HotKeysEver, Operator, Operators, Pallet, Probation,
    ServedModels, ServingCount, Sponsored, Status,
};
use ergon_primitives::{
    draw::Draw,
    traits::{Models, Workers},
    ModelId,
};
use frame_support::{ensure, pallet_prelude::DispatchResult, traits::Get};
use frame_system::Pallet as System;
use sp_runtime::DispatchError;

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
        let mut entry = Operator {
            hot_keys: Default::default(),
            endpoint,
            models,
            status: Status::Active,
            in_flight: 0,
            obligations: 0,
            misses_in_row: 0,
            kept: 0,
            missed: 0,
        };
        Self::bind_hot_key(&operator, &mut entry, &hot)?;
        Self::list_all(&operator, &entry);
        Operators::<T>::insert(&operator, entry);
        Self::deposit_event(Event::Registered { operator, hot });
        Ok(())
    }

    pub(crate) fn do_update(operator: T::AccountId, endpoint: Endpoint, models: ServedModels) -> DispatchResult {
        Self::try_change(&operator, |entry| {
            Self::check_service(&endpoint, &models)?;
            let active = entry.status == Status::Active;
            if active {
                Self::delist_all(&operator, entry);
            }
            (entry.endpoint, entry.models) = (endpoint, models);
            if active {
                Self::list_all(&operator, entry);
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
        Operators::<T>::mutate_extant(&operator, |entry| {
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
            (entry.status, entry.misses_in_row) = (Status::Active, 0);
            Self::list_all(&operator, entry);
            Ok(())
        })?;
        Self::deposit_event(Event::Resumed { operator });
        Ok(())
    }

    pub(crate) fn do_remove(operator: T::AccountId) -> DispatchResult {
        let entry = Self::unjailed(&operator)?;
        ensure!(entry.obligations == 0, Error::<T>::ObligationsLeft);
        Self::delist_all(&operator, &entry);
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

    fn unjailed(operator: &T::AccountId) -> Result<Operator<T::AccountId>, DispatchError> {
        let entry = Operators::<T>::get(operator).ok_or(Error::<T>::NotRegistered)?;
        ensure!(entry.status != Status::Jailed, Error::<T>::OperatorJailed);
        Ok(entry)
    }

    /// Changes an operator that is not barred.
    fn try_change(
        operator: &T::AccountId,
        change: impl FnOnce(&mut Operator<T::AccountId>) -> DispatchResult,
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

    fn bind_hot_key(operator: &T::AccountId, entry: &mut Operator<T::AccountId>, hot: &T::AccountId) -> DispatchResult {
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

    fn list_all(operator: &T::AccountId, entry: &Operator<T::AccountId>) {
        entry.models.iter().for_each(|model| Self::list(model, operator));
    }

    fn delist_all(operator: &T::AccountId, entry: &Operator<T::AccountId>) {
        entry.models.iter().for_each(|model| Self::delist(model, operator));
    }

    /// The operator is drawn no more.
    fn stop(operator: &T::AccountId, entry: &mut Operator<T::AccountId>, status: Status) {
        Self::delist_all(operator, entry);
        entry.status = status;
    }
}

impl<T: Config> Workers<T::AccountId> for Pallet<T> {
    fn operator_of(hot: &T::AccountId) -> Option<T::AccountId> {
        HotKeys::<T>::get(hot)
    }

    fn serving(model: &ModelId) -> u32 {
        ServingCount::<T>::get(model)
    }

    /// Complexity: O([`serving::TRIES`]).
    fn draw_executor(model: &ModelId, draw: &mut Draw, exclude: &[T::AccountId]) -> Option<T::AccountId> {
        let has_room = |operator: &T::AccountId| {
            !exclude.contains(operator)
                && Operators::<T>::get(operator).is_some_and(|entry| entry.in_flight < T::MaxInFlight::get())
        };
        let operator = Self::draw_from_list(model, draw, has_room)?;
        Operators::<T>::mutate_extant(&operator, |entry| {
            entry.in_flight = entry.in_flight.saturating_add(1);
            entry.obligations = entry.obligations.saturating_add(1);
        });
        Some(operator)
    }

    fn release(operator: &T::AccountId) {
        Operators::<T>::mutate_extant(operator, |entry| entry.in_flight = entry.in_flight.saturating_sub(1));
    }

    /// Complexity: O([`serving::TRIES`]).
    fn draw_auditor(model: &ModelId, draw: &mut Draw, exclude: &[T::AccountId]) -> Option<T::AccountId> {
        let operator = Self::draw_from_list(model, draw, |operator| !exclude.contains(operator))?;
        Operators::<T>::mutate_extant(&operator, |entry| {
            entry.obligations = entry.obligations.saturating_add(1)
        });
        Some(operator)
    }

    fn discharge(operator: &T::AccountId) {
        Operators::<T>::mutate_extant(operator, |entry| {
            entry.obligations = entry.obligations.saturating_sub(1)
        });
    }

    fn note_kept(operator: &T::AccountId) {
        Operators::<T>::mutate_extant(operator, |entry| {
            entry.kept = entry.kept.saturating_add(1);
            entry.misses_in_row = 0;
        });
    }

    fn note_missed(operator: &T::AccountId) {
        Self::restart_probation(operator);
        let suspended = Operators::<T>::mutate_extant(operator, |entry| {
            entry.missed = entry.missed.saturating_add(1);
            entry.misses_in_row = entry.misses_in_row.saturating_add(1);
            let suspended = entry.status == Status::Active && entry.misses_in_row >= T::MaxMissesInRow::get();
            if suspended {
                Self::stop(operator, entry, Status::Suspended);
            }
            suspended
        });
        if suspended {
            Self::deposit_event(Event::Suspended {
                operator: operator.clone(),
            });
        }
    }

    fn probation(operator: &T::AccountId) -> Option<u32> {
        Probation::<T>::get(operator)
    }

    fn note_stood(operator: &T::AccountId, required: u32) {
        Self::advance_probation(operator, required);
    }

    fn note_disputed(operator: &T::AccountId) {
        Self::restart_probation(operator);
    }

    fn jail(operator: &T::AccountId) {
        Self::restart_probation(operator);
        let jailed = Operators::<T>::mutate_extant(operator, |entry| {
            let free = entry.status != Status::Jailed;
            if free {
                Self::stop(operator, entry, Status::Jailed);
            }
            free
        });
        if jailed {
            Self::deposit_event(Event::Jailed {
                operator: operator.clone(),
            });
        }
    }
}
