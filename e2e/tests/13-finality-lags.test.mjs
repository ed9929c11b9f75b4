// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timeout, useDevChain } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';

// Nobody votes, so nothing is finalized.
const chain = useDevChain({ args: ['--dev', '--tmp', '--no-grandpa'] });

test('authoring slows down while finality lags, and goes on', { timeout }, async () => {
  const { api, node } = chain;
  const seconds = async (number) => (await (await api.at(await node.rpc('chain_getBlockHash', number))).query.timestamp.now()).toNumber() / 1_000;
  const pause = async (number) => (await seconds(number)) - (await seconds(number - 1));
  let best;
  const reaches = (target) => waitFor(`block ${target}`, 300, async () => (best = await node.bestNumber()) >= target, { every: 1_000, note: () => `it is at ${best}` });
  await reaches(55);
  assert.equal(await node.finalizedNumber(), 0);
  const before = Math.min(...(await Promise.all([20, 30, 40, 50].map(pause))));
  assert.equal(await pause(53), 2 * before);
  assert.equal(await pause(55), 3 * before);
  assert.ok(node.process.find(/Backing off claiming new slot/), 'the log says why');
});
