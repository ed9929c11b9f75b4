// SPDX-License-Identifier: Apache-2.0
// A new runtime by vote: no node is restarted, nobody signs for it but those who work.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { blake2AsHex } from '@polkadot/util-crypto';
import { connect, findEvent, send } from '../harness/chain.mjs';
import { nextRuntime } from '../harness/settings.mjs';
import { timeout } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';
import { useGovernedChain } from './harness/chain.mjs';
import { ORIGINS, enacted, propose, vote, watchEvents } from './harness/polls.mjs';
import { answerTogether, openChain, settleTogether, workTogether } from './harness/work.mjs';

const UPGRADE_SECONDS = 120;

const chain = useGovernedChain();

/** The field that the next runtime adds to jobs and operators, of all of them: which version of the runtime wrote them first. */
const readVersions = async (api) => {
  const entries = await Promise.all([api.query.jobs.jobs.entries(), api.query.workers.operators.entries()]);
  return entries.map((all) => all.map(([, entry]) => entry.unwrap().version?.toNumber()));
};

const readDue = async (api, id) => (await api.query.jobs.jobs(id)).unwrap().due.unwrap().toNumber();

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

test('the next runtime, adopted by vote, takes over with another layout of what is in flight, from a transaction that nobody signs', { timeout }, async () => {
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
  const [jobs, registered] = await readVersions(api);
  assert.deepEqual(new Set([...jobs, ...registered]), new Set([undefined]));
  assert.equal((await api.query.clock.closed()).count.toNumber(), 0);

  const work = await answerTogether(chain);
  const due = await readDue(api, work.id);
  await apply();
  await events.find('system', 'CodeUpdated');
  await waitFor('runtime of the next version', UPGRADE_SECONDS, async () => (await readVersion(api)) === version + 1);

  // Events of the block in between can't be decoded by a client that is just changing its metadata, so storage tells.
  const fresh = await connect(node.url);
  assert.equal(fresh.runtimeVersion.specVersion.toNumber(), version + 1);
  await waitFor('end of the migration', UPGRADE_SECONDS, async () => (await fresh.query.multiBlockMigrations.historic.entries()).length === 2);
  assert.equal((await fresh.query.multiBlockMigrations.cursor()).isNone, true);
  const [migrated, operating] = await readVersions(fresh);
  assert.deepEqual(migrated, [...jobs, 1].fill(1), 'no job is lost');
  assert.deepEqual(operating, registered.fill(1), 'no operator is lost');
  const closed = (await fresh.query.clock.closed()).count.toNumber();
  assert.ok(closed >= 3, `the migration took ${closed} blocks`);
  assert.equal(await readDue(fresh, work.id), due, 'the deadline stands, in open blocks');
  chain.api = fresh;
  await settleTogether(chain, work);
  await workTogether(chain);
  assert.ok((await readVersions(fresh))[0].includes(2), 'new jobs have the new layout');
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
