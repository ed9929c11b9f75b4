// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timeout, useDevChain } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';

// Nobody votes, so nothing is finalized.
const chain = useDevChain({ args: ['--dev', '--tmp', '--no-grandpa'] });

test('authoring slows down while finality lags, and goes on', { timeout }, async () => {
  const { api, node } = chain;
  const slotLength = api.consts.babe.expectedBlockTime.toNumber();
  const slot = async (number) => Math.floor((await (await api.at(await node.rpc('chain_getBlockHash', number))).query.timestamp.now()).toNumber() / slotLength);
  const slots = async (number) => (await slot(number)) - (await slot(number - 1));
  let best;
  const reaches = (target) => waitFor(`block ${target}`, 300, async () => (best = await node.bestNumber()) >= target, { every: 1_000, note: () => `it is at ${best}` });
  await reaches(55);
  assert.equal(await node.finalizedNumber(), 0);
  assert.deepEqual(await Promise.all([50, 53, 55].map(slots)), [1, 2, 3]);
  assert.ok(node.process.find(/Backing off claiming new slot/), 'the log says why');
});
