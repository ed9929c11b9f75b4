// SPDX-License-Identifier: Apache-2.0
// What every track is tried with.
import assert from 'node:assert/strict';
import { sendTogether } from '../../harness/chain.mjs';
import { WEIGHTS } from './chain.mjs';
import { enacted, propose, submission, vote, watchEvents } from './polls.mjs';

/**
 * Has the three operators propose side by side what `calls` give, with one fate each:
 * the first passes and is enacted, the second is rejected though two of the three accounts want it, the third, without a decision deposit, times
 * out though everybody wants it.
 * @param {object} chain as of `useGovernedChain`
 * @param {string} track
 * @param {object[]} calls three extrinsics
 */
export async function passRejectAndTimeOut(chain, track, calls) {
  const { api, operators } = chain;
  const events = await watchEvents(api);
  const polls = await Promise.all(operators.map((proposer, index) => propose(api, proposer, track, calls[index], { deposit: index < 2 })));
  const ballots = [
    [true, true, false],
    [false, true, true],
    [true, true, true],
  ];
  await vote(api, polls.flatMap((poll, index) => operators.map((voter, each) => [voter, poll, ballots[index][each]])));
  await enacted(api, events, polls[0]);
  await Promise.all(
    ['Confirmed', 'Rejected', 'TimedOut'].map(async (ending, index) => {
      const { tally } = await events.find('rankedPolls', ending, (data) => data.index.eqn(polls[index]));
      await assertTally(chain, polls[index], tally, ballots[index]);
    }),
  );
}

/** The tally is the sum of the votes, each with its voter's weight at the snapshot, counted against the weight of all. */
async function assertTally({ api, operators }, poll, tally, ballot) {
  const [bareAyes, ayes, nays, total] = [tally.bareAyes, tally.ayes, tally.nays, tally.total].map((each) => each.toNumber());
  const weights = await Promise.all(operators.map((voter) => weighed(api, voter, poll)));
  const sum = (aye) => weights.filter((_, index) => ballot[index] === aye).reduce((all, weight) => all + weight, 0);
  assert.deepEqual([bareAyes, ayes, nays], [ballot.filter((aye) => aye).length, sum(true), sum(false)]);
  // The total is kept apart from its parts and may be above their sum by a few units for roundings.
  const all = ayes + nays;
  assert.ok(total >= all && total < all + 100, `${total} is the sum of all weights, ${all}`);
  // All weights fade alike, and the job that made the operators founders is worth next to nothing.
  weights.forEach((weight, index) => assert.ok(Math.abs(weight / all - WEIGHTS[index] / 100_000_000) < 0.001, `${weight} of ${all}`));
}

/** What the vote of `voter` on the poll weighed. */
async function weighed(api, voter, poll) {
  const record = (await api.query.rankedCollective.voting(poll, voter.address)).unwrap();
  return (record.isAye ? record.asAye : record.asNay).toNumber();
}

/** Has each operator propose on the track and expects that none may. */
export async function assertLocked({ api, operators }, track) {
  const before = (await api.query.rankedPolls.referendumCount()).toNumber();
  const call = api.tx.system.remark('0x00');
  const outcomes = await sendTogether(api, operators.map((operator) => [submission(api, track, call), operator]));
  assert.deepEqual(outcomes.map(({ reason }) => reason?.name), operators.map(() => 'BadOrigin'));
  assert.equal((await api.query.rankedPolls.referendumCount()).toNumber(), before);
  assert.equal((await api.query.rankedCollective.opened()).isTrue, false);
}
