// SPDX-License-Identifier: Apache-2.0
// Work by hand: the test holds the hot keys of all operators and answers a job in their names.
import assert from 'node:assert/strict';
import { u8aToHex } from '@polkadot/util';
import { devKey, findEvent, send, sendTogether } from '../../harness/chain.mjs';
import { answerId, attestation, headerRoot, outputHash, sealed } from '../../harness/commitment.mjs';
import { greedy, submit, waitForState } from '../../harness/jobs.mjs';
import { waitFor } from '../../harness/wait.mjs';
import { all, waitForEpoch } from './chain.mjs';

/** Has a job with a new prompt answered by one operator and audited by the two others, which credits all three of them. */
export async function workTogether(chain) {
  await settleTogether(chain, await answerTogether(chain));
}

/** Has a job with a new prompt answered by one operator, and gives what it takes to settle it, once the two others are drawn as auditors. */
export async function answerTogether({ api, model, operators, hot }) {
  const requester = await devKey('//Alice');
  const prompt = `Hello ${await api.query.jobs.nextJob()}`;
  const id = await submit(api, requester, model, prompt, greedy(4));
  const { executor: address } = await waitForState(api, id, ['Assigned'], 60);
  const executor = operators.findIndex((operator) => operator.address === address);
  const auditors = operators.map((_, index) => index).filter((index) => index !== executor);

  const output = ' world';
  const seal = new Uint8Array(32).fill(7);
  const outcome = { Completed: 'Length' };
  const job = (await api.query.jobs.jobs(id)).unwrap();
  const header = { answerId: answerId(id, job), promptTokens: 1, outcome, outputHash: outputHash(output), outputTokens: 4, leaves: u8aToHex(seal) };
  const root = headerRoot(api, header);
  await send(api, api.tx.jobs.submitResult(id, output, 1, 4, outcome, sealed(seal, root)), hot[executor]);
  await waitFor('draw of both auditors', 60, async () => {
    const audit = await api.query.audits.audits(id);
    return audit.isSome && audit.unwrap().auditors.length === auditors.length;
  });
  return { id, executor, auditors, seal, header, root };
}

/** Has the two others attest what `answerTogether` answered, and its executor reveal it. */
export async function settleTogether({ api, operators, hot }, { id, executor, auditors, seal, header, root }) {
  await all(sendTogether(api, auditors.map((index) => [api.tx.audits.attest(id, attestation(operators[index], root)), hot[index]])));
  const { events } = await send(api, api.tx.jobs.reveal(id, u8aToHex(seal), header), hot[executor]);
  assert.ok(findEvent(events, 'jobs', 'Settled'), 'the job is settled');
  const credited = events.filter(({ section, method }) => section === 'contributions' && method === 'Credited');
  assert.deepEqual(new Set(credited.map(({ data }) => data.operator.toString())), new Set(operators.map((operator) => operator.address)));
}

/** Has the operators work in one epoch after the other until the chain is open. */
export async function openChain(chain) {
  const { api } = chain;
  while (!(await api.query.rankedCollective.opened()).isTrue) {
    const epoch = await api.query.session.currentIndex();
    await workTogether(chain);
    await waitForEpoch(api, epoch.toNumber() + 1);
  }
}
