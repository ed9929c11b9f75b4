// SPDX-License-Identifier: Apache-2.0
// Jobs as a requester sees them.
import { stringToHex } from '@polkadot/util';
import { findEvent, findExtrinsics, send } from './chain.mjs';
import { HarnessError, waitFor } from './wait.mjs';

/** States that a job never leaves, but for being pruned. */
const FINAL = ['Settled', 'Rejected', 'Unaudited', 'Expired', 'Disputed', 'Voided', 'Cancelled'];

/** Greedy decoding of at most `maxTokens` tokens. */
export const greedy = (maxTokens) => ({ maxTokens, temperatureMilli: 0, topK: 1, topPMilli: 1000, stop: [] });

/** The extrinsic that asks `model` to continue `prompt`. */
export const submission = (api, model, prompt, settings, seed = null) =>
  api.tx.jobs.submit(model, { Text: stringToHex(prompt) }, settings, seed);

/** Submits a job and gives its number. */
export async function submit(api, signer, ...request) {
  const { events } = await send(api, submission(api, ...request), signer);
  return findEvent(events, 'jobs', 'Submitted').data.job.toNumber();
}

/** The job as it stands in the newest block. */
export async function readJob(api, id) {
  const job = await api.query.jobs.jobs(id);
  if (job.isNone) return undefined;
  const { state, executor, missed, credited } = job.unwrap();
  return {
    state: state.type,
    executor: executor.isSome ? executor.unwrap().toString() : undefined,
    missed: missed.map(String),
    credited: credited.toNumber(),
  };
}

/** The output, as text, once there is one. */
export async function readOutput(api, id) {
  const output = await api.query.jobs.outputs(id);
  return output.isSome ? Buffer.from(output.unwrap().toU8a(true)).toString('utf8') : undefined;
}

/** Waits until the job is in one of `states` and gives the job; ends at once when it has come to rest in another one. */
export async function waitForState(api, id, states, seconds) {
  let job;
  return waitFor(
    `${states.join(' or ')} of job ${id}`,
    seconds,
    async () => {
      job = await readJob(api, id);
      if (job && !states.includes(job.state) && FINAL.includes(job.state)) throw new HarnessError(`job ${id} is ${job.state}, not ${states.join(' or ')}`);
      return job && states.includes(job.state) ? job : undefined;
    },
    { note: () => `it is ${job?.state}` },
  );
}

/** Waits until the operator has vote weight, which it has after the epoch in which it was credited units, and gives the weight. */
export const waitForWeight = (node, operator, seconds) =>
  waitFor(`vote weight of ${operator}`, seconds, async () => {
    const { weight } = await node.rpc('compute_voteWeight', operator);
    return weight > 0 && weight;
  });

/** Job by job, what became of each result for it in the chain's blocks: `{ 7: ['ok'] }` has one, and the chain took it. */
export async function readResults(api) {
  const results = {};
  for (const { args, outcome } of await findExtrinsics(api, 'jobs', 'submitResult')) (results[args[0].toNumber()] ??= []).push(outcome);
  return results;
}
