// SPDX-License-Identifier: Apache-2.0
// A new runtime by vote: no node is restarted, nobody signs for it but those who work.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { blake2AsHex } from '@polkadot/util-crypto';
import { connect, findEvent, send, sendTogether } from '../harness/chain.mjs';
import { nextRuntime } from '../harness/settings.mjs';
import { timeout } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';
import { all, useGovernedChain } from './harness/chain.mjs';
import { ORIGINS, enacted, propose, vote, watchEvents } from './harness/polls.mjs';
import { openChain } from './harness/work.mjs';

const UPGRADE_SECONDS = 120;

/** Endpoints of the operators, and what the migration of the next runtime makes of them. */
const ENDPOINTS = [
  ['https://heavy.example/', 'https://heavy.example'],
  ['https://middle.example/path//', 'https://middle.example/path'],
  ['https://light.example', 'https://light.example'],
];

const chain = useGovernedChain({
  prepare: async ({ api, operators, model }) => {
    const updates = operators.map((operator, index) => [api.tx.workers.update(ENDPOINTS[index][0], [model]), operator]);
    await all(sendTogether(api, updates));
  },
});

const readEndpoints = (api) =>
  Promise.all(chain.operators.map(async ({ address }) => (await api.query.workers.operators(address)).unwrap().endpoint.toUtf8()));

const readVersion = async (api) => (await api.rpc.state.getRuntimeVersion()).specVersion.toNumber();

/** Notes the call as a preimage, which is all that the proposal names. */
async function proposeNoted(api, proposer, { method }) {
  await send(api, api.tx.preimage.notePreimage(method.toHex()), proposer);
  const noted = { Lookup: { hash: method.hash.toHex(), len: method.encodedLength } };
  const { events } = await send(api, api.tx.rankedPolls.submit(ORIGINS.root, noted, { After: 0 }), proposer);
  const { index } = findEvent(events, 'rankedPolls', 'Submitted').data;
  await send(api, api.tx.rankedPolls.placeDecisionDeposit(index), proposer);
  return index.toNumber();
}

test('the next runtime, adopted by vote, takes over with its migration from a transaction that nobody signs', { timeout }, async () => {
  const { api, node, operators } = chain;
  const [heavy, middle, light] = operators;
  await openChain(chain);

  const code = readFileSync(nextRuntime());
  const hash = blake2AsHex(code);
  const version = await readVersion(api);
  const events = await watchEvents(api);
  const apply = () => api.tx.system.applyAuthorizedUpgrade(`0x${code.toString('hex')}`).send();
  await assert.rejects(apply(), 'code that no vote has authorized is refused');

  const poll = await proposeNoted(api, heavy, api.tx.system.authorizeUpgrade(hash));
  await vote(api, [[heavy, poll, true], [middle, poll, true], [light, poll, false]]);
  await enacted(api, events, poll);
  assert.equal((await api.query.system.authorizedUpgrade()).unwrap().codeHash.toHex(), hash);
  assert.equal(await readVersion(api), version, 'what is authorized does not run yet');
  assert.deepEqual(await readEndpoints(api), ENDPOINTS.map(([before]) => before));

  await apply();
  await events.find('system', 'CodeUpdated');
  await waitFor('runtime of the next version', UPGRADE_SECONDS, async () => (await readVersion(api)) === version + 1);

  // Events of the block in between can't be decoded by a client that is just changing its metadata, so storage tells.
  const fresh = await connect(node.url);
  assert.equal(fresh.runtimeVersion.specVersion.toNumber(), version + 1);
  await waitFor('end of the migration', UPGRADE_SECONDS, async () => (await fresh.query.multiBlockMigrations.historic.entries()).length === 1);
  assert.equal((await fresh.query.multiBlockMigrations.cursor()).isNone, true);
  assert.deepEqual(await readEndpoints(fresh), ENDPOINTS.map(([, after]) => after));
  chain.api = fresh;
});

test('after the upgrade blocks are finalized, and stock clients propose, vote and enact', { timeout }, async () => {
  const { api, node, operators } = chain;
  const [heavy, middle] = operators;
  const upgraded = await node.bestNumber();
  const events = await watchEvents(api);
  const poll = await propose(api, middle, 'models', api.tx.system.remark('0x01'));
  await vote(api, [[heavy, poll, true], [middle, poll, true]]);
  await enacted(api, events, poll);
  await waitFor('finality after the upgrade', UPGRADE_SECONDS, async () => (await node.finalizedNumber()) > upgraded);
});
