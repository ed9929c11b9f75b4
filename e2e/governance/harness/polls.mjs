// SPDX-License-Identifier: Apache-2.0
// Referenda as those who vote on them see them.
import assert from 'node:assert/strict';
import { bnToU8a, compactAddLength, stringToU8a, u8aConcat } from '@polkadot/util';
import { blake2AsHex } from '@polkadot/util-crypto';
import { findEvent, send, sendTogether } from '../../harness/chain.mjs';
import { HarnessError, waitFor } from '../../harness/wait.mjs';
import { all } from './chain.mjs';

/** The origins that proposals ask for, by track. */
export const ORIGINS = {
  root: { system: 'Root' },
  models: { RankedCollective: 'Models' },
  parameters: { RankedCollective: 'Parameters' },
};

/** Longest call that a proposal holds itself; a longer one is noted as a preimage. */
const INLINE_BYTES = 128;

const POLL_SECONDS = 240;

/** The extrinsic that proposes `call`; enacted as soon as the track allows. */
export const submission = (api, track, call) => api.tx.rankedPolls.submit(ORIGINS[track], proposal(call), { After: 0 });

/** A call as proposals name it. */
function proposal({ method }) {
  const bytes = method.toHex();
  return method.encodedLength <= INLINE_BYTES ? { Inline: bytes } : { Lookup: { hash: method.hash.toHex(), len: method.encodedLength } };
}

/**
 * Proposes `call` on a track, noting it first if it is long, and places the decision deposit of 0 unless told otherwise.
 * @returns {Promise<number>} the poll
 */
export async function propose(api, proposer, track, call, { deposit = true } = {}) {
  if (call.method.encodedLength > INLINE_BYTES) await send(api, api.tx.preimage.notePreimage(call.method.toHex()), proposer);
  const { events } = await send(api, submission(api, track, call), proposer);
  const { index } = findEvent(events, 'rankedPolls', 'Submitted').data;
  if (deposit) {
    const placed = await send(api, api.tx.rankedPolls.placeDecisionDeposit(index), proposer);
    const { who, amount } = findEvent(placed.events, 'rankedPolls', 'DecisionDepositPlaced').data;
    assert.deepEqual([who.toString(), amount.toString()], [proposer.address, '0']);
  }
  return index.toNumber();
}

/** Has every `[voter, poll, aye]` of `votes` cast at once. */
export const vote = (api, votes) => all(sendTogether(api, votes.map(([voter, poll, aye]) => [api.tx.rankedCollective.vote(poll, aye), voter])));

/** Waits until the poll is over and asserts how: `Approved`, `Rejected`, `TimedOut` or `Cancelled`. */
export async function ends(api, poll, ending) {
  let info;
  await waitFor(
    `end of poll ${poll}`,
    POLL_SECONDS,
    async () => {
      info = (await api.query.rankedPolls.referendumInfoFor(poll)).unwrap();
      return !info.isOngoing;
    },
    { note: () => (info?.isOngoing ? `${info.asOngoing.deciding.isSome ? 'deciding' : 'not deciding'}, ${info.asOngoing.tally}` : '') },
  );
  assert.equal(info.type, ending, `poll ${poll}`);
}

/**
 * Collects every event of the blocks from now on. Start it before what it is to see.
 * @returns {Promise<{ find: (section: string, method: string, matches?: (data: object) => boolean) => Promise<object>,
 *   seen: (section: string, method: string) => object[] }>}
 *   `find` waits for an event and gives its data; `seen` gives the data of those that have come
 */
export async function watchEvents(api) {
  const events = [];
  await api.query.system.events((records) => events.push(...records.map(({ event }) => event)));
  const seen = (section, method) => events.filter((event) => event.section === section && event.method === method).map(({ data }) => data);
  const find = (section, method, matches = () => true) =>
    waitFor(`event ${section}.${method}`, POLL_SECONDS, () => seen(section, method).find(matches));
  return { find, seen };
}

/** Waits until the poll is adopted and what it proposed was dispatched. Rejects with the dispatch's error if that failed. */
export async function enacted(api, events, poll) {
  await ends(api, poll, 'Approved');
  const name = enactmentName(poll);
  const { result } = await events.find('scheduler', 'Dispatched', ({ id }) => id.isSome && id.unwrap().toHex() === name);
  if (result.isErr) throw new HarnessError(`what poll ${poll} proposed was dispatched with ${result.asErr}`);
}

/** What `pallet-referenda` names the dispatch of a poll; all else that it schedules are its own alarms. */
const enactmentName = (poll) =>
  blake2AsHex(u8aConcat(stringToU8a('assembly'), compactAddLength(stringToU8a('enactment')), bnToU8a(poll, { bitLength: 32 })));
