// SPDX-License-Identifier: Apache-2.0
// Accounts by the thousand, made as anyone could make them: somebody with quota sponsors them.
import assert from 'node:assert/strict';
import { devKey, send } from '../harness/chain.mjs';
import { readParameter } from '../harness/parameters.mjs';

/** Development accounts with a quota from genesis that aren't operators in these tests. */
const SPONSORS = [
  ...['Alice', 'Bob', 'Charlie', 'Dave', 'Eve', 'Ferdie'].flatMap((name) => [`//${name}`, `//${name}//stash`]),
  ...['//One', '//Two', '//Worker4', '//Worker5', '//Worker6', '//Worker7', '//Worker8', '//Worker9'],
];

/** Key pairs `//Load//kind//0` and so on. */
export async function makeKeys(kind, count) {
  const parent = await devKey(`//Load//${kind}`);
  return Array.from({ length: count }, (_, index) => parent.derive(`//${index}`));
}

/** As many sponsors as `accounts` need, each with its part of them. */
async function shareOut(api, accounts, first) {
  const most = api.consts.quota.maxLines.toNumber();
  const parts = Array.from({ length: Math.ceil(accounts.length / most) }, (_, index) => accounts.slice(index * most, (index + 1) * most));
  assert.ok(first + parts.length <= SPONSORS.length, 'there are enough sponsors');
  return Promise.all(parts.map(async (part, index) => ({ sponsor: await devKey(SPONSORS[first + index]), part })));
}

const sendBatches = (api, shares, call) =>
  Promise.all(shares.map(({ sponsor, part }) => send(api, api.tx.utility.batchAll(part.map(({ address }) => call(address))), sponsor)));

/** Gives each account a line of `points`. The first `first` sponsors give to others already. */
export async function sponsorAll(api, accounts, points, first = 0) {
  const shares = await shareOut(api, accounts, first);
  await sendBatches(api, shares, (address) => api.tx.quota.sponsor(address, points));
  return shares;
}

/** Makes the accounts newcomers: known to the chain, with no quota but what everybody has. */
export async function makeNewcomers(api, accounts, first = 0) {
  const { newcomerPoints } = await readParameter(api, 'Quota');
  const shares = await sponsorAll(api, accounts, newcomerPoints, first);
  await sendBatches(api, shares, (address) => api.tx.quota.withdraw(address));
}
