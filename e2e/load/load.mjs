// SPDX-License-Identifier: Apache-2.0
// Transactions by the thousand of accounts that have no right to them, while three operators vote. Prints what the node did with them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readParameter } from '../harness/parameters.mjs';
import { sizeThatCosts } from '../harness/quota.mjs';
import { timeout } from '../harness/test.mjs';
import { say, waitFor } from '../harness/wait.mjs';
import { useGovernedChain } from '../governance/harness/chain.mjs';
import { propose } from '../governance/harness/polls.mjs';
import { openChain } from '../governance/harness/work.mjs';
import { makeKeys, sponsorAll } from './accounts.mjs';
import { normalPoints, readBlocks } from './blocks.mjs';
import { ACCEPTED, eraFromNow, open, push, pushAll, sign } from './flood.mjs';
import { watchMemory } from './memory.mjs';
import { findIncluded, print, sharesOf, usedByAccount } from './report.mjs';

/** Accounts that have spent their quota before they send: half of them at once, half of them block by block. */
const SPENT = 50;
/** Accounts that send many times what they have, all at once. */
const OVERDRAWING = 25;
/** Transactions of each of them. */
const EACH = 100;
const NEWCOMERS = 1_000;
/** Blocks in which operators vote: fewer than a poll is decided in. */
const ROUNDS = 24;
const MOST_BLOCKS_TO_VOTE = 3;
/** What the node may need besides what it had before. The pool alone may hold 20 MiB of transactions. */
const MOST_MEMORY_MIB = 512;

/** Points of a line, and the shares of it that calls cost: what comes back in all rounds is less than half. They fail and do nothing, but they pay. */
const LINE = 70_000;
const [NEARLY_ALL, NEARLY_HALF] = [0.95, 0.45];
/** The bucket holds too little for it, and for those before it; or too many are before it. */
const REFUSALS = ['1010: Invalid Transaction: Custom error: 1', '1010: Invalid Transaction: Custom error: 5'];

const makeNewcomers = () => makeKeys('new', NEWCOMERS);

const chain = useGovernedChain({ prepare: openChain, letIn: async () => (await makeNewcomers()).map(({ address }) => address) });
const kill = (keys) => chain.api.tx.system.killPrefix('0x00', keys);

/** Makes the accounts, and signs for them before the clock starts. */
async function prepare({ api, node }) {
  const [spent, overdrawing, newcomers] = await Promise.all([makeKeys('spent', SPENT), makeKeys('overdrawing', OVERDRAWING), makeNewcomers()]);
  await sponsorAll(api, [...spent, ...overdrawing], LINE);
  const keysFor = (share) => sizeThatCosts(node, share * LINE, (keys) => sign(api, kill(keys), spent[0], 0).bytes);
  const [nearlyAll, nearlyHalf] = await Promise.all([NEARLY_ALL, NEARLY_HALF].map(keysFor));
  say(`sponsored ${SPENT + OVERDRAWING} accounts; signing`);
  const series = (accounts, first) =>
    accounts.flatMap((account) => Array.from({ length: EACH }, (_, index) => sign(api, kill(nearlyHalf), account, first + index)));
  const [early, late] = [spent.slice(0, SPENT / 2), spent.slice(SPENT / 2)];
  return {
    spending: spent.map((account) => sign(api, kill(nearlyAll), account, 0)),
    early: { name: 'accounts that have spent all, at once', accounts: early, transactions: series(early, 1) },
    late: { name: 'the same, block by block', accounts: late, transactions: series(late, 1) },
    overdrawing: { name: 'accounts that overdraw', accounts: overdrawing, transactions: series(overdrawing, 0) },
    newcomers: { name: 'newcomers', accounts: newcomers, transactions: newcomers.map((account) => sign(api, api.tx.system.remark('0x'), account, 0)) },
  };
}

/** Has each account use up its line. */
async function spend({ api, node }, accounts, transactions) {
  const answers = await pushAll(node.url, transactions);
  assert.deepEqual(answers, accounts.map(() => ACCEPTED));
  await waitForAll(api, accounts);
}

/** Waits for one transaction of each account in a block. */
const waitForAll = (api, accounts) =>
  waitFor(`a transaction of each of ${accounts.length} accounts`, 120, async () => {
    const states = await api.query.system.account.multi(accounts.map(({ address }) => address));
    return states.every(({ nonce }) => nonce.eqn(1));
  });

/** Sends what all groups have signed, mixed as it would come; adds to each group the node's answers. */
async function flood(url, groups) {
  const mixed = groups.flatMap((group) => group.transactions.map((transaction, index) => ({ group, transaction, place: index / group.transactions.length })));
  mixed.sort((left, right) => left.place - right.place);
  const begun = performance.now();
  const answers = await pushAll(url, mixed.map(({ transaction }) => transaction));
  const seconds = (performance.now() - begun) / 1_000;
  for (const group of groups) group.answers = answers.filter((_, index) => mixed[index].group === group);
  return { sent: mixed.length, seconds };
}

/** Calls `act(round, after)`, in which `after` is the best block's number, after each of so many new blocks. */
async function everyBlock({ api, node }, rounds, act) {
  let best = await node.bestNumber();
  const stop = await api.rpc.chain.subscribeNewHeads(({ number }) => (best = number.toNumber()));
  for (let round = 0, after = best; round < rounds; round++, after = best) {
    await act(round, after);
    await waitFor('next block', 60, () => best > after, { every: 50 });
  }
  stop();
}

/** Sends a part of what the group has signed after each block; adds the node's answers to it. */
async function trickle(chain, group) {
  const socket = await open(chain.node.url);
  const size = Math.ceil(group.transactions.length / ROUNDS);
  group.answers = [];
  await everyBlock(chain, ROUNDS, async (round) => {
    const part = group.transactions.slice(round * size, (round + 1) * size);
    group.answers.push(...(await Promise.all(part.map((transaction) => push(socket, transaction)))));
  });
}

/** Signs another call with the nonce of the last newcomer's transaction that waits for a block, and sends it: people do that with what is stuck. */
async function replaceLast({ api, node }, { accounts, transactions }) {
  const pending = new Set((await api.rpc.author.pendingExtrinsics()).map(({ hash }) => hash.toHex()));
  const index = transactions.findLastIndex(({ hash }) => pending.has(hash));
  assert.ok(index >= 0, 'a newcomer waits');
  const replacement = sign(api, api.tx.system.remark('0x01'), accounts[index], 0, await eraFromNow(api));
  return { replaced: transactions[index], replacement, answer: await push(await open(node.url), replacement) };
}

/** Has the three operators vote after each new block; gives every vote with the block after which it was sent. */
async function voteRounds(chain, poll) {
  const { api, node, operators } = chain;
  const socket = await open(node.url);
  const nonces = await Promise.all(operators.map(async ({ address }) => (await api.rpc.system.accountNextIndex(address)).toNumber()));
  const votes = [];
  await everyBlock(chain, ROUNDS, async (round, after) => {
    // The heaviest is always against it, so that the poll stays open.
    const sent = operators.map((operator, index) => {
      const vote = sign(api, api.tx.rankedCollective.vote(poll, index > 0 && round % 2 === 0), operator, nonces[index]++);
      const begun = performance.now();
      const answered = push(socket, vote).then((answer) => ({ answer, seconds: (performance.now() - begun) / 1_000 }));
      return { ...vote, after, answered };
    });
    for (const vote of sent) votes.push({ ...vote, ...(await vote.answered) });
  });
  const end = votes.at(-1).after + MOST_BLOCKS_TO_VOTE;
  await waitFor(`block ${end}`, 60, async () => (await node.bestNumber()) >= end);
  return votes;
}

function assertVotesIncluded(votes, included, latencies) {
  assert.deepEqual(votes.map(({ answer }) => answer), votes.map(() => ACCEPTED));
  assert.ok(latencies.every((latency) => latency <= MOST_BLOCKS_TO_VOTE), `votes took ${latencies.join(' ')} blocks`);
  assert.ok(votes.every(({ hash }) => included.get(hash).ok), 'every vote counts');
}

function assertRefused({ answers, transactions, included }) {
  assert.equal(answers.length, transactions.length);
  assert.deepEqual(answers.filter((answer) => !REFUSALS.includes(answer)), []);
  assert.equal(included, 0);
}

function assertNobodyOverdraws(api, blocks, overdrawing) {
  const used = usedByAccount(blocks);
  const allowed = LINE * (1 + blocks.length / api.consts.quota.refillBlocks.toNumber());
  for (const { address } of overdrawing.accounts) {
    const points = used.get(address);
    assert.ok(points > LINE / 2 && points <= allowed, `${address} used ${points} of ${allowed} points`);
  }
}

function assertReplaced({ replaced, replacement, answer }, included) {
  assert.equal(answer, ACCEPTED);
  assert.equal(included.get(replacement.hash)?.ok, true, 'the later transaction is in a block');
  assert.ok(!included.has(replaced.hash), 'and the earlier one in none');
}

async function assertNewcomersCapped({ api, operators }, blocks, shares, newcomers) {
  const { newcomerShare } = await readParameter(api, 'Quota');
  const limit = newcomerShare.toNumber() / 1_000_000_000;
  assert.ok(shares.every((share) => share <= limit), `newcomers took ${shares.join(' ')} of the blocks`);
  const withVotes = sharesOf(api, blocks, [...newcomers.accounts, ...operators]);
  assert.ok(Math.max(...withVotes.slice(1)) > 0.9 * limit, 'there are so many newcomers that the limit counts, with changed votes');
  const claimed = blocks.map((block) => block.claimed / normalPoints(api));
  assert.ok(claimed.every((claim, index) => shares[index] <= claim && claim <= limit), "the quota's own books say the same");
  assert.deepEqual(new Set(newcomers.answers), new Set([ACCEPTED]));
  assert.equal(newcomers.included, NEWCOMERS - 1, 'every newcomer has his turn, one with another transaction');
}

test('votes are in blocks within three blocks, whatever exhausted accounts and newcomers send', { timeout }, async () => {
  const { api, node, operators } = chain;
  const { spending, early, late, overdrawing, newcomers } = await prepare(chain);
  const groups = [early, late, overdrawing, newcomers];
  const poll = await propose(api, operators[0], 'models', api.tx.system.remark('0x00'));
  await spend(chain, [...early.accounts, ...late.accounts], spending);

  const first = (await node.bestNumber()) + 1;
  const endWatch = watchMemory(node.process.child.pid);
  say('sending');
  const [votes, { sent, seconds, replacement }] = await Promise.all([
    voteRounds(chain, poll),
    flood(node.url, [early, overdrawing, newcomers]).then(async (flooded) => ({ ...flooded, replacement: await replaceLast(chain, newcomers) })),
    trickle(chain, late),
  ]);
  await waitForAll(api, newcomers.accounts);
  const memory = endWatch();
  const blocks = await readBlocks(api, first, await node.bestNumber());

  const included = findIncluded(blocks);
  for (const group of groups) group.included = group.transactions.filter(({ hash }) => included.has(hash)).length;
  const latencies = votes.map(({ hash, after }) => (included.get(hash)?.number ?? Infinity) - after);
  const shares = sharesOf(api, blocks, newcomers.accounts);
  print({ groups, sent, seconds, blocks, votes, latencies, shares, memory });

  assertVotesIncluded(votes, included, latencies);
  assertReplaced(replacement, included);
  assertRefused(early);
  assertRefused(late);
  assertNobodyOverdraws(api, blocks, overdrawing);
  await assertNewcomersCapped(chain, blocks, shares, newcomers);
  assert.ok(memory.peak - memory.before <= MOST_MEMORY_MIB, `the node took ${memory.peak - memory.before} MiB more`);
});
