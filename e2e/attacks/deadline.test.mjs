// SPDX-License-Identifier: Apache-2.0
// An executor claims that a long prompt took one token, so that its honest auditor has no time for the computation.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { devKey, send } from '../harness/chain.mjs';
import { greedy, readJob, submit, waitForState } from '../harness/jobs.mjs';
import { timeout, useDevChain } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';
import { startWorkers } from '../harness/worker.mjs';
import { Sybil } from './harness/sybil.mjs';

const chain = useDevChain();
/** What a prompt of two thousand bytes with 256 tokens more may take at the model's rate, at least. */
const LEAST_BLOCKS = 12;

test('an executor that claims little neither shortens its auditor\'s time nor has a wrong answer settled', { timeout }, async () => {
  const { api, node, model, requester } = chain;
  const [honest] = await startWorkers(api, [{ name: 'honest', number: 1, node: node.url }]);
  const [operator, hot] = await Promise.all(['//Worker2', '//Worker2//hot'].map(devKey));
  await send(api, api.tx.workers.register(hot.address, '', [model]), operator);
  const sybil = new Sybil(api, { operator, hot }, new Map(), () => ({ promptTokens: 1, outputTokens: 1, output: 'x' }));

  for (let number = 0; ; number++) {
    const prompt = `${number}. ${'Once upon a time there was a chain. '.repeat(56)}`;
    const id = await submit(api, requester, model, prompt, greedy(256));
    const { executor } = await waitForState(api, id, ['Assigned'], 60);
    if (executor === honest.operator.address) {
      await send(api, api.tx.jobs.cancel(id), requester);
      continue;
    }
    await waitFor('the audit', 60, async () => {
      await sybil.step();
      return (await readJob(api, id)).state === 'Auditing';
    });
    const { since, due } = (await api.query.jobs.jobs(id)).unwrap();
    assert.ok(due.unwrap().toNumber() - since.toNumber() > 2 * LEAST_BLOCKS, `block ${due} for an audit that began in block ${since}`);
    const job = await waitFor('the end of the job', 300, async () => {
      await sybil.step();
      const now = await readJob(api, id);
      return now.state !== 'Auditing' && now;
    });
    assert.deepEqual([job.state, job.credited], ['Disputed', 0]);
    break;
  }
  const { status, missed } = await node.rpc('compute_worker', honest.operator.address);
  assert.deepEqual([status, missed], ['Active', 0]);
});
