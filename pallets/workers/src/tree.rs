// SPDX-License-Identifier: Apache-2.0
//! Sums over the list of a model, so that a draw by weight reads O(log n) nodes.
//!
//! A node of level 0 holds the [`Shares`] of [`FANOUT`] neighbours on the list, one of level `l` the sums of as many nodes of level
//! `l - 1`. The root is the one node of the lowest level that covers the list. So a list of 4,096 operators has three levels, and a change
//! at one place rewrites three nodes.
//!
//! ```text
//! level 1   [ sum of 0..16, sum of 16..20 ]                 root of a list of 20
//! level 0   [ 0, 1, ... 15 ]   [ 16, 17, 18, 19 ]
//! ```
use crate::{Config, Pallet, ServingCount, Sums};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use ergon_primitives::{ModelId, VoteWeight};
use ergon_storage::{Kept, Unreadable};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;

/// Entries of a node.
pub const FANOUT: u32 = 16;

/// What an operator on a list is drawn in proportion to, or the sums for several.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Shares {
    /// Weight.
    pub weight: VoteWeight,
    /// Operators that weigh nothing.
    pub weightless: u32,
    /// Established operators, which alone audit.
    pub auditors: u32,
    /// Their weight.
    pub audit_weight: VoteWeight,
}

/// What a draw is in proportion to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum By {
    /// [`Shares::weight`].
    Weight,
    /// [`Shares::weightless`].
    Weightless,
    /// [`Shares::audit_weight`].
    AuditWeight,
    /// [`Shares::auditors`].
    Auditors,
}

impl Shares {
    /// The share that a draw is in proportion to.
    pub fn by(&self, by: By) -> u64 {
        match by {
            By::Weight => self.weight,
            By::Weightless => self.weightless.into(),
            By::AuditWeight => self.audit_weight,
            By::Auditors => self.auditors.into(),
        }
    }

    pub(crate) fn add(self, other: &Self) -> Self {
        Self {
            weight: self.weight.saturating_add(other.weight),
            weightless: self.weightless.saturating_add(other.weightless),
            auditors: self.auditors.saturating_add(other.auditors),
            audit_weight: self.audit_weight.saturating_add(other.audit_weight),
        }
    }

    fn sum<'a>(shares: impl IntoIterator<Item = &'a Self>) -> Self {
        shares.into_iter().fold(Self::default(), Self::add)
    }
}

/// Neighbours on a list, or in the tree above it.
pub type Node = BoundedVec<Shares, ConstU32<FANOUT>>;

/// A place on a list with what stands there.
pub(crate) type Place = (u32, Shares);

/// Level of the root over a list of `count`.
fn root_level(count: u32) -> u8 {
    let mut level = 0;
    let mut covered = u64::from(FANOUT);
    while covered < u64::from(count) {
        covered *= u64::from(FANOUT);
        level += 1;
    }
    level
}

/// Number of nodes over a list of `count`.
#[cfg(any(feature = "std", feature = "try-runtime"))]
pub(crate) fn nodes_over(count: u32) -> usize {
    (0..=root_level(count))
        .map(|level| u64::from(count).div_ceil(u64::from(FANOUT).pow(u32::from(level) + 1)) as usize)
        .sum()
}

impl<T: Config> Pallet<T> {
    /// The sums over the whole list of `model`. Complexity: O(1).
    pub(crate) fn all_shares(model: &ModelId) -> Shares {
        let level = root_level(ServingCount::<T>::get(model));
        Shares::sum(&Sums::<T>::get((model, level, 0)))
    }

    /// The shares at `index` of the list of `model`. Complexity: O(1).
    pub(crate) fn shares_at(model: &ModelId, index: u32) -> Shares {
        let node = Sums::<T>::get((model, 0, index / FANOUT));
        node.get((index % FANOUT) as usize).copied().unwrap_or_default()
    }

    /// Sets the shares at `index`, which is on the list or, once it has been counted, its new end. Complexity: O(log n).
    pub(crate) fn set_shares(model: &ModelId, index: u32, shares: Shares) -> Result<(), Unreadable> {
        let root = root_level(ServingCount::<T>::get(model).max(index.saturating_add(1)));
        Self::propagate(model, index, Some(shares), root)
    }

    /// Takes the shares of the last of `count` operators off the tree. Complexity: O(log n).
    pub(crate) fn drop_last_shares(model: &ModelId, count: u32) -> Result<(), Unreadable> {
        let Some(last) = count.checked_sub(1) else {
            return Ok(());
        };
        let root = root_level(count);
        Self::propagate(model, last, None, root)?;
        // A root that is left with one child is none.
        for level in root_level(last)..root {
            Sums::<T>::remove((model, level + 1, 0));
        }
        Ok(())
    }

    /// Puts `entry` at `index` of level 0, or ends the node before it, and brings all sums above up to date.
    fn propagate(model: &ModelId, index: u32, mut entry: Option<Shares>, root: u8) -> Result<(), Unreadable> {
        let mut child = index;
        for level in 0..=root {
            let (at, slot) = (child / FANOUT, (child % FANOUT) as usize);
            let mut node = Self::node(model, level, at)?;
            // The first node of a new level begins with what was the root.
            if node.is_empty() && slot > 0 && level > 0 {
                let was_root = Shares::sum(&Self::node(model, level - 1, child - 1)?);
                let _ = node.try_push(was_root);
            }
            match entry {
                Some(shares) => match node.get_mut(slot) {
                    Some(place) => *place = shares,
                    None => drop(node.try_push(shares)),
                },
                None => node.truncate(slot),
            }
            if node.is_empty() {
                Sums::<T>::remove((model, level, at));
                entry = None;
            } else {
                entry = Some(Shares::sum(&node));
                Sums::<T>::insert((model, level, at), node);
            }
            child = at;
        }
        Ok(())
    }

    /// A node to be changed, empty if it isn't there.
    fn node(model: &ModelId, level: u8, at: u32) -> Result<Node, Unreadable> {
        Sums::<T>::read(&Sums::<T>::hashed_key_for((model, level, at))).map(Option::unwrap_or_default)
    }

    /// The place that covers `at`, counted along the list in shares `by`, with those of `excluded` left out; `None` if `at` is beyond all of
    /// them. Complexity: O(log n) nodes, each compared with all that are excluded.
    pub(crate) fn find(model: &ModelId, by: By, mut at: u64, excluded: &[Place]) -> Option<Place> {
        let mut node = 0;
        for level in (0..=root_level(ServingCount::<T>::get(model))).rev() {
            let width = u64::from(FANOUT).pow(level.into());
            let children = Sums::<T>::get((model, level, node));
            let mut found = None;
            for (child, shares) in (node * FANOUT..).zip(&children) {
                let below = |(index, _): &&Place| u64::from(*index) / width == u64::from(child);
                let left_out = excluded
                    .iter()
                    .filter(below)
                    .fold(0u64, |sum, (_, shares)| sum.saturating_add(shares.by(by)));
                let available = shares.by(by).saturating_sub(left_out);
                if at < available {
                    found = Some((child, *shares));
                    break;
                }
                at -= available;
            }
            let place = found?;
            if level == 0 {
                return Some(place);
            }
            node = place.0;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_lowest_level_that_covers_the_list() {
        for (count, level) in [
            (0, 0),
            (1, 0),
            (16, 0),
            (17, 1),
            (256, 1),
            (257, 2),
            (4_096, 2),
            (u32::MAX, 7),
        ] {
            assert_eq!(root_level(count), level, "{count}");
        }
    }
}
