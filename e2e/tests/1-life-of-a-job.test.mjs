// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { send, sendAll } from '../harness/chain.mjs';
import { greedy, readJob, readOutput, submission, submit, waitForState, waitForWeight } from '../harness/jobs.mjs';
import { timeout, useDevChain } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';
import { startWorkers, wgpuAdapter } from '../harness/worker.mjs';

const chain = useDevChain();

test('a wgpu worker and a cpu worker agree on an answer, and the executor earns weight', { timeout }, async () => {
  const { api, node, model, requester } = chain;
  const adapter = await wgpuAdapter();
  chain.workers = await startWorkers(api, [
    { name: 'wgpu', number: 1, node: node.url, backend: 'wgpu', adapter },
    { name: 'cpu', number: 2, node: node.url },
  ]);
  const id = await submit(api, requester, model, '1, 2, 3, 4, 5,', greedy(16));
  const job = await waitForState(api, id, ['Settled'], 180);
  assert.equal(await readOutput(api, id), ' 6, 7, 8, 9, 10,');
  assert.ok(job.units > 0);
  assert.ok(chain.workers.some(({ operator }) => operator.address === job.executor));
  const { answer } = await node.rpc('compute_job', id);
  assert.notEqual(answer.root, null, 'the commitment is revealed');
  await waitForWeight(node, job.executor, 120);
});

test('60 queued jobs over 3 workers all settle and earn units', { timeout }, async () => {
  const { api, node, model, requester } = chain;
  // Software Vulkan is too slow for this many jobs on two cores.
  const [wgpu] = chain.workers;
  await send(api, api.tx.workers.drain(), wgpu.operator);
  await wgpu.process.stop();
  await startWorkers(api, [3, 4].map((number) => ({ name: `cpu${number}`, number, node: node.url })));
  const first = (await api.query.jobs.nextJob()).toNumber();
  // Different prompts, for a repeated request earns nothing.
  const requests = Array.from({ length: 60 }, (_, i) => submission(api, model, `${i}, ${i + 1},`, greedy(4)));
  await sendAll(api, requests, requester);
  await waitFor('submission of 60 jobs', 60, async () => (await api.query.jobs.nextJob()).toNumber() === first + 60);
  const open = new Set(Array.from({ length: 60 }, (_, i) => first + i));
  const settled = async () => {
    for (const id of open) {
      const job = await readJob(api, id);
      if (job.state !== 'Settled') continue;
      assert.ok(job.units > 0, `job ${id} earned nothing`);
      open.delete(id);
    }
    return open.size === 0;
  };
  await waitFor('settlement of 60 jobs', 280, settled, { every: 2_000, note: () => `${open.size} are open` });
  const executors = new Set();
  for (let id = first; id < first + 60; id++) executors.add((await readJob(api, id)).executor);
  assert.equal(executors.size, 3, 'every worker executed some');
});
