// SPDX-License-Identifier: Apache-2.0
// The runtime of a public network, on a chain of one node.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { hexToU8a, u8aToHex } from '@polkadot/util';
import { connect } from '../harness/chain.mjs';
import { findModel } from '../harness/models.mjs';
import { startNode } from '../harness/node.mjs';
import { readParameter } from '../harness/parameters.mjs';
import { stopAll } from '../harness/process.mjs';
import { productionRuntime } from '../harness/settings.mjs';
import { timeout } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';
import { writeSpec } from './harness/spec.mjs';

const HOURS = 3_600;

let node;
let api;
before(async () => {
  const spec = await writeSpec({}, readFileSync(productionRuntime()));
  node = await startNode({ args: ['--dev', '--chain', spec] });
  api = await connect(node.url);
});
after(stopAll);

const tracks = () => api.consts.rankedPolls.tracks.map(([, track]) => track);
const seconds = (blocks) => (blocks.toNumber() * api.consts.babe.expectedBlockTime.toNumber()) / 1_000;

test('nobody is above the vote: there is no sudo, and the chain goes on', { timeout }, async () => {
  const pallets = api.runtimeMetadata.asLatest.pallets.map(({ name }) => name.toString());
  assert.ok(pallets.includes('RankedPolls') && !pallets.includes('Sudo'), pallets.join(' '));
  await waitFor('finality of block 2', 120, async () => (await node.finalizedNumber()) >= 2);
});

test('no genesis preset has keys that everybody knows, and the one that there is can\'t begin a network without keys', { timeout }, async () => {
  const call = async (method, type, argument) => api.createType(type, hexToU8a(await node.rpc('state_call', `GenesisBuilder_${method}`, argument)));
  const preset = (name) => call('get_preset', 'Option<Bytes>', u8aToHex(api.createType('Option<Text>', name).toU8a()));
  const names = await call('preset_names', 'Vec<Text>', '0x');
  assert.deepEqual(names.map(String), ['public']);
  for (const name of ['development', 'local_testnet']) assert.ok((await preset(name)).isNone, name);
  const genesis = JSON.parse((await preset('public')).unwrap().toUtf8());
  assert.deepEqual([genesis.session.keys, genesis.workers.sponsored, genesis.quota.lines], [[], [], []]);
});

test('a poll is open for a day, and the chain opens when twelve operators have worked for a week', { timeout }, async () => {
  for (const { preparePeriod, decisionPeriod } of tracks()) {
    assert.deepEqual([preparePeriod, decisionPeriod].map((period) => seconds(period) / HOURS), [1, 24]);
  }
  const { openingMembers, openingEpochs } = api.consts.rankedCollective;
  const epoch = api.consts.babe.epochDuration.toNumber() * api.consts.babe.expectedBlockTime.toNumber();
  assert.deepEqual([openingMembers.toNumber(), (openingEpochs.toNumber() * epoch) / 86_400_000], [12, 7]);
});

test('enactment takes longer than the audit of the longest job', { timeout }, async () => {
  const { id } = await findModel(node);
  const { manifest, prices, tokensPerBlock } = (await api.query.models.models(id)).unwrap();
  const context = manifest.dimensions.context.toNumber();
  const estimates = [1, context / 2, context - 1].map((tokens) =>
    node.rpc('compute_estimate', { model: id, prompt_bytes: context - tokens, max_tokens: tokens }),
  );
  const units = Math.max(...(await Promise.all(estimates)).map((estimate) => estimate?.units ?? 0));
  const [jobs, audits] = await Promise.all(['Jobs', 'Audits'].map((name) => readParameter(api, name)));
  const rounds = audits.maxRedraws.toNumber() + 1;
  const rate = (tokensPerBlock.toNumber() * prices.outputToken.toNumber()) / 1e6;
  const deadline = jobs.deadlineMargin.toNumber() + 2 * Math.ceil(units / rate);
  const longest = jobs.auditTimeout.toNumber() + rounds * deadline + deadline;
  assert.ok(longest > 1_000, `a job of ${units} units takes ${longest} blocks`);
  for (const { minEnactmentPeriod } of tracks()) assert.ok(minEnactmentPeriod.toNumber() > longest, `${minEnactmentPeriod} of ${longest} blocks`);
});
