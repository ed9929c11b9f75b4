// SPDX-License-Identifier: Apache-2.0
//! What must hold after every block.
use crate::{
    serving::ChangeKind,
    tree::{self, By, Shares},
    Active, BroughtBy, ChangeQueue, Changes, Config, HotKeys, HotKeysEver, Operators, Pallet, Positions, Probation,
    QueuedChanges, Serving, ServingCount, Sponsored, Status, Sums,
};
use alloc::collections::{BTreeMap, BTreeSet};
use frame_support::{ensure, traits::Get};
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
    /// Checks that
    /// 1. every list is dense, the index of each operator on it is its position, and the tree has the sums of what stands on it,
    /// 2. once all changes that wait are made, exactly the active operators are on the lists of exactly the models that they serve, and
    ///    they are counted,
    /// 3. hot keys and operators name each other, and all of them can sign,
    /// 4. no operator has work that is no obligation,
    /// 5. no active one has too many misses or no hot key,
    /// 6. sponsored accounts can sign and are nobody else's hot keys, and nobody has brought too many others onto the chain, or other ones than are counted,
    /// 7. accounts on probation were let in, and so may register.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        Self::check_lists()?;
        Self::check_served()?;
        let mut keys = 0;
        for (operator, entry) in Operators::<T>::iter() {
            let active = entry.status == Status::Active;
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
                entry.obligations > 0 || (entry.executing, entry.auditing) == (0, 0),
                "workers: an operator has work that it doesn't owe"
            );
            ensure!(
                !active || entry.misses_in_row < T::MaxMissesInRow::get() && !entry.hot_keys.is_empty(),
                "workers: an operator is active that should not be"
            );
        }
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

    fn check_lists() -> Result<(), TryRuntimeError> {
        let mut listed = 0;
        for (model, count) in ServingCount::<T>::iter() {
            ensure!(count > 0, "workers: an empty list is kept");
            let mut sums = Shares::default();
            for index in 0..count {
                let listing = Serving::<T>::get(model, index).ok_or("workers: a list has a gap")?;
                ensure!(
                    Positions::<T>::get(model, &listing.operator) == Some(index),
                    "workers: the position of an operator is not its index"
                );
                let shares = Self::shares_at(&model, index);
                ensure!(
                    Self::find(&model, By::Weight, sums.weight, &[]).map(|(index, _)| index) == Some(index)
                        || shares.weight == 0,
                    "workers: the tree leads to another operator"
                );
                sums = sums.add(&shares);
            }
            ensure!(
                Self::all_shares(&model) == sums,
                "workers: the root of a tree is not the sum of its leaves"
            );
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
        let nodes = ServingCount::<T>::iter_values().map(tree::nodes_over).sum::<usize>();
        ensure!(nodes == Sums::<T>::iter_keys().count(), "workers: a node is in no tree");
        Ok(())
    }

    fn check_served() -> Result<(), TryRuntimeError> {
        let mut listed: BTreeSet<_> = Positions::<T>::iter_keys().collect();
        for (model, operator, change) in Changes::<T>::iter() {
            match change.kind {
                ChangeKind::Enter(_) => drop(listed.insert((model, operator))),
                ChangeKind::Leave => drop(listed.remove(&(model, operator))),
                ChangeKind::Reweigh(_) => {}
            }
        }
        let (queue, mut queued) = (ChangeQueue::<T>::get(), BTreeSet::new());
        for number in queue.first..queue.end {
            let change = QueuedChanges::<T>::get(number).ok_or("workers: the queue of changes has a gap")?;
            queued.insert((change.model, change.operator));
        }
        let length = queue.end.saturating_sub(queue.first);
        ensure!(
            queued == Changes::<T>::iter_keys().collect() && queued.len() as u64 == length,
            "workers: a change is not in the queue, or twice"
        );
        let (mut served, mut active) = (BTreeSet::new(), BTreeMap::<_, u32>::new());
        for (operator, entry) in Operators::<T>::iter().filter(|(_, entry)| entry.status == Status::Active) {
            for model in entry.models {
                *active.entry(model).or_default() += 1;
                served.insert((model, operator.clone()));
            }
        }
        ensure!(listed == served, "workers: lists and active operators disagree");
        ensure!(
            active == Active::<T>::iter().collect(),
            "workers: the active operators of a model are miscounted"
        );
        Ok(())
    }
}
