// SPDX-License-Identifier: Apache-2.0
// What came of a flood, and the table of it.
import { normalPoints } from './blocks.mjs';

const sum = (numbers) => numbers.reduce((all, each) => all + each, 0);
const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** How often each value is there. */
export function count(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** Every transaction of the blocks by its hash, with its block's number. */
export const findIncluded = (blocks) =>
  new Map(blocks.flatMap(({ number, transactions }) => transactions.map((each) => [each.hash, { number, ...each }])));

/** Points that each account used in these blocks. */
export function usedByAccount(blocks) {
  const used = new Map();
  for (const { account, points } of blocks.flatMap(({ transactions }) => transactions)) used.set(account, (used.get(account) ?? 0) + points);
  return used;
}

/** Which part of each block's normal points these accounts used together. */
export function sharesOf(api, blocks, accounts) {
  const among = new Set(accounts.map(({ address }) => address));
  const used = ({ transactions }) => sum(transactions.filter(({ account }) => among.has(account)).map(({ points }) => points));
  return blocks.map((block) => used(block) / normalPoints(api));
}

const listCounts = (counts, unit = '') => [...counts].map(([value, times]) => `${times} × ${value}${unit}`).join(', ');

/** Prints the figures, one line each. */
export function print({ groups, sent, seconds, blocks, votes, latencies, shares, memory }) {
  const fullness = blocks.map((block) => block.fullness);
  const rows = [
    ['sent at once', `${sent} transactions in ${seconds.toFixed(1)} s, ${Math.round(sent / seconds)} a second`],
    ['blocks', `${blocks[0].number} to ${blocks.at(-1).number}`],
    ...groups.map(({ name, answers, included }) => [name, `${listCounts(count(answers))}; ${included} in blocks`]),
    ['votes', `${latencies.length}: ${listCounts(count(latencies), ' block(s) until included')}`],
    ['answers to votes', `after ${Math.max(...votes.map((vote) => vote.seconds)).toFixed(1)} s at most`],
    ['fullness of blocks', `mean ${percent(sum(fullness) / blocks.length)}, most ${percent(Math.max(...fullness))} of the normal weight`],
    ["newcomers' share of a block", `most ${percent(Math.max(...shares))}`],
    ['memory of the node, MiB', ['before', 'peak', 'ever'].map((each) => `${each} ${memory[each].toFixed(0)}`).join(', ')],
  ];
  const width = Math.max(...rows.map(([title]) => title.length));
  console.log(rows.map(([title, text]) => `${title.padEnd(width)}  ${text}`).join('\n'));
}
