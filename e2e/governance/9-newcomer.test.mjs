// SPDX-License-Identifier: Apache-2.0
// Somebody with a new key whom nobody has sponsored comes to a chain that audits nobody but newcomers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { u8aToHex } from '@polkadot/util';
import { mnemonicGenerate } from '@polkadot/util-crypto';
import { connect, devKey, findEvent, findExtrinsics, send } from '../harness/chain.mjs';
import { greedy, submit, waitForState } from '../harness/jobs.mjs';
import { findModel } from '../harness/models.mjs';
import { startNode } from '../harness/node.mjs';
import { stopAll } from '../harness/process.mjs';
import { timeout } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';
import { startWorkers, Worker } from '../harness/worker.mjs';
import { writeSpec } from './harness/spec.mjs';

/** Answers that end a probation, so that a test can wait for them. */
const PROBATION_JOBS = 1;
/** More than enough for one of two operators to be drawn twice. */
const MOST_JOBS = 16;
const JOB_SECONDS = 180;

const chain = {};
before(async () => {
  const spec = await writeSpec({ audits: { parameters: { rate: 10_000, probationJobs: PROBATION_JOBS } } });
  chain.node = await startNode({ args: ['--dev', '--chain', spec] });
  chain.api = await connect(chain.node.url);
  chain.model = (await findModel(chain.node)).id;
  chain.requester = await devKey('//Alice');
  await startWorkers(chain.api, [{ name: 'established', number: 1, node: chain.node.url }]);
});
after(stopAll);

const read = (worker) => chain.node.rpc('compute_worker', worker.operator.address);
/** A worker whose keys are as new as those of `ergon-worker key generate`. */
const stranger = (options) => Worker.create({ node: chain.node.url, operatorUri: mnemonicGenerate(24), ...options });

/** Runs a worker that can't begin, and gives its last words. */
async function lastWords(worker) {
  const { process } = worker.start();
  process.mayEnd = true;
  await waitFor('end of the worker', 120, () => process.ending);
  assert.equal(process.exitCode, 1);
  return process.lines.at(-1);
}

test('a worker with new keys makes its ticket itself and joins without anyone\'s leave', { timeout }, async () => {
  const { api, node } = chain;
  const worker = await stranger({ name: 'newcomer' });
  assert.equal((await node.rpc('compute_quota', worker.operator.address)).class, 'Unknown');
  await worker.start().registered(api);
  const joined = await findExtrinsics(api, 'workers', 'join');
  assert.deepEqual(joined.map(({ args, outcome }) => [args[0].toString(), outcome]), [[worker.operator.address, 'ok']]);
  assert.equal((await node.rpc('compute_quota', worker.operator.address)).class, 'Newcomer');
  assert.equal((await read(worker)).probation, PROBATION_JOBS);
  await waitFor('a worker that goes on', 60, () => worker.process.find(/workers\.join.* finalized|finalized.*workers\.join/) && worker.process.find(/connected/));
  const search = worker.process.find(/the search for a ticket is over.*tries_per_second=(\d+)/);
  assert.ok(Number(search?.[1]) > 0, 'it says how the search went');
  chain.newcomer = worker;
});

/** Runs a job to its end: who executed it, how many auditors it had, and whether it ended the newcomer's probation. */
async function runJob(number) {
  const { api, model, requester, newcomer } = chain;
  const id = await submit(api, requester, model, `${number}, ${number + 1},`, greedy(4));
  const { state } = await waitForState(api, id, ['Settled', 'Unaudited'], JOB_SECONDS);
  const { executor, since, credited, answer } = (await api.query.jobs.jobs(id)).unwrap();
  const events = await (await api.at(await api.rpc.chain.getBlockHash(since))).query.system.events();
  const happened = events.map(({ event }) => event);
  const ended = findEvent(happened, 'workers', 'ProbationEnded')?.data.operator.toString() === newcomer.operator.address;
  return { mine: executor.toString() === newcomer.operator.address, auditors: answer.unwrap().matching.toNumber(), state, credited: credited.toNumber(), ended };
}

test('on probation it serves jobs and is audited, though nobody else is, until probation ends', { timeout: 2 * timeout }, async () => {
  const [its, others] = [[], []];
  for (let number = 0; number < MOST_JOBS && (its.length <= PROBATION_JOBS || !others.length); number++) {
    const job = await runJob(number);
    (job.mine ? its : others).push(job);
    const left = PROBATION_JOBS - its.length;
    assert.equal((await read(chain.newcomer)).probation, left > 0 ? left : null);
  }
  assert.deepEqual(its.map(({ auditors, ended }) => [auditors, ended]).slice(0, PROBATION_JOBS + 1), [[1, true], [0, false]]);
  assert.ok(its[0].state === 'Settled', 'an audited job settles');
  assert.ok(others.length > 0 && others.every(({ auditors, ended }) => auditors === 0 && !ended));
});

test('a worker that may make no ticket, or has a key that is somebody else\'s, says so before it searches', { timeout }, async () => {
  const unwilling = await stranger({ name: 'unwilling', more: { 'ticket-seconds': 0 } });
  assert.match(await lastWords(unwilling), /operator \w+ is not known to the chain, and ticket-seconds is 0: allow some seconds/);
  const borrowed = await stranger({ name: 'borrowed', hotUri: '//Bob' });
  assert.match(await lastWords(borrowed), /hot key \w+ was on the chain before its operator.*make a new one with `ergon-worker key generate`/);
  for (const worker of [unwilling, borrowed]) {
    assert.equal(worker.process.find(/searching for a ticket/), undefined);
    assert.equal(await read(worker), null);
  }
});

/** Sets how many tries a ticket takes on average, as sudo may on a development chain. */
async function setDifficulty(tries) {
  const { api, node, requester: sudo } = chain;
  const entry = api.query.quota.ticketDifficulty;
  // The target, the one before, and the block since when it holds.
  const record = (await entry()).toU8a();
  const view = new DataView(record.buffer, record.byteOffset);
  const target = (2n ** 64n - 1n) / BigInt(tries);
  for (const place of [0, 8]) view.setBigUint64(place, target, true);
  view.setUint32(16, await node.bestNumber(), true);
  await send(api, api.tx.sudo.sudo(api.tx.system.setStorage([[entry.key(), u8aToHex(record)]])), sudo);
}

test('a ticket that would take too long ends the worker with the time that it takes', { timeout }, async () => {
  await setDifficulty(10 ** 13);
  const worker = await stranger({ name: 'impatient', more: { 'ticket-seconds': 60 } });
  assert.match(await lastWords(worker), /a ticket takes about \d{5,} s of this core, and no more than 60 s are allowed: raise ticket-seconds/);
});

test('a search for a ticket stops at once when it is asked to, and outlives the block that it began with', { timeout }, async () => {
  const { api } = chain;
  const worker = await stranger({ name: 'patient', more: { 'ticket-seconds': 10 ** 9 } });
  const searching = (process) => process.lines.filter((line) => line.includes('searching for a ticket on one core')).map((line) => Number(/block=(\d+)/.exec(line)[1]));
  const first = worker.start().process;
  await waitFor('progress of the search', 60, () => first.find(/searching for a ticket tried=[1-9]\d* .*tries_per_second=[1-9]\d* expected_seconds=[1-9]/));
  const asked = performance.now();
  await first.stop();
  assert.equal(first.exitCode, 0);
  assert.ok(performance.now() - asked < 10_000);

  const { process } = worker.start();
  const blocks = await waitFor('a search for a younger block', 240, () => searching(process).length > 1 && searching(process));
  assert.ok(blocks[1] > blocks[0], `${blocks}`);
  // Tickets get easier; the search goes on to the old target, so the worker is started again.
  await setDifficulty(1 << 16);
  await process.stop();
  await worker.start().registered(api);
});
