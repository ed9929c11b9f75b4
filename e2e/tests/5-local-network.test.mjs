// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { connect } from '../harness/chain.mjs';
import { startNode } from '../harness/node.mjs';
import { stopAll } from '../harness/process.mjs';
import { timeout } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';

after(stopAll);

/** A validator of the local network; its network identity is fixed, so that it needs no file. */
const validator = (name, index, more = []) =>
  startNode({ name, args: ['--chain', 'local', `--${name}`, '--tmp', '--node-key', `${index}`.padStart(64, '0'), ...more] });

test('three validators finalize the same chain past a session change', { timeout }, async () => {
  const alice = await validator('alice', 1);
  const bootnodes = ['--bootnodes', await alice.address()];
  const nodes = [alice, ...(await Promise.all([validator('bob', 2, bootnodes), validator('charlie', 3, bootnodes)]))];
  await waitFor('connection of all three', 60, async () => {
    const health = await Promise.all(nodes.map((node) => node.rpc('system_health')));
    return health.every(({ peers }) => peers === 2);
  });

  const api = await connect(alice.url);
  const session = async (hash) => (await (await api.at(hash)).query.session.currentIndex()).toNumber();
  let number;
  await waitFor(
    'finality past a session change',
    180,
    async () => {
      const hash = await alice.rpc('chain_getFinalizedHead');
      number = await alice.finalizedNumber();
      return (await session(hash)) >= 1;
    },
    { every: 1_000, note: () => `finalized ${number}` },
  );
  const target = number + 3;
  await waitFor(`finality of block ${target} everywhere`, 60, async () => {
    const finalized = await Promise.all(nodes.map((node) => node.finalizedNumber()));
    return Math.min(...finalized) >= target;
  });
  const hashes = await Promise.all(nodes.map((node) => node.rpc('chain_getBlockHash', target)));
  assert.equal(new Set(hashes).size, 1, 'all finalized the same block');
});
