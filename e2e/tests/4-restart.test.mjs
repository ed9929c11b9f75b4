// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { greedy, readJob, readResults, submit, waitForState } from '../harness/jobs.mjs';
import { temporaryFolder } from '../harness/process.mjs';
import { timeout, useDevChain } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';
import { startWorkers } from '../harness/worker.mjs';

const chain = useDevChain({ args: ['--dev', '--base-path', temporaryFolder('base')] });

test('a restart of the node and of all workers loses no job and answers none twice', { timeout }, async () => {
  const { api, node, model, requester } = chain;
  const workers = await startWorkers(api, [1, 2].map((number) => ({ name: `${number}`, number, node: node.url })));
  const jobs = [];
  for (const start of [1, 11, 21]) jobs.push(await submit(api, requester, model, `${start}, ${start + 1}, ${start + 2},`, greedy(12)));
  await waitForState(api, jobs[0], ['Answered', 'Auditing'], 90);
  jobs.push(await submit(api, requester, model, '31, 32, 33,', greedy(12)));

  await Promise.all(workers.map(({ process }) => process.kill()));
  await api.disconnect();
  chain.node = await node.restart();
  await chain.connect();
  workers.forEach((worker) => worker.start());

  await waitFor('settlement of every job', 200, async () => {
    const states = await Promise.all(jobs.map(async (id) => (await readJob(chain.api, id)).state));
    return states.every((state) => state === 'Settled');
  });
  for (const id of jobs) {
    const { missed, credited } = await readJob(chain.api, id);
    assert.deepEqual(missed, [], 'nobody missed a deadline');
    assert.ok(credited > 0);
  }
  assert.deepEqual(await readResults(chain.api), Object.fromEntries(jobs.map((id) => [id, ['ok']])), 'one result each, and the chain refused none');
});
