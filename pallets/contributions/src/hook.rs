// SPDX-License-Identifier: Apache-2.0
//! Who is told about changes.

/// Told about an operator after its record has changed. `()` ignores it.
pub trait OnContribution<AccountId> {
    /// Units were credited to `operator` in the current epoch.
    fn credited(operator: &AccountId);
    /// `operator` lost all of its weight and units.
    fn forfeited(operator: &AccountId);
}

impl<AccountId> OnContribution<AccountId> for () {
    fn credited(_: &AccountId) {}
    fn forfeited(_: &AccountId) {}
}
