// SPDX-License-Identifier: Apache-2.0
// Governance replaces a validator on a running network, as the book says under Validators: docs/src/protocol/validators.md.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { u8aToHex } from '@polkadot/util';
import { connect, devKey, findEvent, send } from '../harness/chain.mjs';
import { startNode } from '../harness/node.mjs';
import { stopAll } from '../harness/process.mjs';
import { timeout } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';

after(stopAll);

/** Two sessions of a minute, on busy cores. */
const ROTATION_SECONDS = 300;

/** A node of the local network; its network identity is fixed, so that it needs no file. */
const localNode = (name, index, more) =>
  startNode({ name, args: ['--chain', 'local', '--tmp', '--node-key', `${index}`.padStart(64, '0'), ...more] });

test('a validator that governance named takes the place of one that leaves, and finality goes on without that one', { timeout }, async () => {
  const alice = await localNode('alice', 1, ['--alice']);
  const bootnodes = ['--bootnodes', await alice.address()];
  const [bob, , dave] = await Promise.all([
    localNode('bob', 2, ['--bob', ...bootnodes]),
    localNode('charlie', 3, ['--charlie', ...bootnodes]),
    // A validator like any other: it makes its keys itself.
    localNode('dave', 4, ['--validator', '--rpc-methods', 'unsafe', ...bootnodes]),
  ]);
  await waitFor('connection of all four', 60, async () => {
    const health = await Promise.all([alice, bob, dave].map((node) => node.rpc('system_health')));
    return health.every(({ peers }) => peers === 3);
  });
  const api = await connect(bob.url);
  const [sudo, daveAccount] = await Promise.all(['//Alice', '//Dave'].map(devKey));
  const accounts = await Promise.all(['//Bob', '//Charlie', '//Dave'].map(async (uri) => (await devKey(uri)).address));

  const { keys, proof } = await dave.rpc('author_rotateKeysWithOwner', u8aToHex(daveAccount.publicKey));
  await send(api, api.tx.session.setKeys(keys, proof), daveAccount);
  const { events } = await send(api, api.tx.sudo.sudo(api.tx.validators.setValidators(accounts)), sudo);
  assert.deepEqual(findEvent(events, 'validators', 'ValidatorsSet').data.validators.map(String), accounts);

  await waitFor(
    'finality of a block of the new validators',
    ROTATION_SECONDS,
    async () => {
      const at = await api.at(await bob.rpc('chain_getFinalizedHead'));
      return (await at.query.session.validators()).map(String).join() === accounts.join();
    },
    { every: 1_000 },
  );
  assert.equal((await api.query.grandpa.currentSetId()).toNumber(), 1);

  // Of three validators all must vote, so nothing more is finalized if the one that leaves is still among them, or Dave isn't.
  await alice.process.stop();
  const target = (await bob.bestNumber()) + 5;
  await waitFor(`finality of block ${target} without Alice`, 120, async () => {
    const finalized = await Promise.all([bob, dave].map((node) => node.finalizedNumber()));
    return Math.min(...finalized) >= target;
  });
  const hashes = await Promise.all([bob, dave].map((node) => node.rpc('chain_getBlockHash', target)));
  assert.equal(hashes[0], hashes[1], 'both finalized the same block');
});
