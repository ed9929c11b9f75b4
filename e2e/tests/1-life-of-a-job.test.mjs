// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { send, sendAll } from '../harness/chain.mjs';
import { greedy, readJob, readOutput, readResults, submission, submit, waitForState, waitForWeight } from '../harness/jobs.mjs';
import { timeout, useDevChain } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';
import { startWorkers, wgpuAdapter } from '../harness/worker.mjs';

const chain = useDevChain();

test('a wgpu worker and a cpu worker agree on an answer, and the job settles', { timeout }, async () => {
  const { api, node, model, requester } = chain;
  const adapter = await wgpuAdapter();
  chain.workers = await startWorkers(api, [
    { name: 'wgpu', number: 1, node: node.url, backend: 'wgpu', adapter },
    { name: 'cpu', number: 2, node: node.url },
  ]);
  const id = await submit(api, requester, model, '1, 2, 3, 4, 5,', greedy(16));
  const job = await waitForState(api, id, ['Settled'], 180);
  assert.equal(await readOutput(api, id), ' 6, 7, 8, 9, 10,');
  assert.ok(job.credited > 0);
  assert.ok(chain.workers.some(({ operator }) => operator.address === job.executor));
  const { answer } = await node.rpc('compute_job', id);
  assert.notEqual(answer.root, null, 'the commitment is revealed');
  chain.executor = job.executor;
});

test('60 queued jobs over 3 workers are answered once each, settle and earn units', { timeout }, async () => {
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
  const ids = Array.from({ length: 60 }, (_, i) => first + i);
  let jobs;
  const open = () => jobs.filter(({ state }) => state !== 'Settled').length;
  const settled = async () => {
    jobs = await Promise.all(ids.map((id) => readJob(api, id)));
    return open() === 0;
  };
  await waitFor('settlement of 60 jobs', 280, settled, { every: 1_000, note: () => `${open()} are open` });
  assert.ok(jobs.every(({ credited }) => credited > 0), 'every job earned units');
  assert.equal(new Set(jobs.map(({ executor }) => executor)).size, 3, 'every worker executed some');
  const results = await readResults(api);
  ids.forEach((id, i) => {
    const refused = results[id].filter((outcome) => outcome !== 'ok');
    assert.equal(results[id].length - refused.length, 1, `job ${id} was answered once`);
    // On a starved machine an executor may come after its deadline; nothing else is refused.
    assert.deepEqual(refused, refused.slice(0, jobs[i].missed.length).fill('jobs.NotAssignedToYou'), `job ${id}`);
  });
});

test('units of settled jobs become vote weight when the epoch closes', { timeout }, async () => {
  await waitForWeight(chain.node, chain.executor, 120);
});
