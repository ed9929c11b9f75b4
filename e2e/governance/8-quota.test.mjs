// SPDX-License-Identifier: Apache-2.0
// Quota against those who want more than their share; and that the node tells honestly what things cost.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bnToU8a, compactToU8a, stringToU8a, u8aConcat, u8aToHex } from '@polkadot/util';
import { blake2AsU8a } from '@polkadot/util-crypto';
import { devKey, findEvent, send } from '../harness/chain.mjs';
import { greedy, submission } from '../harness/jobs.mjs';
import { drain } from '../harness/operators.mjs';
import { timeout, useDevChain } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';

/** A line somewhat above the newcomers' floor. */
const LINE = 70_000;
/** Keys to be killed by a call that costs most of a line, or a third of it. It fails and does nothing, but it pays. */
const [NEARLY_ALL, A_THIRD] = [1050, 350];
/** Picoseconds in a point. */
const PICOSECONDS = 1_000_000;

/** What the pool says. Other numbers than the quota's are those of `workers.join`. */
const refusal = (code) => ({ message: `author_submitExtrinsic: 1010: Invalid Transaction: "Custom error: ${code}"` });
const EXHAUSTED = refusal(1);
const NEVER_AFFORDABLE = refusal(3);
const TICKET_EXPIRED = refusal(10);
const TICKET_FROM_THE_FUTURE = refusal(11);
const TOO_LITTLE_WORK = refusal(12);
const ALREADY_SPONSORED = refusal(13);

/** A ticket for block 1, made before the tests so that it is stale at their end. */
let early;
const chain = useDevChain({}, async ({ api, node }) => {
  await waitFor('block 1', 60, async () => (await node.bestNumber()) >= 1);
  early = await makeTicket(api, await devKey('//Late'), 1);
});

/** Sends a whole transaction and gives its hash; unlike the API it doesn't also log what is refused. */
const submit = (bytes) => chain.node.rpc('author_submitExtrinsic', bytes);
const quota = (account, at) => chain.node.rpc('compute_quota', account.address, at);
const killPrefix = (keys) => chain.api.tx.system.killPrefix('0x00', keys);

/** An account with a line of its own from a sponsor. */
async function sponsored(uri, sponsor = '//Bob') {
  const account = await devKey(uri);
  await send(chain.api, chain.api.tx.quota.sponsor(account.address, LINE), await devKey(sponsor));
  return account;
}

/** Everything that the chain knows of an account. */
const readState = async ({ query }, { address }) =>
  Promise.all([query.system.account(address), query.quota.usages.entries(address)]).then((parts) => JSON.stringify(parts));

/** Points that a transaction took, from the events of its block. */
function pointsOf(events, extrinsic) {
  const { weight } = findEvent(events, 'system', 'ExtrinsicSuccess').data.dispatchInfo;
  return weight.refTime.toNumber() / PICOSECONDS + extrinsic.encodedLength;
}

test('a flood of one account ends with its bucket: it is refused, changes nothing and is in no block', { timeout }, async () => {
  const { api, node } = chain;
  const account = await sponsored('//Flood');
  await assert.rejects(send(api, killPrefix(NEARLY_ALL), account), { name: 'BadOrigin' }, 'a failing call pays');
  const { points, blocks_until_full: wait } = await quota(account);
  assert.ok(points < LINE / 4 && wait > 50, `${points} points are left, full in ${wait} blocks`);

  const before = await readState(api, account);
  const attempts = Array.from({ length: 20 }, (_, index) => killPrefix(A_THIRD).signAsync(account, { nonce: 1 + index }));
  const hashes = [];
  for (const attempt of await Promise.all(attempts)) {
    hashes.push(attempt.hash.toHex());
    await assert.rejects(submit(attempt.toHex()), EXHAUSTED);
  }
  const best = await node.bestNumber();
  await waitFor('two more blocks', 60, async () => (await node.bestNumber()) >= best + 2);
  assert.equal(await readState(api, account), before);
  const pending = (await api.rpc.author.pendingExtrinsics()).map(({ hash }) => hash.toHex());
  assert.deepEqual(pending.filter((hash) => hashes.includes(hash)), []);
});

test('what costs more than a full bucket is told apart from what is affordable later', { timeout }, async () => {
  const { api } = chain;
  const account = await sponsored('//Greedy');
  const before = await readState(api, account);
  const extrinsic = await api.tx.system.setCode('0x00').signAsync(account);
  await assert.rejects(submit(extrinsic.toHex()), NEVER_AFFORDABLE);
  assert.equal(await readState(api, account), before);
});

test('quota split into as many accounts as possible gains nothing', { timeout }, async () => {
  const { api } = chain;
  const sponsor = await devKey('//Charlie');
  const parent = await devKey('//Split');
  const parts = Array.from({ length: api.consts.quota.maxLines.toNumber() }, (_, index) => parent.derive(`//${index}`));
  const { capacity: whole } = await quota(sponsor);
  const { blockHash } = await send(api, api.tx.utility.batchAll(parts.map(({ address }) => api.tx.quota.sponsor(address, LINE))), sponsor);
  const all = await Promise.all([sponsor, ...parts].map((account) => quota(account, blockHash)));
  assert.deepEqual(new Set(all.slice(1).map(({ capacity }) => capacity)), new Set([LINE]));
  const sum = (field) => all.reduce((total, each) => total + each[field], 0);
  assert.ok(sum('capacity') <= whole && sum('points') <= whole, `${sum('capacity')} of ${whole}`);
  await assert.rejects(send(api, api.tx.quota.sponsor(parent.address, LINE), sponsor), { name: 'quota.TooManyLines' });
});

test('compute_quota and compute_estimate tell what the next transaction costs', { timeout }, async () => {
  const { api, node } = chain;
  const account = await sponsored('//Careful', '//Dave');
  const extrinsic = await api.tx.system.remark(`0x${'00'.repeat(700)}`).signAsync(account);
  const estimate = await node.rpc('compute_estimate', extrinsic.toHex());
  assert.equal(estimate.units, 0);
  assert.equal((await quota(account)).points, LINE);
  const { blockHash, events } = await send(api, api.tx.system.remark(`0x${'00'.repeat(700)}`), account);
  const charged = LINE - (await quota(account, blockHash)).points;
  assert.ok(Math.abs(charged - pointsOf(events, extrinsic)) <= 1, `${charged} points, by weight ${pointsOf(events, extrinsic)}`);
  assert.ok(charged <= estimate.points && charged > 0.9 * estimate.points, `${charged} points of estimated ${estimate.points}`);
});

test('compute_estimate tells the units that a job reserves, and nothing for one that would be refused', { timeout }, async () => {
  const { api, node, model } = chain;
  const [account, operator, hot] = await Promise.all(['//Eve', '//Alice', '//Alice//hot'].map(devKey));
  // Jobs are for models that somebody serves.
  await send(api, api.tx.workers.register(hot.address, '', [model]), operator);
  const prompt = 'How many units is this?';
  const estimate = await node.rpc('compute_estimate', { model, prompt_bytes: prompt.length, max_tokens: 4 });
  const extrinsic = submission(api, model, prompt, greedy(4), 0);
  const { blockHash, events } = await send(api, extrinsic, account);
  const after = await quota(account, blockHash);
  assert.equal(after.units_capacity - after.units, estimate.units);
  const charged = after.capacity - after.points;
  assert.ok(charged > pointsOf(events, extrinsic), 'a job is charged for its whole life');
  assert.ok(charged <= estimate.points, `${charged} points of estimated ${estimate.points}`);
  assert.equal(await node.rpc('compute_estimate', { model: `0x${'11'.repeat(32)}`, prompt_bytes: 1, max_tokens: 4 }), null);
  // Or its executor would owe an answer.
  await send(api, api.tx.jobs.cancel(findEvent(events, 'jobs', 'Submitted').data.job), account);
});

/** A ticket as `ergon_primitives::ticket` specifies it, for the easiest target. */
async function makeTicket(api, account, block) {
  const blockHash = await api.rpc.chain.getBlockHash(block);
  const length = bnToU8a(account.publicKey.length, { bitLength: 64 });
  const bound = [api.genesisHash.toU8a(), length, account.publicKey, bnToU8a(block, { bitLength: 32 }), blockHash.toU8a()];
  const challenge = blake2AsU8a(u8aConcat(stringToU8a('ergon/ticket/1'), ...bound));
  const target = api.consts.quota.easiestTarget.toBigInt();
  const tried = new Uint8Array(40);
  tried.set(challenge);
  const view = new DataView(tried.buffer);
  for (let nonce = 0n; ; nonce++) {
    view.setBigUint64(32, nonce, true);
    const digest = blake2AsU8a(tried);
    if (new DataView(digest.buffer, digest.byteOffset).getBigUint64(0) <= target) return { block, nonce };
  }
}

/** The general transaction (version 5, no signer) that registers `operator` by a ticket; it has a signature, which makes it another each time. */
function joining(api, operator, hot, ticket, model) {
  const join = (signature) => api.tx.workers.join(operator.address, hot.address, '', [model], ticket, { Sr25519: signature });
  const fields = join(new Uint8Array(64)).args.slice(0, 5).map((field) => field.toU8a());
  const message = blake2AsU8a(u8aConcat(stringToU8a('ergon/join/1'), api.genesisHash.toU8a(), ...fields));
  // Version 5 of the general kind, version 0 of the extensions, an immortal era, nonce 0 and no metadata hash: the others are empty.
  const body = u8aConcat([0x45, 0, 0, 0, 0], join(operator.sign(message)).method.toU8a());
  return u8aToHex(u8aConcat(compactToU8a(body.length), body));
}

test('a ticket lets its account in once, and no other, and not from a block to come', { timeout }, async () => {
  const { api, node, model } = chain;
  const [operator, hot, thief] = await Promise.all(['//Joins', '//Joins//hot', '//Thief'].map(devKey));
  const attempt = (who, ticket) => submit(joining(api, who, hot, ticket, model));
  const best = await node.bestNumber();
  const ticket = await makeTicket(api, operator, best);
  await assert.rejects(attempt(thief, ticket), TOO_LITTLE_WORK);
  await assert.rejects(attempt(operator, { ...ticket, block: best + 1_000 }), TICKET_FROM_THE_FUTURE);
  assert.equal((await quota(operator)).class, 'Unknown');

  await attempt(operator, ticket);
  await waitFor('registration', 60, async () => (await api.query.workers.operators(operator.address)).isSome);
  assert.equal((await quota(operator)).class, 'Newcomer');
  await assert.rejects(attempt(operator, ticket), ALREADY_SPONSORED, 'while it is registered');
  await drain(chain, operator);
  await send(api, api.tx.workers.remove(), operator);
  await assert.rejects(attempt(operator, ticket), ALREADY_SPONSORED, 'after it has left');
  assert.equal((await api.query.system.account(operator.address)).providers.toNumber(), 1);
});

test('a stale ticket lets nobody in', { timeout }, async () => {
  const { api, node, model } = chain;
  const [operator, hot] = await Promise.all(['//Late', '//Late//hot'].map(devKey));
  const end = early.block + api.consts.quota.ticketLifetime.toNumber();
  await waitFor(`block ${end}`, 300, async () => (await node.bestNumber()) >= end);
  await assert.rejects(submit(joining(api, operator, hot, early, model)), TICKET_EXPIRED);
  assert.equal((await api.query.workers.operators(operator.address)).isNone, true);
  assert.equal((await quota(operator)).class, 'Unknown');
});
