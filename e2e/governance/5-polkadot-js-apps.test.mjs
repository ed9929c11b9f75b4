// SPDX-License-Identifier: Apache-2.0
// What the ranked-collective page of stock polkadot.js Apps reads and sends (packages/page-ranked and page-referenda of polkadot-js/apps),
// and nothing else: if this passes, that page works unchanged.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findEvent, send } from '../harness/chain.mjs';
import { timeout } from '../harness/test.mjs';
import { useGovernedChain } from './harness/chain.mjs';
import { ends, ORIGINS } from './harness/polls.mjs';
import { openChain } from './harness/work.mjs';

const chain = useGovernedChain({ prepare: openChain });

test('there is no token to show amounts of', { timeout }, async () => {
  const { tokenDecimals, tokenSymbol } = await chain.api.rpc.system.properties();
  assert.deepEqual([tokenDecimals.unwrap().map(Number), tokenSymbol.unwrap().map(String)], [[0], ['none']]);
});

test('the page shows itself, with its tracks and members', { timeout }, async () => {
  const { api, operators } = chain;
  // It is listed when these two exist.
  assert.equal(typeof api.tx.rankedPolls?.submit, 'function');
  assert.equal(typeof api.tx.rankedCollective?.vote, 'function');

  const tracks = api.consts.rankedPolls.tracks;
  // It shows a name with the zeros that pad it.
  const names = tracks.map(([id, { name }]) => [id.toNumber(), name.toString()]);
  assert.deepEqual(names, [[0, 'root: runtime, validators'], [1, 'models: registry & prices'], [2, 'parameters: work & quotas']]);
  for (const [, { decisionPeriod, decisionDeposit, preparePeriod, minApproval, minSupport }] of tracks) {
    assert.ok(decisionPeriod.gtn(0) && preparePeriod.gtn(0));
    assert.ok(decisionDeposit.isZero() && api.consts.rankedPolls.submissionDeposit.isZero());
    // The only shapes that it can draw.
    for (const curve of [minApproval, minSupport]) assert.ok(curve.isLinearDecreasing || curve.isSteppedDecreasing || curve.isReciprocal);
  }

  const ids = (await api.query.rankedCollective.members.keys()).map(({ args: [id] }) => id);
  const members = await api.query.rankedCollective.members.multi(ids);
  assert.deepEqual(new Set(ids.map(String)), new Set(operators.map(({ address }) => address)));
  for (const member of members) assert.ok(member.unwrap().rank.isZero());
  // It follows changes by these, and takes their first field for the account.
  for (const name of ['MemberAdded', 'MemberRemoved']) {
    const [who] = api.events.rankedCollective[name].meta.fields;
    assert.equal(api.registry.lookup.getTypeDef(who.type).type, 'AccountId32', name);
  }
});

test('a poll is proposed, listed, voted on and decided as on the page', { timeout }, async () => {
  const { api, model, operators } = chain;
  const [proposer, nay] = operators;
  // Without a number here, it lists no poll.
  assert.ok((await api.query.balances.totalIssuance()).isZero());

  // The preimages page notes the call; the form takes its hash and length.
  const call = api.tx.models.setPrices(model, (await api.query.models.models(model)).unwrap().prices).method;
  await send(api, api.tx.preimage.notePreimage(call.toHex()), proposer);
  const [[hash, len]] = (await api.query.preimage.preimageFor.keys()).map(({ args: [key] }) => key);
  assert.deepEqual([hash.toHex(), len.toNumber()], [call.hash.toHex(), call.encodedLength]);
  const { events } = await send(api, api.tx.rankedPolls.submit(ORIGINS.models, { Lookup: { hash, len } }, { After: 1 }), proposer);
  const [id] = findEvent(events, 'rankedPolls', 'Submitted').data;

  const ids = (await api.query.rankedPolls.referendumInfoFor.keys()).map(({ args: [each] }) => each);
  assert.deepEqual(ids.map(String), [id.toString()]);
  assert.ok((await api.query.rankedPolls.referendumCount()).eqn(1));
  const readPoll = async () => (await api.query.rankedPolls.referendumInfoFor.multi([id]))[0].unwrap().asOngoing;
  let poll = await readPoll();
  assert.ok(poll.track.eqn(1) && poll.deciding.isNone && poll.submissionDeposit.amount.isZero() && poll.decisionDeposit.isNone);
  assert.equal(poll.proposal.asLookup.hash_.toHex(), call.hash.toHex());
  // The call that it shows: whether it is noted, and its bytes by hash and length.
  const [former, status] = await Promise.all([api.query.preimage.statusFor(hash), api.query.preimage.requestStatusFor(hash)]);
  assert.ok(former.isNone);
  const noted = status.unwrap().asUnrequested;
  // Its preimages page takes the second part of a ticket for a number, and shows what follows from it as an amount.
  const [noter, ticket] = noted.ticket;
  assert.deepEqual([noter.toString(), ticket.toNumber()], [proposer.address, call.encodedLength]);
  const bytes = await api.query.preimage.preimageFor([hash, noted.len]);
  assert.equal(api.registry.createType('Call', bytes.unwrap()).toHex(), call.toHex());
  // A tally with support and without bare ayes would get conviction votes, which move balances.
  assert.ok(poll.tally.support === undefined && poll.tally.bareAyes.isZero());

  // The buttons "Decision deposit", "Vote Aye" and "Vote Nay".
  await send(api, api.tx.rankedPolls.placeDecisionDeposit(id), proposer);
  await send(api, api.tx.rankedCollective.vote(id, true), proposer);
  const voted = findEvent((await send(api, api.tx.rankedCollective.vote(id, false), nay)).events, 'rankedCollective', 'Voted');
  const [who, pollId] = voted.data;
  assert.deepEqual([who.toString(), pollId.toString()], [nay.address, id.toString()]);

  const voters = (await api.query.rankedCollective.voting.keys(id)).map(({ args: [, account] }) => account);
  assert.equal(voters.length, 2);
  const votes = await api.query.rankedCollective.voting.multi(voters.map((account) => [id, account]));
  const byVoter = Object.fromEntries(voters.map((account, index) => [account.toString(), votes[index].unwrap()]));
  assert.ok(byVoter[proposer.address].isAye && byVoter[nay.address].isNay);
  poll = await readPoll();
  assert.ok(poll.decisionDeposit.unwrap().amount.isZero());
  assert.ok(poll.tally.bareAyes.eqn(1));
  assert.ok(poll.tally.ayes.eq(byVoter[proposer.address].asAye) && poll.tally.nays.eq(byVoter[nay.address].asNay));

  await ends(api, id, 'Approved');
});
