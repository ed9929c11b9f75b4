// SPDX-License-Identifier: Apache-2.0
use crate::{mock::*, Error, Event, MemberRecord, Members, VoteRecord, Voting, VotingCleanup};
use codec::Encode;
use ergon_primitives::traits::{Contributions as _, Source};
use frame_support::{assert_noop, assert_ok, dispatch::Pays};

fn vote(who: u64, poll: u32, aye: bool) {
    assert_ok!(RankedCollective::vote(signed(who), poll, aye));
}

#[test]
fn a_vote_weighs_what_its_voter_weighed_at_submission() {
    build_and_execute(|| {
        three_operators();
        let poll = submit(1);
        vote(1, poll, true);
        assert_eq!(vote_of(poll, 1), Some(VoteRecord::Aye(60)));
        System::assert_last_event(
            Event::Voted {
                who: 1,
                poll,
                vote: VoteRecord::Aye(60),
                tally: tally(poll),
            }
            .into(),
        );
        Now::set(3);
        vote(2, poll, false);
        let tally = tally(poll);
        assert_eq!((tally.bare_ayes, tally.ayes, tally.nays), (1, 60, 30));
        assert_eq!(tally.epoch, 1);
        assert_eq!(tally.total, pallet_contributions::Pallet::<Test>::total_at(1));
    });
}

#[test]
fn a_changed_vote_replaces_the_old_one() {
    build_and_execute(|| {
        three_operators();
        let poll = submit(1);
        vote(1, poll, true);
        vote(1, poll, true);
        assert_eq!(counts(poll), (60, 0));
        vote(1, poll, false);
        assert_eq!((tally(poll).bare_ayes, counts(poll)), (0, (0, 60)));
        vote(1, poll, true);
        assert_eq!((tally(poll).bare_ayes, counts(poll)), (1, (60, 0)));
    });
}

#[test]
fn only_members_with_weight_vote_and_only_on_ongoing_polls() {
    build_and_execute(|| {
        three_operators();
        assert_noop!(RankedCollective::vote(signed(1), 0, true), Error::<Test>::NotPolling);
        let poll = submit(1);
        assert_noop!(RankedCollective::vote(signed(9), poll, true), Error::<Test>::NotMember);
        assert_noop!(
            RankedCollective::vote(frame_system::RawOrigin::Root.into(), poll, true),
            sp_runtime::DispatchError::BadOrigin
        );
        work(&[(4, 50)]);
        assert_noop!(RankedCollective::vote(signed(4), poll, true), Error::<Test>::NoWeight);
        run_for(UNDECIDING_TIMEOUT);
        assert_noop!(RankedCollective::vote(signed(1), poll, true), Error::<Test>::NotPolling);
        assert_noop!(
            RankedCollective::refresh_vote(signed(1), poll, 1),
            Error::<Test>::NotPolling
        );
    });
}

#[test]
fn a_poll_takes_votes_of_those_whose_own_weight_counts() {
    build_and_execute(|| {
        let takes = |poll, who| RankedCollective::takes_vote(poll, &who);
        let voted = |poll, who| RankedCollective::has_voted(poll, &who);
        work(&THREE);
        assert_ok!(RankedCollective::delegate(signed(3), 2));
        Contributions::credit(&4, Source::Job, 1);
        work(&THREE);
        Contributions::credit(&5, Source::Job, 100);
        assert!(!takes(0, 1), "there is no such poll");
        let poll = submit(1);
        // 3 has delegated, 5 has worked too late, 4 too little, 9 never.
        for (who, counts) in [(1, true), (2, true), (3, false), (4, false), (5, false), (9, false)] {
            assert_eq!(takes(poll, who), counts, "{who}");
            assert!(!voted(poll, who), "{who}");
            assert_eq!(RankedCollective::vote(signed(who), poll, true).is_ok(), counts, "{who}");
            assert_eq!((takes(poll, who), voted(poll, who)), (counts, counts), "{who}");
        }
        // Another poll is another matter, until its voter is no operator any more, or it is over or too old.
        let (next, last) = (submit(2), submit(3));
        assert!(takes(next, 1) && takes(last, 2) && !voted(next, 1));
        Gone::mutate(|gone| gone.insert(1));
        assert!(!takes(next, 1) && takes(next, 2));
        Now::mutate(|now| *now += MAX_POLL_EPOCHS);
        assert!(takes(next, 2));
        Now::mutate(|now| *now += 1);
        assert!(!takes(next, 2));
        Now::mutate(|now| *now -= 1);
        run_for(UNDECIDING_TIMEOUT);
        assert!(!takes(next, 2));
    });
}

#[test]
fn a_poll_takes_votes_for_as_long_as_weights_are_kept() {
    build_and_execute(|| {
        three_operators();
        let poll = submit(1);
        vote(1, poll, true);
        Now::set(1 + MAX_POLL_EPOCHS);
        vote(2, poll, true);
        Now::set(2 + MAX_POLL_EPOCHS);
        assert_noop!(RankedCollective::vote(signed(3), poll, true), Error::<Test>::PollTooOld);
        // Nor can anyone take away votes because the weights are forgotten.
        assert_noop!(
            RankedCollective::refresh_vote(signed(3), poll, 1),
            Error::<Test>::PollTooOld
        );
        assert_eq!(counts(poll), (90, 0));
    });
}

#[test]
fn refreshing_changes_only_what_has_changed() {
    build_and_execute(|| {
        three_operators();
        let poll = submit(1);
        assert_noop!(
            RankedCollective::refresh_vote(signed(9), poll, 1),
            Error::<Test>::NoVote
        );
        assert_noop!(
            RankedCollective::refresh_vote(signed(9), 7, 1),
            Error::<Test>::NotPolling
        );
        vote(1, poll, false);
        // Weight that fell after the snapshot counts as it was.
        Now::set(3);
        assert!(weight(1) < 60);
        assert_noop!(
            RankedCollective::refresh_vote(signed(9), poll, 1),
            Error::<Test>::NothingToRefresh
        );
        Contributions::forfeit(&1);
        assert_ok!(RankedCollective::refresh_vote(signed(9), poll, 1));
        System::assert_last_event(
            Event::VoteRefreshed {
                who: 1,
                poll,
                vote: None,
                tally: tally(poll),
            }
            .into(),
        );
        assert_noop!(
            RankedCollective::refresh_vote(signed(9), poll, 1),
            Error::<Test>::NoVote
        );
    });
}

#[test]
fn the_votes_of_a_poll_that_is_over_are_cleared_away_in_steps() {
    let mut ext = new_test_ext();
    ext.execute_with(|| {
        three_operators();
        let poll = submit(1);
        THREE.iter().for_each(|(who, _)| vote(*who, poll, true));
        assert_noop!(
            RankedCollective::cleanup_poll(signed(9), poll, 10),
            Error::<Test>::Ongoing
        );
        run_for(UNDECIDING_TIMEOUT);
    });
    ext.commit_all().unwrap();
    ext.execute_with(|| {
        // Who clears nothing away could do so for ever.
        for _ in 0..2 {
            let done = RankedCollective::cleanup_poll(signed(9), 0, 0).unwrap();
            assert_eq!(done.pays_fee, Pays::Yes);
            assert_eq!(Voting::<Test>::iter_prefix(0).count(), THREE.len());
        }
    });
    // Only what is in the database counts towards the limit.
    for left in [1, 0] {
        ext.commit_all().unwrap();
        ext.execute_with(|| {
            let done = RankedCollective::cleanup_poll(signed(9), 0, 2).unwrap();
            assert_eq!(done.pays_fee, Pays::No);
            assert_eq!(Voting::<Test>::iter_prefix(0).count(), left);
        });
    }
    ext.commit_all().unwrap();
    ext.execute_with(|| {
        assert_noop!(
            RankedCollective::cleanup_poll(signed(9), 0, 2),
            Error::<Test>::NoneRemaining
        );
        assert!(!VotingCleanup::<Test>::contains_key(0));
        check_invariants();
    });
}

#[test]
fn clients_of_the_ranked_collective_can_read_members_and_votes() {
    build_and_execute(|| {
        three_operators();
        assert_eq!(Members::<Test>::get(1), Some(MemberRecord { rank: 0, since: 0 }));
        let poll = submit(1);
        vote(1, poll, true);
        vote(2, poll, false);
        assert_eq!(vote_of(poll, 1).encode(), Some((0u8, 60u64)).encode());
        assert_eq!(vote_of(poll, 2).encode(), Some((1u8, 30u64)).encode());
        let tally = tally(poll);
        let fields = (1u32, 60u64, 30u64, 1u32, tally.total);
        assert_eq!(tally.encode(), fields.encode());
        let event = Event::<Test>::Voted {
            who: 2,
            poll,
            vote: VoteRecord::Nay(30),
            tally,
        };
        // After the variant's index.
        assert_eq!(event.encode()[1..], (2u64, poll, (1u8, 30u64), fields).encode());
    });
}
