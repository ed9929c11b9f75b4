// SPDX-License-Identifier: Apache-2.0
// Referenda through PAPI (polkadot-api), which knows nothing of this chain but the metadata that the node gives it: no descriptors, no code
// generation.
import assert from 'node:assert/strict';
import { WebSocket } from '@polkadot/x-ws';
import { createClient, Enum } from 'polkadot-api';
import { getPolkadotSigner } from 'polkadot-api/signer';
import { getWsProvider } from 'polkadot-api/ws';
import { beforeStop } from '../../harness/process.mjs';
import { waitFor } from '../../harness/wait.mjs';

/** The origins that proposals ask for, by track. */
export const ORIGINS = {
  root: Enum('system', Enum('Root')),
  models: Enum('RankedCollective', Enum('Models')),
  parameters: Enum('RankedCollective', Enum('Parameters')),
};

const POLL_SECONDS = 240;

/**
 * Connects PAPI to a chain of `useGovernedChain`.
 * @returns {Promise<{ papi: object, signers: object[] }>} its untyped API, and a signer for each operator
 */
export async function connectPapi({ node, operators }) {
  // PAPI reads the newest finalized block, unless told otherwise, where the operators must be members already.
  const best = await node.bestNumber();
  await waitFor(`finality of block ${best}`, 60, async () => (await node.finalizedNumber()) >= best);
  // A WebSocket class by name, because Node has none of its own before version 22.
  const client = createClient(getWsProvider(node.url, { websocketClass: WebSocket }));
  beforeStop(() => client.destroy());
  const signers = operators.map((pair) => getPolkadotSigner(pair.publicKey, 'Sr25519', (bytes) => pair.sign(bytes)));
  return { papi: client.getUnsafeApi(), signers };
}

/** Sends and gives the finalized block's events of it. */
export async function send(transaction, signer) {
  const { ok, events, dispatchError } = await transaction.signAndSubmit(signer);
  assert.ok(ok, `dispatched with ${JSON.stringify(dispatchError)}`);
  return events;
}

/** The transaction that proposes an encoded call; enacted as soon as the track allows. */
export const submission = (papi, track, call) =>
  papi.tx.RankedPolls.submit({ proposal_origin: ORIGINS[track], proposal: Enum('Inline', call), enactment_moment: Enum('After', 0) });

/** Proposes a transaction's call on a track, places the decision deposit unless told otherwise, and gives what the proposal's event says. */
export async function propose(papi, signer, track, transaction, { deposit = true } = {}) {
  const events = await send(submission(papi, track, await transaction.getEncodedData()), signer);
  const submitted = events.find(({ type, value }) => type === 'RankedPolls' && value.type === 'Submitted').value.value;
  if (deposit) await send(papi.tx.RankedPolls.place_decision_deposit({ index: submitted.index }), signer);
  return submitted;
}

/** Has every operator vote, each with its own ballot. */
export const vote = (papi, signers, poll, ballot) =>
  Promise.all(signers.map((signer, each) => send(papi.tx.RankedCollective.vote({ poll, aye: ballot[each] }), signer)));

/** The poll as of the best block. */
export const readPoll = (papi, index) => papi.query.RankedPolls.ReferendumInfoFor.getValue(index, { at: 'best' });

/** Waits until the poll is over and asserts how. */
export async function ends(papi, poll, ending) {
  await waitFor(`end of poll ${poll}`, POLL_SECONDS, async () => (await readPoll(papi, poll)).type !== 'Ongoing');
  assert.equal((await readPoll(papi, poll)).type, ending, `poll ${poll}`);
}
