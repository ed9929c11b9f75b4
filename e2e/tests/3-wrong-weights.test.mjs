// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { copyWithFlippedWeight } from '../harness/artifact.mjs';
import { greedy, submit, waitForState } from '../harness/jobs.mjs';
import { temporaryFolder } from '../harness/process.mjs';
import { modelArtifact } from '../harness/settings.mjs';
import { timeout, useDevChain } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';
import { startWorkers, Worker } from '../harness/worker.mjs';

const chain = useDevChain();
let wrong;

test('a worker refuses an artifact with one changed weight, and says why', { timeout }, async () => {
  wrong = join(temporaryFolder('artifact'), 'wrong.ergon');
  copyWithFlippedWeight(modelArtifact(), wrong);
  const worker = await Worker.create({ name: 'wrong', number: 1, node: chain.node.url, artifact: wrong });
  const { process } = worker.start();
  process.mayEnd = true;
  await waitFor('end of the worker', 60, () => process.ending);
  assert.notEqual(process.exitCode, 0);
  assert.match(process.tail(), /layers\.0\.down\.weight .*is corrupted: its content is not what the manifest binds/);
  assert.ok((await chain.api.query.workers.operators(worker.operator.address)).isNone, 'it is not registered');
});

test('one changed weight in a worker that trusts its artifact leads to a dispute, and nobody is credited', { timeout }, async () => {
  const { api, node, model, requester } = chain;
  const workers = await startWorkers(api, [
    { name: 'wrong', number: 1, node: node.url, artifact: wrong, trustArtifact: true },
    { name: 'honest', number: 2, node: node.url },
  ]);
  const id = await submit(api, requester, model, '1, 2, 3, 4, 5,', greedy(8));
  const job = await waitForState(api, id, ['Disputed'], 180);
  assert.equal(job.credited, 0);
  for (const { operator } of workers) assert.ok((await api.query.contributions.records(operator.address)).isNone, 'no record of work');
  // The evidence stays.
  assert.ok((await api.query.jobs.headers(id)).isSome);
  assert.ok((await api.query.audits.audits(id)).isSome);
});
