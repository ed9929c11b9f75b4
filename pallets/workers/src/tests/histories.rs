// SPDX-License-Identifier: Apache-2.0
use super::{draw_auditor, draw_executor, stream, DEMAND, ROOM};
use crate::{mock::*, Operators, Status};
use ergon_primitives::{
    ticket::Ticket,
    traits::{Duty, Workers as _},
};
use proptest::prelude::*;

/// Anything that can happen to one of a few operators.
#[derive(Clone, Debug)]
enum Step {
    Register(u64, u64, u8),
    Join(u64, u64, u8),
    Update(u64, u8),
    AddHotKey(u64, u64),
    RemoveHotKey(u64, u64),
    Drain(u64),
    Resume(u64),
    Remove(u64),
    Jail(u64),
    Unjail(u64),
    Kept(u64),
    Missed(u64),
    Stood(u64, u32),
    Disputed(u64),
    Done(u64, bool),
    Discharge(u64),
    Draw(u8),
    DrawAuditor(u8, u64),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (who, key, models) = (|| 1u64..7, || prop_oneof![1u64..7, 200u64..206], || 0u8..9);
    let step = prop_oneof![
        8 => (who(), key(), models()).prop_map(|(who, hot, models)| Step::Register(who, hot, models)),
        4 => (key(), key(), models()).prop_map(|(who, hot, models)| Step::Join(who, hot, models)),
        4 => (who(), models()).prop_map(|(who, models)| Step::Update(who, models)),
        3 => (who(), key()).prop_map(|(who, hot)| Step::AddHotKey(who, hot)),
        2 => (who(), key()).prop_map(|(who, hot)| Step::RemoveHotKey(who, hot)),
        2 => who().prop_map(Step::Drain),
        4 => key().prop_map(Step::Resume),
        2 => who().prop_map(Step::Remove),
        1 => who().prop_map(Step::Jail),
        1 => who().prop_map(Step::Unjail),
        2 => who().prop_map(Step::Kept),
        3 => who().prop_map(Step::Missed),
        3 => (who(), 0u32..4).prop_map(|(who, required)| Step::Stood(who, required)),
        1 => who().prop_map(Step::Disputed),
        4 => (who(), any::<bool>()).prop_map(|(who, audit)| Step::Done(who, audit)),
        6 => who().prop_map(Step::Discharge),
        6 => (0u8..3).prop_map(Step::Draw),
        3 => (0u8..3, 0u64..9).prop_map(|(model, age)| Step::DrawAuditor(model, age)),
        6 => (1u64..6).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..120)
}

/// The subset of [`MODELS`] that the bits name, one model too often for 8.
fn subset(bits: u8) -> crate::ServedModels {
    match bits {
        8 => served(&[MODELS[0], MODELS[0]]),
        _ => served(
            &(0..3)
                .filter(|bit| bits >> bit & 1 == 1)
                .map(|bit| MODELS[bit])
                .collect::<Vec<_>>(),
        ),
    }
}

/// An operator that is drawn may be, and has one more obligation.
fn draw(model: u8, number: u32, answered: Option<u64>) {
    let model = MODELS[usize::from(model)];
    let owed = |who: u64| Operators::<Test>::get(who).map_or(0, |entry| entry.obligations);
    let before = (1..7).map(owed).collect::<Vec<_>>();
    let drawn = match answered {
        None => draw_executor(&model, &DEMAND, &mut stream(number), &[]),
        Some(answered) => draw_auditor(&model, &DEMAND, answered, &mut stream(number), &[]),
    };
    if let Some(operator) = drawn {
        let entry = Operators::<Test>::get(operator).unwrap();
        match answered {
            None => assert!(entry.status == Status::Active && entry.models.contains(&model)),
            Some(_) => {
                assert!(matches!(entry.status, Status::Active | Status::Draining));
                assert_eq!(Workers::probation(&operator), None);
            }
        }
    }
    for (who, before) in (1..7).zip(before) {
        assert_eq!(owed(who), before + u32::from(drawn == Some(who)));
    }
}

/// Takes a step; if it fails, it must have changed nothing.
fn take(step: &Step, number: u32) {
    let before = sp_io::storage::root(sp_runtime::StateVersion::V1);
    let result = match *step {
        Step::Register(who, hot, models) => Workers::register(signed(who), hot, endpoint(), subset(models)),
        Step::Join(who, hot, models) => {
            Room::set(1);
            let ticket = Ticket {
                block: System::block_number() as u32,
                nonce: who,
            };
            let signature = sp_runtime::testing::TestSignature(who, vec![]);
            let authorized = frame_system::RawOrigin::Authorized.into();
            Workers::join(authorized, who, hot, endpoint(), subset(models), ticket, signature)
        }
        Step::Update(who, models) => Workers::update(signed(who), endpoint(), subset(models)),
        Step::AddHotKey(who, hot) => Workers::add_hot_key(signed(who), hot),
        Step::RemoveHotKey(who, hot) => Workers::remove_hot_key(signed(who), hot),
        Step::Drain(who) => Workers::drain(signed(who)),
        Step::Resume(who) => Workers::resume(signed(who)),
        Step::Remove(who) => Workers::remove(signed(who)),
        Step::Jail(who) => {
            Workers::jail(&who);
            Ok(())
        }
        Step::Unjail(who) => Workers::unjail(RuntimeOrigin::root(), who),
        Step::Kept(who) => {
            Workers::note_kept(&who);
            Ok(())
        }
        Step::Missed(who) => {
            Workers::note_missed(&who);
            Ok(())
        }
        Step::Stood(who, required) => {
            Workers::note_stood(&who, required);
            Ok(())
        }
        Step::Disputed(who) => {
            Workers::note_disputed(&who);
            Ok(())
        }
        Step::Done(who, audit) => {
            let duty = if audit { Duty::Audit } else { Duty::Execution };
            Workers::release(&who, duty, ROOM);
            Ok(())
        }
        Step::Discharge(who) => {
            // The room of a drawing is given back before.
            let busy = |entry: &crate::Operator<u64, u64>| (entry.executing + entry.auditing).div_ceil(1_000);
            if Operators::<Test>::get(who).is_some_and(|entry| u64::from(entry.obligations) > busy(&entry)) {
                Workers::discharge(&who);
            }
            Ok(())
        }
        Step::Draw(model) => {
            draw(model, number, None);
            Ok(())
        }
        Step::DrawAuditor(model, age) => {
            draw(model, number, Some(System::block_number().saturating_sub(age)));
            Ok(())
        }
        Step::Pass(blocks) => {
            pass(blocks);
            Ok(())
        }
    };
    if result.is_err() {
        assert_eq!(before, sp_io::storage::root(sp_runtime::StateVersion::V1));
    }
}

proptest! {
    #[test]
    fn lists_stay_dense_and_invariants_hold_in_every_history(history in steps()) {
        build_and_execute(|| for (number, step) in history.iter().enumerate() {
            take(step, number as u32);
            Workers::do_try_state().unwrap();
        });
    }
}
