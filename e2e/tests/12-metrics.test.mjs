// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { devKey, send } from '../harness/chain.mjs';
import { greedy, submit } from '../harness/jobs.mjs';
import { timeout, useDevChain } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';

const ALERTS = new URL('../../node/packaging/alerts.yml', import.meta.url);
const chain = useDevChain({ args: ['--dev', '--tmp', '--prometheus-port', '0'] });

/** The value of a metric with these labels; undefined if there is none. */
async function read(name, labels = {}) {
  const fits = (line) => line.startsWith(`${name}{`) && Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`));
  const line = (await chain.node.metrics()).split('\n').find(fits);
  return line && Number(line.slice(line.lastIndexOf(' ')));
}

const becomes = (value, name, labels) => waitFor(`${name} ${JSON.stringify(labels ?? {})} = ${value}`, 90, async () => (await read(name, labels)) === value);

test('metrics follow models, jobs, the epoch and what the pool refuses', { timeout }, async () => {
  const { api, model, requester, node } = chain;
  const submitted = { pallet: 'Jobs', event: 'Submitted' };
  await becomes(0, 'ergon_events_total', submitted);
  await becomes(0, 'ergon_model_operators', { model });
  await becomes(0, 'ergon_model_queued_jobs', { model });

  const operator = await devKey('//Worker1');
  await send(api, api.tx.workers.register((await devKey('//Worker1//hot')).address, '', [model]), operator);
  await becomes(1, 'ergon_model_operators', { model });
  await becomes(1, 'ergon_events_total', { pallet: 'Workers', event: 'Registered' });

  const queued = becomes(1, 'ergon_model_queued_jobs', { model });
  await submit(api, requester, model, 'Hello', greedy(4));
  await queued;
  await becomes(1, 'ergon_events_total', submitted);
  await becomes(0, 'ergon_unread_blocks_total');

  // The nonce is used up.
  await assert.rejects(send(api, api.tx.system.remark('0x'), requester, { nonce: 0 }));
  await becomes(1, 'ergon_refused_transactions_total', { reason: 'Stale' });

  await waitFor('the next epoch', 120, async () => (await read('ergon_epoch')) >= 1);
  const { epoch, total } = await node.rpc('compute_voteWeight', operator.address);
  await becomes(epoch, 'ergon_epoch');
  await becomes(total, 'ergon_vote_weight');
});

test('alert rules ask for metrics that a validator has', { timeout }, async () => {
  const rules = readFileSync(ALERTS, 'utf8');
  const expressions = [...rules.matchAll(/^\s+expr: (.*)$/gm)].map(([, expression]) => expression);
  assert.ok(expressions.length > 5 && expressions.length === [...rules.matchAll(/- alert:/g)].length);
  for (const expression of expressions) {
    const asked = [...expression.matchAll(/\b((?:ergon|substrate)_\w+)(?:\{([^}]*)\})?/g)];
    // Prometheus itself makes `up`.
    assert.ok(asked.length || expression === 'up{job="ergon-node"} == 0', expression);
    for (const [, name, selector = ''] of asked) {
      const labels = Object.fromEntries([...selector.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, value]) => [label, value]));
      assert.notEqual(await read(name, labels), undefined, `${name} ${JSON.stringify(labels)} of: ${expression}`);
    }
  }
});
