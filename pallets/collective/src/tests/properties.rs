// SPDX-License-Identifier: Apache-2.0
//! Whatever anyone does, in whatever order, no weight counts twice and the invariants hold.
use crate::mock::*;
use ergon_primitives::{
    traits::{Contributions as _, Source},
    VoteWeight,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Accounts 1 to this do all that is done.
const ACCOUNTS: u64 = 6;

#[derive(Clone, Debug)]
enum Action {
    Work { who: u64, units: u64 },
    Epochs(u32),
    Submit(u64),
    Vote { who: u64, poll: u8, aye: bool },
    Delegate { who: u64, to: u64 },
    Undelegate(u64),
    Dismiss { who: u64, delegator: u64 },
    RefreshVote { who: u64, poll: u8 },
    RefreshMember(u64),
    Forfeit(u64),
    Leave(u64),
    Return(u64),
}

fn action() -> impl Strategy<Value = Action> {
    let who = || 1..=ACCOUNTS;
    prop_oneof![
        3 => (who(), 1..1_000u64).prop_map(|(who, units)| Action::Work { who, units }),
        6 => (1..3u32).prop_map(Action::Epochs),
        3 => who().prop_map(Action::Submit),
        12 => (who(), any::<u8>(), any::<bool>()).prop_map(|(who, poll, aye)| Action::Vote { who, poll, aye }),
        8 => (who(), who()).prop_map(|(who, to)| Action::Delegate { who, to }),
        3 => who().prop_map(Action::Undelegate),
        2 => (who(), who()).prop_map(|(who, delegator)| Action::Dismiss { who, delegator }),
        3 => (who(), any::<u8>()).prop_map(|(who, poll)| Action::RefreshVote { who, poll }),
        1 => who().prop_map(Action::RefreshMember),
        1 => who().prop_map(Action::Forfeit),
        1 => who().prop_map(Action::Leave),
        2 => who().prop_map(Action::Return),
    ]
}

/// What the pallet should do, kept in another way: a map of who delegates to whom, for now and for the next epoch, and a
/// copy of it with each poll.
#[derive(Default)]
struct Model {
    now: BTreeMap<u64, u64>,
    next: BTreeMap<u64, u64>,
    polls: Vec<Snapshot>,
}

struct Snapshot {
    epoch: u32,
    delegated: BTreeMap<u64, u64>,
    weights: BTreeMap<u64, VoteWeight>,
}

impl Model {
    fn submit(&mut self) {
        self.polls.push(Snapshot {
            epoch: Now::get(),
            delegated: self.now.clone(),
            weights: (1..=ACCOUNTS).map(|who| (who, weight(who))).collect(),
        });
    }

    fn begin_epoch(&mut self) {
        Now::mutate(|now| *now += 1);
        self.now = self.next.clone();
    }

    /// What the vote of a member on a poll must weigh.
    fn vote_weight(&self, who: u64, poll: usize) -> VoteWeight {
        let snapshot = &self.polls[poll];
        (1..=ACCOUNTS)
            .filter(|voter| snapshot.delegated.get(voter).unwrap_or(voter) == &who)
            .filter(RankedCollective::is_member)
            .map(|voter| pallet_contributions::Pallet::<Test>::weight_at(&voter, snapshot.epoch))
            .sum()
    }

    fn act(&mut self, action: Action) {
        let polls = self.polls.len();
        let pick = |poll: u8| (poll as usize).checked_rem(polls);
        match action {
            Action::Work { who, units } => Contributions::credit(&who, Source::Job, units),
            Action::Epochs(count) => (0..count).for_each(|_| self.begin_epoch()),
            Action::Submit(who) => {
                if propose(who, models(), set_price(1)).is_ok() {
                    self.submit();
                }
            }
            Action::Vote { who, poll, aye } => {
                let Some(poll) = pick(poll) else { return };
                let voted = RankedCollective::vote(signed(who), poll as u32, aye);
                if voted.is_ok() {
                    let vote = vote_of(poll as u32, who).unwrap();
                    assert!(RankedCollective::is_member(&who));
                    assert_eq!((vote.is_aye(), vote.weight()), (aye, self.vote_weight(who, poll)));
                } else if Now::get() <= self.polls[poll].epoch + MAX_POLL_EPOCHS && RankedCollective::is_member(&who) {
                    // Refused only for want of weight.
                    assert!(self.polls[poll].delegated.contains_key(&who) || self.vote_weight(who, poll) == 0);
                }
            }
            Action::Delegate { who, to } => {
                if RankedCollective::delegate(signed(who), to).is_ok() {
                    self.next.insert(who, to);
                    assert!(!self.next.contains_key(&to) && !self.next.values().any(|delegate| *delegate == who));
                }
            }
            Action::Undelegate(who) => {
                let undelegated = RankedCollective::undelegate(signed(who));
                assert_eq!(undelegated.is_ok(), self.next.remove(&who).is_some());
            }
            Action::Dismiss { who, delegator } => {
                let dismissed = RankedCollective::dismiss(signed(who), delegator);
                assert_eq!(dismissed.is_ok(), self.next.get(&delegator) == Some(&who));
                if dismissed.is_ok() {
                    self.next.remove(&delegator);
                }
            }
            Action::RefreshVote { who, poll } => {
                let Some(poll) = pick(poll) else { return };
                if RankedCollective::refresh_vote(signed(7), poll as u32, who).is_ok() {
                    let left = vote_of(poll as u32, who).map_or(0, |vote| vote.weight());
                    let member = RankedCollective::is_member(&who);
                    assert_eq!(left, if member { self.vote_weight(who, poll) } else { 0 });
                }
            }
            Action::RefreshMember(who) => {
                let before = RankedCollective::is_member(&who);
                if RankedCollective::refresh_member(signed(7), who).is_ok() && before {
                    assert_eq!(weight(who), 0);
                }
            }
            Action::Forfeit(who) => Contributions::forfeit(&who),
            Action::Leave(who) => Gone::mutate(|gone| {
                gone.insert(who);
            }),
            Action::Return(who) => Gone::mutate(|gone| {
                gone.remove(&who);
            }),
        }
    }

    fn check(&self) {
        check_invariants();
        for (poll, snapshot) in self.polls.iter().enumerate() {
            let (ayes, nays) = counts(poll as u32);
            let sum: VoteWeight = snapshot.weights.values().sum();
            assert!(ayes + nays <= sum, "poll {poll} counts {ayes} + {nays} of {sum}");
            assert!(sum <= tally(poll as u32).total);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..Default::default() })]

    #[test]
    fn no_weight_counts_twice_in_a_poll(
        weights in prop::collection::vec(10..100u64, ACCOUNTS as usize),
        actions in prop::collection::vec(action(), 0..120),
    ) {
        new_test_ext().execute_with(|| {
            work(&(1..=ACCOUNTS).zip(weights).collect::<Vec<_>>());
            let mut model = Model::default();
            for action in actions {
                model.act(action);
                model.check();
            }
        });
    }
}
