// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blake2AsHex } from '@polkadot/util-crypto';
import { timeout } from '../harness/test.mjs';
import { useGovernedChain } from './harness/chain.mjs';
import { assertLocked, passRejectAndTimeOut } from './harness/track.mjs';
import { openChain, workTogether } from './harness/work.mjs';

const chain = useGovernedChain();

test('root is locked until three operators with weight have worked in two epochs', { timeout }, async () => {
  await assertLocked(chain, 'root');
  await workTogether(chain);
  const { epochs, founders } = await chain.api.query.rankedCollective.opening();
  assert.deepEqual([epochs.toNumber(), founders.length], [1, 3]);
  await assertLocked(chain, 'root');
  await openChain(chain);
});

test('root authorizes the upgrade that passed, and neither that which failed nor that which timed out', { timeout }, async () => {
  const { api } = chain;
  const codes = ['passing', 'failing', 'waiting'].map((name) => blake2AsHex(name));
  await passRejectAndTimeOut(chain, 'root', codes.map((hash) => api.tx.system.authorizeUpgrade(hash)));
  assert.equal((await api.query.system.authorizedUpgrade()).unwrap().codeHash.toHex(), codes[0]);
  assert.equal((await api.query.rankedCollective.opened()).isTrue, true);
});
