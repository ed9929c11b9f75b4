// SPDX-License-Identifier: Apache-2.0
//! What the composition adds to the collective and the referenda.
use crate::{
    chain::{dev, run_block},
    market::{account, open_market, send, OPERATORS},
    quota_votes::weighty,
};
use codec::Encode;
use ergon_primitives::traits::{Contributions as _, Source};
use ergon_runtime::{
    compute,
    configs::{check_noted, ALWAYS_NOTED_BYTES, MAX_NOTED_BYTES, MAX_NOTED_TOTAL},
    parameters::{work, HalfLifeInForce, RuntimeParameters},
    quota, timing, BlockNumber, Contributions, Preimage, RankedCollective, RankedPolls, Runtime, RuntimeCall,
    RuntimeOrigin, System,
};
use ergon_runtime_api::{ProposalOrigin, ProposalRefusal};
use frame_support::{
    assert_noop, assert_ok,
    dispatch::DispatchResultWithPostInfo,
    traits::{schedule::DispatchTime, Bounded, Get},
};
use pallet_compute_collective::{Guardian, Opened, Origin, Referenda};
use pallet_referenda::{ReferendumInfo, ReferendumInfoFor, TracksInfo};
use sp_runtime::{
    traits::{BlakeTwo256, Hash},
    DispatchError,
};

fn note(who: &str, preimage: &[u8]) -> DispatchResultWithPostInfo {
    Preimage::note_preimage(RuntimeOrigin::signed(account(who)), preimage.to_vec())
}

/// The members of the collective in these tests. All weigh the same.
const MEMBERS: [&str; 3] = ["//First", "//Second", "//Third"];
const GUARDIAN: &str = "//Bob";
/// The half-life that they vote on.
const HALF_LIFE: u32 = 7;

fn proposal(origin: impl Into<ergon_runtime::OriginCaller>, call: RuntimeCall) -> pallet_referenda::Call<Runtime> {
    pallet_referenda::Call::submit {
        proposal_origin: Box::new(origin.into()),
        proposal: Bounded::Inline(call.encode().try_into().unwrap()),
        enactment_moment: DispatchTime::After(0),
    }
}

/// The number of a poll on another half-life, which two members have just adopted while the third was against it.
fn adopted() -> u32 {
    run_block(vec![]);
    weighty(&MEMBERS.map(String::from));
    Opened::<Runtime>::put(true);
    Guardian::<Runtime>::put((account(GUARDIAN), BlockNumber::MAX));
    let poll = RankedPolls::next_poll();
    let key_value = RuntimeParameters::Work(work::Parameters::HalfLife(work::HalfLife, Some(HALF_LIFE)));
    let call = pallet_parameters::Call::set_parameter { key_value }.into();
    send(MEMBERS[0], proposal(Origin::Parameters, call));
    send(
        MEMBERS[0],
        pallet_referenda::Call::place_decision_deposit { index: poll },
    );
    for (member, aye) in MEMBERS.into_iter().zip([true, true, false]) {
        send(member, pallet_compute_collective::Call::vote { poll, aye });
    }
    while matches!(
        ReferendumInfoFor::<Runtime>::get(poll),
        Some(ReferendumInfo::Ongoing(_))
    ) {
        run_next_scheduled_block(BlockNumber::MAX);
    }
    assert!(matches!(
        ReferendumInfoFor::<Runtime>::get(poll),
        Some(ReferendumInfo::Approved(..))
    ));
    assert_eq!(half_life(), timing::HALF_LIFE_EPOCHS);
    poll
}

/// The half-life in force once everything that was adopted has been enacted.
fn enacted() -> u32 {
    let end = System::block_number() + timing::ENACTMENT_PERIOD + 2;
    while System::block_number() < end {
        run_next_scheduled_block(end);
    }
    half_life()
}

/// Runs the next block for which the scheduler has something to do, or `end` if that comes first. Nothing is due in those it leaves out, of
/// which there are thousands on a public network.
fn run_next_scheduled_block(end: BlockNumber) {
    let now = System::block_number();
    let next = pallet_scheduler::Agenda::<Runtime>::iter_keys()
        .filter(|block| *block > now)
        .min();
    System::set_block_number(next.unwrap_or(end).min(end) - 1);
    run_block(vec![]);
}

fn half_life() -> u32 {
    HalfLifeInForce::get()
}

/// What may have to be done between adoption and enactment fits in before that.
fn refresh(poll: u32, who: &str) {
    let who = account(who);
    send("//Alice", pallet_compute_collective::Call::refresh_vote { poll, who });
}

#[test]
fn what_was_adopted_honestly_is_enacted() {
    dev().execute_with(|| {
        adopted();
        assert_eq!(enacted(), HALF_LIFE);
    });
}

#[test]
fn what_fraud_adopted_is_stopped_when_the_fraud_is_found() {
    dev().execute_with(|| {
        let poll = adopted();
        Contributions::forfeit(&account(MEMBERS[0]));
        refresh(poll, MEMBERS[0]);
        System::assert_has_event(pallet_compute_collective::Event::EnactmentStopped { poll }.into());
        assert_eq!(enacted(), timing::HALF_LIFE_EPOCHS);
    });
}

#[test]
fn what_honest_votes_alone_adopt_is_enacted_whatever_order_frauds_are_found_in() {
    dev().execute_with(|| {
        let poll = adopted();
        Contributions::forfeit(&account(MEMBERS[0]));
        Contributions::forfeit(&account(MEMBERS[2]));
        refresh(poll, MEMBERS[0]);
        refresh(poll, MEMBERS[2]);
        System::assert_has_event(pallet_compute_collective::Event::EnactmentResumed { poll }.into());
        assert_eq!(enacted(), HALF_LIFE);
    });
}

#[test]
fn the_guardian_vetoes_what_was_adopted() {
    dev().execute_with(|| {
        let poll = adopted();
        assert_noop!(
            RankedCollective::veto(RuntimeOrigin::signed(account(MEMBERS[2])), poll),
            DispatchError::BadOrigin
        );
        send(GUARDIAN, pallet_compute_collective::Call::veto { poll });
        assert_eq!(enacted(), timing::HALF_LIFE_EPOCHS);
    });
}

#[test]
fn no_track_is_open_before_the_chain_is() {
    dev().execute_with(|| {
        run_block(vec![]);
        weighty(&MEMBERS.map(String::from));
        let who = account(MEMBERS[0]);
        let origins: [(ProposalOrigin, ergon_runtime::OriginCaller); 3] = [
            (ProposalOrigin::Root, frame_system::RawOrigin::Root.into()),
            (ProposalOrigin::Models, Origin::Models.into()),
            (ProposalOrigin::Parameters, Origin::Parameters.into()),
        ];
        for (name, origin) in origins {
            assert_eq!(compute::refusal(&who, name), Some(ProposalRefusal::Locked));
            let remark = frame_system::Call::remark { remark: vec![] }.into();
            let submitted = RuntimeCall::from(proposal(origin, remark));
            assert_noop!(
                sp_runtime::traits::Dispatchable::dispatch(submitted, RuntimeOrigin::signed(who.clone()))
                    .map_err(|error| error.error),
                DispatchError::BadOrigin
            );
        }
        Opened::<Runtime>::put(true);
        assert_eq!(compute::refusal(&who, ProposalOrigin::Models), None);
        let stranger = account("//Eve");
        assert_eq!(
            compute::refusal(&stranger, ProposalOrigin::Models),
            Some(ProposalRefusal::NotMember)
        );
    });
}

#[test]
fn names_of_tracks_have_no_zeros_at_their_ends() {
    for track in <Runtime as pallet_referenda::Config>::Tracks::tracks() {
        let name = String::from_utf8(track.info.name.to_vec()).unwrap();
        assert!(!name.contains('\0'), "{name:?}");
    }
}

#[test]
fn only_members_note_preimages_and_each_only_so_many_bytes() {
    dev().execute_with(|| {
        open_market();
        let [(member, _), (other, _)] = OPERATORS;
        Contributions::credit(&account(member), Source::Job, 1_000);
        assert_noop!(note(other, b"call"), DispatchError::BadOrigin);
        let largest = vec![7; MAX_NOTED_BYTES as usize];
        assert_ok!(note(member, &largest));
        assert_noop!(note(member, b"call"), DispatchError::Exhausted);
        assert_ok!(Preimage::unnote_preimage(
            RuntimeOrigin::signed(account(member)),
            BlakeTwo256::hash(&largest)
        ));
        assert_ok!(note(member, b"call"));
    });
}

#[test]
fn all_members_together_note_only_so_much_and_each_always_a_little() {
    dev().execute_with(|| {
        let members: Vec<String> = (0..18).map(|index| format!("//Member{index}")).collect();
        weighty(&members);
        let (most, always) = (MAX_NOTED_BYTES as usize, ALWAYS_NOTED_BYTES as usize);
        let filling = (MAX_NOTED_TOTAL / MAX_NOTED_BYTES) as usize;
        let [late, last] = &members[filling..] else {
            panic!("all but two fill the total");
        };
        for (index, member) in members[..filling].iter().enumerate() {
            assert_ok!(note(member, &vec![index as u8; most]));
        }
        // What each of them may note in any case doesn't count, so there is room for as much of somebody else.
        let room = filling * always;
        let too_much = vec![100; always + room + 1];
        assert_noop!(note(late, &too_much), DispatchError::Unavailable);
        assert_ok!(note(late, &too_much[1..]));
        assert_noop!(note(last, &vec![101; always + 1]), DispatchError::Unavailable);
        assert_ok!(note(last, &vec![101; always]));
        // What one takes back, another may note.
        let first = BlakeTwo256::hash(&vec![0; most]);
        assert_ok!(Preimage::unnote_preimage(
            RuntimeOrigin::signed(account(&members[0])),
            first
        ));
        assert_ok!(note(last, &vec![102; most - always]));
        check_noted().unwrap();
    });
}

#[test]
fn noting_costs_points_by_length_also_of_a_preimage_that_was_requested() {
    dev().execute_with(|| {
        open_market();
        let [(member, _), _] = OPERATORS;
        Contributions::credit(&account(member), Source::Job, 1_000);
        let requested = vec![8; 10_000];
        assert_ok!(Preimage::request_preimage(
            RuntimeOrigin::root(),
            BlakeTwo256::hash(&requested)
        ));
        // Anyone may note what was requested, and as often as it likes.
        for (who, bytes) in [
            (member, vec![7; 10_000]),
            ("//Dave", requested.clone()),
            ("//Dave", requested),
        ] {
            send(who, pallet_preimage::Call::note_preimage { bytes });
            let left = quota::quota(&account(who));
            assert!(left.capacity - left.points >= 10_000, "{who}");
        }
    });
}
