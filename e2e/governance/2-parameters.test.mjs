// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sendTogether } from '../harness/chain.mjs';
import { timeout } from '../harness/test.mjs';
import { useGovernedChain, waitForEpoch } from './harness/chain.mjs';
import { enacted, propose, vote, watchEvents } from './harness/polls.mjs';
import { assertLocked, passRejectAndTimeOut } from './harness/track.mjs';
import { workTogether } from './harness/work.mjs';

const chain = useGovernedChain();

test('parameters are locked until three operators have held weight for two epochs', { timeout }, async () => {
  await assertLocked(chain, 'parameters');
  await workTogether(chain);
  await assertLocked(chain, 'parameters');
  const [founder] = await chain.api.query.rankedCollective.founders();
  await waitForEpoch(chain.api, founder.since.toNumber() + 2);
});

/** The parameters of jobs in force. */
async function readJobs(api) {
  const entries = await api.query.parameters.parameters.entries();
  return entries.map(([, value]) => value.unwrap().asWork).find((work) => work.isJobs).asJobs;
}

test('parameters are what was adopted, not what failed or timed out', { timeout }, async () => {
  const { api } = chain;
  const before = await readJobs(api);
  const change = (deadlineBase) => api.tx.parameters.setParameter({ Work: { Jobs: [{}, { ...before.toJSON(), deadlineBase }] } });
  await passRejectAndTimeOut(chain, 'parameters', [51, 52, 53].map(change));
  assert.deepEqual((await readJobs(api)).toJSON(), { ...before.toJSON(), deadlineBase: 51 });
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

test('an adopted half-life holds from the next epoch on', { timeout }, async () => {
  const { api, operators } = chain;
  const [operator] = operators;
  const events = await watchEvents(api);
  const before = await readWeight(operator);
  const poll = await propose(api, operator, 'parameters', api.tx.parameters.setParameter({ Work: { HalfLife: [{}, 1] } }));
  await vote(api, operators.map((voter) => [voter, poll, true]));
  await enacted(api, events, poll);
  const { epoch, halfLife } = await events.find('contributions', 'HalfLifeChanged');
  assert.equal(halfLife.toNumber(), 1);

  const first = await weightIn(epoch.toNumber(), operator);
  const faded = before.weight * 2 ** (-(epoch.toNumber() - before.epoch) / 4);
  assert.ok(Math.abs(first - faded) < 10, `${first} is what is left of ${before.weight} at the old half-life of 4 epochs, ${faded}`);
  assert.equal(await weightIn(epoch.toNumber() + 1, operator), Math.floor(first / 2));
});

test('nobody sets a parameter out of its range, nor without a vote', { timeout }, async () => {
  const { api, operators } = chain;
  const before = await readJobs(api);
  const set = (changed) => api.tx.parameters.setParameter({ Work: { Jobs: [{}, { ...before.toJSON(), ...changed }] } });
  const calls = [set({ unitsPerBlock: 0 }), api.tx.parameters.setParameter({ Work: { HalfLife: [{}, 0] } }), set({ deadlineBase: 54 })];
  const outcomes = await sendTogether(api, calls.map((call) => [call, operators[0]]));
  assert.deepEqual(outcomes.map(({ reason }) => reason?.name), ['system.CallFiltered', 'system.CallFiltered', 'BadOrigin']);
  assert.deepEqual((await readJobs(api)).toJSON(), before.toJSON());
});
