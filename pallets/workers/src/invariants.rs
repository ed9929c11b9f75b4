// SPDX-License-Identifier: Apache-2.0
//! What must hold after every block.
use crate::{
    BroughtBy, Config, HotKeys, HotKeysEver, Operators, Pallet, Positions, Probation, Serving, ServingCount, Sponsored,
    Status,
};
use alloc::collections::BTreeMap;
use frame_support::{ensure, traits::Get};
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
    /// Checks that
    /// 1. every list is dense, and the index of each operator on it is its position,
    /// 2. exactly the active operators are on the lists, of exactly the models that they serve,
    /// 3. hot keys and operators name each other, and all of them can sign,
    /// 4. no operator has too many jobs in flight, or one that is no obligation,
    /// 5. no active one has too many misses or no hot key,
    /// 6. sponsored accounts can sign and are nobody else's hot keys, and nobody has brought too many others onto the chain, or other ones than are counted,
    /// 7. whoever is on probation was let in, and so may register.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        let listed = Self::check_lists()?;
        let (mut served, mut keys) = (0, 0);
        for (operator, entry) in Operators::<T>::iter() {
            let active = entry.status == Status::Active;
            for model in &entry.models {
                ensure!(
                    Positions::<T>::contains_key(model, &operator) == active,
                    "workers: an operator is on a list without being active, or active without being on it"
                );
            }
            served += if active { entry.models.len() } else { 0 };
            keys += entry.hot_keys.len();
            for hot in &entry.hot_keys {
                ensure!(
                    HotKeys::<T>::get(hot).as_ref() == Some(&operator),
                    "workers: a hot key names another operator"
                );
                ensure!(
                    frame_system::Pallet::<T>::providers(hot) > 0,
                    "workers: a hot key can't sign"
                );
            }
            ensure!(
                frame_system::Pallet::<T>::providers(&operator) > 0,
                "workers: an operator can't sign"
            );
            ensure!(
                entry.in_flight <= T::MaxInFlight::get(),
                "workers: too many jobs in flight"
            );
            ensure!(
                entry.obligations >= entry.in_flight,
                "workers: an operator doesn't owe what it has in flight"
            );
            ensure!(
                !active || entry.misses_in_row < T::MaxMissesInRow::get() && !entry.hot_keys.is_empty(),
                "workers: an operator is active that should not be"
            );
        }
        ensure!(
            served == listed,
            "workers: an operator is on the list of a model that it doesn't serve"
        );
        ensure!(
            keys == HotKeys::<T>::iter().count(),
            "workers: a hot key names an operator that doesn't know it"
        );
        ensure!(
            Sponsored::<T>::iter_keys().all(|account| frame_system::Pallet::<T>::providers(&account) > 0),
            "workers: a sponsored account can't sign"
        );
        ensure!(
            HotKeys::<T>::iter().all(|(hot, operator)| hot == operator || !Sponsored::<T>::contains_key(&hot)),
            "workers: a sponsored account is another's hot key"
        );
        ensure!(
            Probation::<T>::iter_keys().all(|account| Sponsored::<T>::contains_key(&account)),
            "workers: an account is on probation that was never let in"
        );
        ensure!(
            HotKeysEver::<T>::iter_values().all(|ever| ever <= T::MaxHotKeysEver::get()),
            "workers: an operator has brought too many accounts onto the chain"
        );
        let mut brought = BTreeMap::<_, u32>::new();
        for operator in BroughtBy::<T>::iter_values() {
            *brought.entry(operator).or_default() += 1;
        }
        ensure!(
            brought == HotKeysEver::<T>::iter().collect(),
            "workers: the accounts that an operator has brought onto the chain are miscounted"
        );
        Ok(())
    }

    /// Returns the length of all lists together.
    fn check_lists() -> Result<usize, TryRuntimeError> {
        let mut listed = 0;
        for (model, count) in ServingCount::<T>::iter() {
            ensure!(count > 0, "workers: an empty list is kept");
            for index in 0..count {
                let operator = Serving::<T>::get(model, index).ok_or("workers: a list has a gap")?;
                ensure!(
                    Positions::<T>::get(model, &operator) == Some(index),
                    "workers: the position of an operator is not its index"
                );
            }
            listed += count as usize;
        }
        ensure!(
            listed == Serving::<T>::iter().count(),
            "workers: a list is longer than its count"
        );
        ensure!(
            listed == Positions::<T>::iter().count(),
            "workers: a position belongs to no list"
        );
        Ok(listed)
    }
}
