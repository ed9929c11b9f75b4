// SPDX-License-Identifier: Apache-2.0
// A development chain with three operators of weight 60, 30 and 10, who have nothing else: no balance, no token.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { connect, devKey, sendTogether } from '../../harness/chain.mjs';
import { findModel } from '../../harness/models.mjs';
import { startNode } from '../../harness/node.mjs';
import { stopAll } from '../../harness/process.mjs';
import { waitFor } from '../../harness/wait.mjs';
import { writeSpec } from './spec.mjs';

/** Weights at the start of epoch 1, in the order of the operators; with the floor of a development chain, their sum is the total. */
export const WEIGHTS = [60_000_000, 30_000_000, 10_000_000];

/** How long the first epoch takes at most: 20 slots of 3 s, on busy cores. */
const EPOCH_SECONDS = 120;

/**
 * The chain for the tests of one file: `node`, `api`, `model` (its id), `operators` (key pairs, heaviest first) and `guardian` once the tests run.
 * The operators are registered and, since epoch 1 has begun, members.
 * @param {object} options
 * @param {number} options.guardianUntil block at which the guardian's office ends
 * @param {() => Promise<string[]>} options.letIn addresses that are let in at genesis, besides the preset's
 * @param {(chain: object) => any} options.prepare runs before the first test
 */
export function useGovernedChain({ guardianUntil = 0, letIn = async () => [], prepare = () => {} } = {}) {
  const chain = {};
  before(async () => {
    chain.operators = await Promise.all(WEIGHTS.map((_, index) => devKey(`//Worker${index + 1}`)));
    chain.hot = await Promise.all(WEIGHTS.map((_, index) => devKey(`//Worker${index + 1}//hot`)));
    chain.guardian = await devKey('//Bob');
    const newcomers = await letIn();
    const spec = await writeSpec({
      workers: { sponsored: (preset) => [...preset, ...newcomers] },
      contributions: { weights: chain.operators.map(({ address }, index) => [address, WEIGHTS[index]]) },
      // With two auditors, one job is work for all three operators.
      audits: { parameters: { auditorsPerJob: 2 } },
      rankedCollective: { guardian: [chain.guardian.address, guardianUntil] },
    });
    chain.node = await startNode({ args: ['--dev', '--chain', spec] });
    chain.api = await connect(chain.node.url);
    chain.model = (await findModel(chain.node)).id;
    await assertNoTokens(chain);
    await register(chain);
    await join(chain);
    await prepare(chain);
  });
  after(async () => {
    try {
      if (chain.api) await assertNoTokens(chain);
    } finally {
      await stopAll();
    }
  });
  return chain;
}

async function register({ api, operators, hot, model }) {
  const registrations = operators.map((operator, index) => [api.tx.workers.register(hot[index].address, '', [model]), operator]);
  await all(sendTogether(api, registrations));
}

/** Waits for the epoch in which the weights begin to count, and makes the operators members. */
async function join({ api, operators }) {
  await waitForEpoch(api, 1);
  await all(sendTogether(api, operators.map((operator) => [api.tx.rankedCollective.refreshMember(operator.address), operator])));
}

/** Waits until this epoch has begun. */
export const waitForEpoch = (api, epoch) =>
  waitFor(`epoch ${epoch}`, EPOCH_SECONDS * epoch, async () => (await api.query.session.currentIndex()).gten(epoch));

/** What all of them gave, or the first reason why one failed. */
export async function all(outcomes) {
  return (await outcomes).map(({ value, reason }) => {
    if (reason) throw reason;
    return value;
  });
}

/** There is nothing to pay with, and nobody has anything: voters vote with work alone. */
export async function assertNoTokens({ api, operators }) {
  assert.equal((await api.query.balances.totalIssuance()).toString(), '0');
  for (const { address } of operators) {
    const { free, reserved } = (await api.query.system.account(address)).data;
    assert.deepEqual([free.toString(), reserved.toString()], ['0', '0'], address);
  }
}

