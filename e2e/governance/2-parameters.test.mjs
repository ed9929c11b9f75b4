// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sendTogether } from '../harness/chain.mjs';
import { timeout } from '../harness/test.mjs';
import { useGovernedChain, waitForEpoch } from './harness/chain.mjs';
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

test('nobody sets a parameter out of its range, nor without a vote', { timeout }, async () => {
  const { api, operators } = chain;
  const before = await readJobs(api);
  const set = (changed) => api.tx.parameters.setParameter({ Work: { Jobs: [{}, { ...before.toJSON(), ...changed }] } });
  const outcomes = await sendTogether(api, [set({ unitsPerBlock: 0 }), set({ deadlineBase: 54 })].map((call) => [call, operators[0]]));
  assert.deepEqual(outcomes.map(({ reason }) => reason?.name), ['system.CallFiltered', 'BadOrigin']);
  assert.deepEqual((await readJobs(api)).toJSON(), before.toJSON());
});
