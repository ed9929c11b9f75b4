// SPDX-License-Identifier: Apache-2.0
// What many calls, long ones and web pages can do by JSON-RPC.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WsProvider } from '@polkadot/api';
import { devKey } from '../harness/chain.mjs';
import { startNode } from '../harness/node.mjs';
import { beforeStop, stopAll } from '../harness/process.mjs';
import { timeout } from '../harness/test.mjs';

after(stopAll);

/** Posts a body that is no single call. */
async function post(node, body) {
  const options = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
  return (await fetch(node.url.replace('ws', 'http'), options)).json();
}

/** A batch with this many of the same call. */
const batch = (count, method, ...params) => `[${new Array(count).fill(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })).join()}]`;

test('two batches of 4.6 MB hold up nobody, even where the operator allows them', { timeout }, async () => {
  const node = await startNode({ args: ['--dev', '--tmp', '--rpc-max-batch-request-len', '1000000'] });
  const { address } = await devKey('//Alice');
  const body = batch(Math.ceil(4_600_000 / batch(1, 'compute_voteWeight', address).length), 'compute_voteWeight', address);
  let busy = 2;
  const attacks = [1, 2].map(() => post(node, body).finally(() => busy--));
  const waits = [];
  while (busy) {
    const start = performance.now();
    await node.rpc('system_health');
    waits.push(performance.now() - start);
    await sleep(50);
  }
  for (const answers of await Promise.all(attacks)) assert.ok(answers.every(({ result }) => result.total === 0), 'all calls were answered');
  assert.ok(waits.length > 3, `the batches were over after ${waits.length} questions`);
  assert.ok(Math.max(...waits) < 3_000, `system_health took up to ${Math.round(Math.max(...waits))} ms`);
});

test('a batch has at most 100 calls, and a transaction to estimate fits a block', { timeout }, async () => {
  const node = await startNode();
  assert.equal((await post(node, batch(100, 'compute_models'))).length, 100);
  const { error } = await post(node, batch(101, 'compute_models'));
  assert.match(`${error.code}: ${error.message}: ${error.data}`, /^-32010: The batch request was too large: Exceeded max limit of 100/);
  const longest = 0.75 * 5 * 2 ** 20;
  const estimate = (bytes) => node.rpc('compute_estimate', `0x${'00'.repeat(bytes)}`);
  assert.equal(await estimate(longest), null, 'these bytes are no transaction');
  await assert.rejects(estimate(longest + 1), /11003: .*fits no block/);
});

test('a web page can call no method that changes a node or its keys, but on a development chain', { timeout }, async () => {
  const key = '1'.padStart(64, '0');
  const local = await startNode({ name: 'local', args: ['--chain', 'local', '--alice', '--tmp', '--node-key', key, '--rpc-cors', 'https://example.org'] });
  const dev = await startNode({ name: 'dev' });
  // What a browser sends for a page of that origin.
  const openFrom = async (node) => {
    const page = new WsProvider(node.url, 1_000, { origin: 'https://example.com' });
    beforeStop(() => page.disconnect());
    return page.isReady;
  };
  const page = await openFrom(local);
  assert.equal(await page.send('system_chain', []), 'Ergon Local', 'WebSockets are open to any page, whatever --rpc-cors says');
  const { publicKey } = await devKey('//Mallory');
  for (const [method, ...params] of [
    ['author_insertKey', 'babe', '//Mallory', `0x${Buffer.from(publicKey).toString('hex')}`],
    ['author_rotateKeys'],
    ['system_addReservedPeer', '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'],
  ]) {
    await assert.rejects(page.send(method, params), /unsafe/i, method);
  }
  assert.match(await (await openFrom(dev)).send('author_rotateKeys', []), /^0x/);
});
