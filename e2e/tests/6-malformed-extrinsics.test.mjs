// SPDX-License-Identifier: Apache-2.0
// No worker runs here: the test holds the keys of two operators itself, so that it can misbehave in their name.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { u8aToHex } from '@polkadot/util';
import { devKey, send, sendTogether } from '../harness/chain.mjs';
import { answerId, attestation, headerRoot, outputHash, sealed } from '../harness/commitment.mjs';
import { greedy, readJob, submission, submit, waitForState } from '../harness/jobs.mjs';
import { timeout, useDevChain } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';

const KIB = 1024;
const operators = {};
const chain = useDevChain({}, async ({ api, model }) => {
  const register = async (number) => {
    const operator = await devKey(`//Worker${number}`);
    const hot = await devKey(`//Worker${number}//hot`);
    await send(api, api.tx.workers.register(hot.address, '', [model]), operator);
    operators[operator.address] = { operator, hot };
  };
  await Promise.all([register(1), register(2)]);
});

// Whatever was sent, the node goes on.
afterEach(async () => {
  const best = await chain.node.bestNumber();
  await waitFor('another block', 30, async () => (await chain.node.bestNumber()) > best);
});

/** Sends each `[extrinsic, signer, name]` and expects that it fails with the error of that name. */
async function refused(attempts) {
  const outcomes = await sendTogether(chain.api, attempts);
  assert.deepEqual(outcomes.map(({ reason }) => reason?.name), attempts.map(([, , name]) => name));
}

test('a malformed request gets its own error and makes no job', { timeout }, async () => {
  const { api, model, requester } = chain;
  const next = (await api.query.jobs.nextJob()).toNumber();
  const unknown = `0x${'11'.repeat(32)}`;
  const by = (change) => submission(api, model, 'Hello', { ...greedy(4), ...change });
  await refused([
    [submission(api, model, 'x'.repeat(16 * KIB + 1), greedy(4)), requester, 'jobs.PromptTooLong'],
    [submission(api, unknown, 'Hello', greedy(4)), requester, 'jobs.UnknownModel'],
    [submission(api, model, '', greedy(4)), requester, 'jobs.EmptyPrompt'],
    [by({ maxTokens: 0 }), requester, 'jobs.MaxTokensOutOfRange'],
    [by({ topK: 65 }), requester, 'jobs.TopKOutOfRange'],
    [by({ topPMilli: 1001 }), requester, 'jobs.TopPOutOfRange'],
    [by({ stop: [''] }), requester, 'jobs.EmptyStopString'],
  ]);
  assert.equal((await api.query.jobs.nextJob()).toNumber(), next);
});

test('an extrinsic that does not decode is refused, and the answer says so', { timeout }, async () => {
  const { api, node, model, requester } = chain;
  const signed = await submission(api, model, 'Hello', greedy(4)).signAsync(requester);
  const bytes = signed.toU8a(true);
  const submitBytes = (inner) => node.rpc('author_submitExtrinsic', u8aToHex(api.createType('Bytes', u8aToHex(inner)).toU8a()));
  // The node takes what is inside for mere bytes; the runtime refuses it and says why.
  const runtimeRefuses = /1002: .*Bad input data provided to validate_transaction: Codec error/s;
  await assert.rejects(submitBytes(bytes.slice(0, -3)), runtimeRefuses);
  const tooWide = await submission(api, model, 'x'.repeat(64 * KIB + 1), greedy(4)).signAsync(requester);
  await assert.rejects(submitBytes(tooWide.toU8a(true)), runtimeRefuses);
  // Its length prefix promises more than there is.
  await assert.rejects(node.rpc('author_submitExtrinsic', u8aToHex(signed.toU8a().slice(0, -3))), /1040: .*Not enough data/s);
  assert.equal((await node.rpc('author_pendingExtrinsics')).length, 0);
});

test('an account that nobody sponsors can not send, and is told that the chain does not know it', { timeout }, async () => {
  const stranger = await devKey('//Stranger');
  const signed = await submission(chain.api, chain.model, 'Hello', greedy(4)).signAsync(stranger);
  await assert.rejects(chain.node.rpc('author_submitExtrinsic', signed.toHex()), /1010: Invalid Transaction: .*Custom error: 2/);
});

test('an account is told what a job will cost, and pays as much', { timeout }, async () => {
  const { api, node, model } = chain;
  const requester = await devKey('//Worker9');
  const before = await node.rpc('compute_quota', requester.address);
  assert.deepEqual([before.class, before.points, before.units], ['Genesis', before.capacity, before.units_capacity]);
  const transaction = submission(api, model, 'Hello', greedy(4));
  const job = await node.rpc('compute_estimate', { model, prompt_bytes: 5, max_tokens: 4 });
  await transaction.signAsync(requester);
  const estimate = await node.rpc('compute_estimate', transaction.toHex());
  assert.equal(estimate.units, job.units);
  assert.ok(estimate.units > 0 && estimate.points <= job.points && estimate.points > job.points - 50);
  const { blockHash, events } = await send(api, submission(api, model, 'Hello', greedy(4)), requester);
  const after = await node.rpc('compute_quota', requester.address, blockHash);
  assert.equal(after.points, after.capacity - estimate.points);
  assert.equal(after.units, after.units_capacity - estimate.units);
  const { data } = events.find(({ method }) => method === 'Submitted');
  await send(api, api.tx.jobs.cancel(data.job), requester);
});

test('a malformed question to the JSON-RPC is refused, and what does not exist is null', { timeout }, async () => {
  const { node, model } = chain;
  await assert.rejects(node.rpc('compute_job', 'seven'), /-32602/);
  await assert.rejects(node.rpc('compute_quota', '5Nonsense'), /-32602/);
  await assert.rejects(node.rpc('compute_estimate', { model, max_tokens: 4 }), /-32602/);
  await assert.rejects(node.rpc('compute_estimate', 'a job'), /-32602/);
  await assert.rejects(node.rpc('compute_worker', '5Nonsense'), /-32602/);
  assert.equal(await node.rpc('compute_job', 4_000_000), null);
  assert.equal(await node.rpc('compute_estimate', { model, prompt_bytes: 2 ** 32 - 1, max_tokens: 4 }), null);
  assert.equal(await node.rpc('compute_estimate', '0x1234'), null);
});

test('wrong callers, a second result and a reveal that does not fit change nothing, then the job settles', { timeout }, async () => {
  const { api, node, model, requester } = chain;
  const id = await submit(api, requester, model, 'Hello', greedy(4));
  const { executor: address } = await waitForState(api, id, ['Assigned'], 60);
  const executor = operators[address];
  const auditor = Object.values(operators).find(({ operator }) => operator.address !== address);
  const read = async () => (await api.query.jobs.jobs(id)).toHex();
  /** Expects each refusal and that the job is the same after all of them. */
  const unchanged = async (...attempts) => {
    const job = await read();
    await refused(attempts);
    assert.equal(await read(), job);
  };

  // An answer as the specification describes it; what the model would have said is not checked before the audit.
  const output = ' world';
  const seal = new Uint8Array(32).fill(7);
  const outcome = { Completed: 'Length' };
  const job = (await api.query.jobs.jobs(id)).unwrap();
  const header = { answerId: answerId(id, job), promptTokens: 1, outcome, outputHash: outputHash(output), outputTokens: 4, leaves: u8aToHex(seal) };
  const root = headerRoot(api, header);
  const result = (tokens = 4) => api.tx.jobs.submitResult(id, output, 1, tokens, outcome, sealed(seal, root));
  const reveal = (withSeal = seal, withHeader = header) => api.tx.jobs.reveal(id, u8aToHex(withSeal), withHeader);
  const attest = () => api.tx.audits.attest(id, attestation(auditor.operator, root));

  await unchanged(
    [result(), requester, 'jobs.NotAWorker'],
    [result(), auditor.hot, 'jobs.NotAssignedToYou'],
    [result(5), executor.hot, 'jobs.OutputTokensOutOfRange'],
    [reveal(), executor.hot, 'jobs.WrongState'],
    [attest(), auditor.hot, 'audits.UnknownAudit'],
    [api.tx.jobs.cancel(id), auditor.hot, 'jobs.NotRequester'],
    [api.tx.jobs.cancel(id + 1), requester, 'jobs.UnknownJob'],
  );
  await send(api, result(), executor.hot);
  await waitForState(api, id, ['Auditing'], 60);
  await unchanged(
    [result(), executor.hot, 'jobs.AlreadyAnswered'],
    [reveal(), executor.hot, 'jobs.TooEarly'],
    [api.tx.jobs.cancel(id), requester, 'jobs.TooLateToCancel'],
    [attest(), executor.hot, 'audits.NotDrawn'],
    [attest(), requester, 'audits.NotAWorker'],
  );
  await send(api, attest(), auditor.hot);
  await unchanged(
    [attest(), auditor.hot, 'audits.AlreadyAttested'],
    [reveal(new Uint8Array(32)), executor.hot, 'jobs.RevealDoesNotFitSeal'],
    [reveal(seal, { ...header, promptTokens: 2 }), executor.hot, 'jobs.RevealDoesNotFitSeal'],
    [reveal(), auditor.hot, 'jobs.NotAssignedToYou'],
  );
  await send(api, reveal(), executor.hot);
  assert.equal((await readJob(api, id)).state, 'Settled');
  assert.equal((await node.rpc('compute_job', id)).answer.root, u8aToHex(root), 'this root was computed by polkadot.js alone');
});
