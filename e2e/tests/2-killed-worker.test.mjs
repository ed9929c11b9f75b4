// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { greedy, readOutput, submit, waitForState } from '../harness/jobs.mjs';
import { timeout, useDevChain } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';
import { startWorkers } from '../harness/worker.mjs';

const chain = useDevChain();

test('a job whose worker is killed goes to another one, and the revived worker audits it', { timeout }, async () => {
  const { api, node, model, requester } = chain;
  const workers = await startWorkers(api, [1, 2].map((number) => ({ name: `${number}`, number, node: node.url })));
  const id = await submit(api, requester, model, '1, 2, 3, 4, 5,', greedy(40));
  const { executor } = await waitForState(api, id, ['Assigned'], 60);
  const victim = workers.find(({ operator }) => operator.address === executor);
  await waitFor('start of the execution', 60, () => victim.process.find(/computing\b.*execution/), { every: 20 });
  await victim.process.kill();
  assert.equal(victim.process.find(/\bcomputed\b/), undefined, 'it was killed before it had the answer');
  await waitForState(api, id, ['Queued'], 150);
  victim.start();
  const job = await waitForState(api, id, ['Settled'], 180);
  assert.deepEqual(job.missed, [executor]);
  assert.notEqual(job.executor, executor);
  assert.ok(job.credited > 0);
  assert.match(await readOutput(api, id), /^ 6, 7, 8, 9, 10, 11,/);
});
