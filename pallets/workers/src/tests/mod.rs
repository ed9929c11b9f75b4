// SPDX-License-Identifier: Apache-2.0
//! Calls in [`calls`], registering by a ticket in [`joining`], who is drawn in [`draws`], what for and with what consequences in [`duties`],
//! what attackers tried in [`attacks`], what becomes of what doesn't decode in [`unreadable`], whatever may come in whatever order in [`histories`].
mod attacks;
mod calls;
mod draws;
mod duties;
mod histories;
mod joining;
mod probation;
mod unreadable;

use crate::mock::*;
use ergon_primitives::{
    draw::Draw,
    traits::{Demand, Room, Workers as _, ALL_ROOM},
    H256,
};

const MODEL: H256 = MODELS[0];
/// A job of one block.
const DEMAND: Demand = Demand {
    bound: RATE,
    rate: RATE,
};

/// Room that it takes of an operator without weight, which has room for five.
const ROOM: Room = ALL_ROOM / 5;

fn stream(subject: u32) -> Draw {
    Draw::new(H256::repeat_byte(5), b"test", &subject.to_le_bytes())
}

/// A draw for a job of one block.
fn execution(exclude: &[u64]) -> Option<u64> {
    draw_executor(&MODEL, &DEMAND, &mut stream(0), exclude)
}

/// Draws an executor, whatever room the job takes of it.
fn draw_executor(model: &H256, demand: &Demand, draw: &mut Draw, exclude: &[u64]) -> Option<u64> {
    Workers::draw_executor(model, demand, draw, exclude).map(|(drawn, _)| drawn)
}

/// A draw for the audit of an answer of this block.
fn audit(exclude: &[u64]) -> Option<u64> {
    draw_auditor(&MODEL, &DEMAND, System::block_number(), &mut stream(0), exclude)
}

/// Draws an auditor and obliges it, if it has room.
fn draw_auditor(model: &H256, demand: &Demand, answered: u64, draw: &mut Draw, exclude: &[u64]) -> Option<u64> {
    Workers::draw_auditor(model, answered, draw, exclude)
        .filter(|drawn| Workers::oblige_auditor(drawn, demand).is_some())
}
