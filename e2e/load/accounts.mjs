// SPDX-License-Identifier: Apache-2.0
// Accounts with quota, made as anyone could make them: somebody who has some sponsors them.
import assert from 'node:assert/strict';
import { devKey, send } from '../harness/chain.mjs';

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
async function shareOut(api, accounts) {
  const most = api.consts.quota.maxLines.toNumber();
  const parts = Array.from({ length: Math.ceil(accounts.length / most) }, (_, index) => accounts.slice(index * most, (index + 1) * most));
  assert.ok(parts.length <= SPONSORS.length, 'there are enough sponsors');
  return Promise.all(parts.map(async (part, index) => ({ sponsor: await devKey(SPONSORS[index]), part })));
}

/** Gives each account a line of `points`. */
export async function sponsorAll(api, accounts, points) {
  const line = ({ address }) => api.tx.quota.sponsor(address, points);
  const batches = (await shareOut(api, accounts)).map(({ sponsor, part }) => send(api, api.tx.utility.batchAll(part.map(line)), sponsor));
  await Promise.all(batches);
}
