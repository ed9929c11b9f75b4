// SPDX-License-Identifier: Apache-2.0
// Three keys that nobody knows join by tickets, with no model at all. They send jobs to themselves, invent the answers, and attest each other's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { greedy, readJob, submit } from '../harness/jobs.mjs';
import { timeout, useDevChain } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';
import { joinByTicket, Sybil } from './harness/sybil.mjs';

const chain = useDevChain();
const JOBS = 3;

test('keys that check each other gain no vote weight and come to no end of their probation', { timeout }, async () => {
  const { api, node, model } = chain;
  const [answers, workers] = [new Map(), []];
  for (const number of [1, 2, 3]) workers.push(await joinByTicket(api, node, `//Evil//${number}`));
  const sybils = workers.map((worker) => new Sybil(api, worker, answers));
  const before = await Promise.all(workers.map(({ operator }) => node.rpc('compute_worker', operator.address)));

  const ids = [];
  let last = 0;
  await waitFor('the end of all jobs, and of the epoch after', 300, async () => {
    const block = await node.bestNumber();
    if (block === last) return false;
    last = block;
    // As many as its quota allows.
    if (ids.length < JOBS) {
      const prompt = `${ids.length} ${'a'.repeat(2_000)}`;
      await submit(api, workers[0].operator, model, prompt, greedy(256)).then((id) => ids.push(id), () => {});
    }
    for (const sybil of sybils) await sybil.step();
    const jobs = await Promise.all(ids.map((id) => readJob(api, id)));
    return ids.length === JOBS && jobs.every(({ state }) => !['Queued', 'Assigned', 'Answered', 'Auditing'].includes(state));
  });
  for (const id of ids) {
    const { state, credited } = await readJob(api, id);
    // Voided where the executor has used up what it may send.
    assert.ok(['Unaudited', 'Voided'].includes(state), state);
    assert.equal(credited, 0);
  }
  const epoch = (await api.query.session.currentIndex()).toNumber();
  await waitFor('the next epoch', 120, async () => (await api.query.session.currentIndex()).toNumber() > epoch);
  for (const [index, { operator }] of workers.entries()) {
    const { weight, total } = await node.rpc('compute_voteWeight', operator.address);
    assert.deepEqual([weight, total], [0, 0]);
    const { probation } = await node.rpc('compute_worker', operator.address);
    assert.equal(probation, before[index].probation);
  }
});
