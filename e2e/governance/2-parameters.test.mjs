// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sendTogether } from '../harness/chain.mjs';
import { readParameter, setParameter } from '../harness/parameters.mjs';
import { timeout } from '../harness/test.mjs';
import { WEIGHTS, useGovernedChain, waitForEpoch } from './harness/chain.mjs';
import { enacted, propose, vote, watchEvents } from './harness/polls.mjs';
import { assertLocked, passRejectAndTimeOut } from './harness/track.mjs';
import { openChain, workTogether } from './harness/work.mjs';

const chain = useGovernedChain();

test('parameters are locked until the chain is open', { timeout }, async () => {
  await assertLocked(chain, 'parameters');
  await openChain(chain);
});

const readJobs = (api) => readParameter(api, 'Jobs');

test('parameters are what was adopted, not what failed or timed out', { timeout }, async () => {
  const { api } = chain;
  const before = await readJobs(api);
  const change = (deadlineMargin) => setParameter(api, 'Jobs', { ...before.toJSON(), deadlineMargin });
  await passRejectAndTimeOut(chain, 'parameters', [51, 52, 53].map(change));
  assert.deepEqual((await readJobs(api)).toJSON(), { ...before.toJSON(), deadlineMargin: 51 });
});

/** What an operator weighs, and in which epoch. */
const readWeight = ({ address }) => chain.node.rpc('compute_voteWeight', address);

/** What it weighs in this epoch, which has begun or is the next one. */
async function weightIn(epoch, operator) {
  await waitForEpoch(chain.api, epoch);
  const { epoch: current, weight } = await readWeight(operator);
  assert.equal(current, epoch);
  return weight;
}

const readQuota = ({ address }) => chain.node.rpc('compute_quota', address);

/** Everybody wants it: proposes each call, by one operator after the other, and waits until it has been dispatched. */
async function adopt(events, calls) {
  const { api, operators } = chain;
  const polls = await Promise.all(calls.map((call, index) => propose(api, operators[index], 'parameters', call)));
  await vote(api, polls.flatMap((poll) => operators.map((voter) => [voter, poll, true])));
  await Promise.all(polls.map((poll) => enacted(api, events, poll)));
}

test('an adopted quota curve holds at once, and an adopted half-life from the next epoch on', { timeout }, async () => {
  const { api, operators } = chain;
  const [operator] = operators;
  const events = await watchEvents(api);
  const curve = (await readParameter(api, 'Quota')).toJSON();
  const changed = { ...curve, weightPoints: curve.weightPoints / 2, votePoints: curve.votePoints / 2, unitsPerPoint: 3 * curve.unitsPerPoint };
  const [before, quota] = [await readWeight(operator), await readQuota(operator)];
  await adopt(events, [setParameter(api, 'HalfLife', 1), setParameter(api, 'Quota', changed)]);

  const after = await readQuota(operator);
  // The rest is from genesis and fades by less than that.
  const lost = (curve.weightPoints - changed.weightPoints) * (WEIGHTS[0] / 100_000_000);
  assert.ok(Math.abs(quota.capacity - after.capacity - lost) < lost / 100, `${quota.capacity} became ${after.capacity} points`);
  assert.equal(after.units_capacity, after.capacity * changed.unitsPerPoint);
  assert.ok(after.vote_points <= changed.votePoints, `${after.vote_points} points for votes`);

  const { epoch, halfLife } = await events.find('contributions', 'HalfLifeChanged');
  assert.equal(halfLife.toNumber(), 1);

  // Nobody has worked since the chain opened, so nothing has faded: nor does it until somebody does.
  const first = await weightIn(epoch.toNumber(), operator);
  assert.equal(first, before.weight);
  await workTogether(chain);
  const { epoch: worked } = await events.find('contributions', 'Credited');
  const second = await weightIn(worked.toNumber() + 1, operator);
  assert.ok(Math.abs(second - first / 2) < first / 10_000, `${second} is half of ${first}, and what the job is worth`);
});

test('nobody sets a parameter out of its range, nor without a vote', { timeout }, async () => {
  const { api, operators } = chain;
  const before = await readJobs(api);
  const set = (changed) => setParameter(api, 'Jobs', { ...before.toJSON(), ...changed });
  const curve = (await readParameter(api, 'Quota')).toJSON();
  const calls = [
    set({ deadlineMargin: 1 }),
    setParameter(api, 'HalfLife', 0),
    setParameter(api, 'Quota', { ...curve, votePoints: 0 }),
    setParameter(api, 'Quota', { ...curve, unitsPerPoint: 1 }),
    set({ deadlineMargin: 54 }),
  ];
  const outcomes = await sendTogether(api, calls.map((call) => [call, operators[0]]));
  assert.deepEqual(outcomes.map(({ reason }) => reason?.name), [...Array(4).fill('system.CallFiltered'), 'BadOrigin']);
  assert.deepEqual((await readJobs(api)).toJSON(), before.toJSON());
});
