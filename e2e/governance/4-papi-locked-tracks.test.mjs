// SPDX-License-Identifier: Apache-2.0
// Two of the tracks, through PAPI. One after the other, since an operator may have one open poll only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Enum } from 'polkadot-api';
import { timeout } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';
import { useGovernedChain } from './harness/chain.mjs';
import { connectPapi, ends, propose, vote } from './harness/papi.mjs';
import { openChain } from './harness/work.mjs';

let papi;
let signers;
useGovernedChain({
  prepare: async (chain) => {
    await openChain(chain);
    ({ papi, signers } = await connectPapi(chain));
  },
});

/**
 * Has each operator propose one of the transactions. The first is adopted, the second rejected though two of three accounts want it, the third,
 * without a decision deposit, times out though all do.
 */
async function passRejectAndTimeOut(track, transactions) {
  const submitted = await Promise.all(
    transactions.map((transaction, index) => propose(papi, signers[index], track, transaction, { deposit: index < 2 })),
  );
  const [adopted, rejected, late] = submitted.map(({ index }) => index);
  await vote(papi, signers, adopted, [true, true, false]);
  await vote(papi, signers, late, [true, true, true]);
  await vote(papi, signers, rejected, [false, true, true]);
  await ends(papi, adopted, 'Approved');
  await ends(papi, late, 'TimedOut');
  await ends(papi, rejected, 'Rejected');
}

test('root authorizes the upgrade that passed, and neither that which failed nor that which timed out', { timeout }, async () => {
  const hashes = [1, 2, 3].map((byte) => `0x${String(byte).padStart(2, '0').repeat(32)}`);
  const read = () => papi.query.System.AuthorizedUpgrade.getValue({ at: 'best' });
  assert.equal(await read(), undefined);
  await passRejectAndTimeOut('root', hashes.map((code_hash) => papi.tx.System.authorize_upgrade({ code_hash })));
  await waitFor('enactment', 60, async () => (await read()) !== undefined);
  assert.equal((await read()).code_hash, hashes[0]);
});

test('parameters are what was adopted, not what failed or timed out', { timeout }, async () => {
  const read = async () => (await papi.query.Parameters.Parameters.getValue(Enum('Work', Enum('Jobs')), { at: 'best' })).value.value;
  const before = await read();
  // PAPI leaves the key out, which takes no bytes.
  const change = (deadline_margin) => papi.tx.Parameters.set_parameter({ key_value: Enum('Work', Enum('Jobs', [{ ...before, deadline_margin }])) });
  await passRejectAndTimeOut('parameters', [51, 52, 53].map(change));
  await waitFor('enactment', 60, async () => (await read()).deadline_margin !== before.deadline_margin);
  assert.deepEqual(await read(), { ...before, deadline_margin: 51 });
  assert.equal(await papi.query.Balances.TotalIssuance.getValue(), 0n);
});
