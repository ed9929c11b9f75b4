// SPDX-License-Identifier: Apache-2.0
// The client of the tutorial (docs/src/tutorial/demo.md), as it stands there.
import assert from 'node:assert/strict';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { devKey, send } from '../harness/chain.mjs';
import { run, temporaryFolder } from '../harness/process.mjs';
import { timeout, useDevChain } from '../harness/test.mjs';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const chain = useDevChain({}, async ({ api, model }) => {
  await send(api, api.tx.workers.register((await devKey('//Worker1//hot')).address, '', [model]), await devKey('//Worker1'));
});

/** Runs the tutorial's program on a prompt. */
async function ask(prompt) {
  const folder = temporaryFolder('tutorial');
  symlinkSync(path('../node_modules'), join(folder, 'node_modules'));
  const [, program] = /```js\n([^]*?)```/.exec(readFileSync(path('../../docs/src/tutorial/demo.md'), 'utf8'));
  writeFileSync(join(folder, 'ask.mjs'), program.replaceAll('ws://127.0.0.1:9944', chain.node.url).replaceAll("'prompt.txt'", `'${join(folder, 'prompt.txt')}'`));
  writeFileSync(join(folder, 'prompt.txt'), prompt);
  return run(process.execPath, [join(folder, 'ask.mjs')]);
}

test('a prompt that looks like hex reaches the chain as the text that it is', { timeout }, async () => {
  for (const [id, prompt] of ['0x48656c6c6f', 'What is the capital of France?'].entries()) {
    const { exitCode, output } = await ask(prompt);
    assert.equal(exitCode, 0, output);
    assert.match(output, /^Submitted /m);
    const input = (await chain.api.query.jobs.inputs(id)).unwrap();
    assert.equal(Buffer.from(input.asText.toU8a(true)).toString(), prompt);
  }
});

test('a refusal ends the program of the tutorial with its reason', { timeout }, async () => {
  const { exitCode, output } = await ask('');
  assert.equal(exitCode, 1, output);
  assert.match(output, /^EmptyPrompt$/m);
});

test('what JSON-RPC tells, a stock client can ask the runtime', { timeout }, async () => {
  const { api, node, model, requester } = chain;
  const { address } = requester;
  const at = await node.rpc('chain_getBlockHash');
  const { computeApi } = (await api.at(at)).call;
  const quota = await node.rpc('compute_quota', address, at);
  const asked = await computeApi.quota(address);
  assert.deepEqual([asked.points.toNumber(), asked.capacity.toNumber()], [quota.points, quota.capacity]);
  assert.deepEqual((await computeApi.models()).map(({ id }) => id.toHex()), [model]);
  assert.equal((await computeApi.voteWeight(address)).total.toNumber(), (await node.rpc('compute_voteWeight', address, at)).total);
});
