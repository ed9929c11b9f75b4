// SPDX-License-Identifier: Apache-2.0
// The track of models, through PAPI, and the shapes that it makes of tallies, votes and refusals.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Enum } from 'polkadot-api';
import { timeout } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';
import { useGovernedChain, WEIGHTS } from './harness/chain.mjs';
import { connectPapi, ends, ORIGINS, propose, readPoll, send, submission, vote } from './harness/papi.mjs';
import { openChain } from './harness/work.mjs';

let papi;
let signers;
const chain = useGovernedChain({
  prepare: async (chain) => {
    const { node, operators } = chain;
    assert.equal(await node.rpc('compute_refusal', operators[0].address, 'Models'), 'Locked');
    await openChain(chain);
    ({ papi, signers } = await connectPapi(chain));
  },
});

test('a proposal is submitted, voted on, passes and is enacted', { timeout }, async () => {
  const [heavy, middle, light] = chain.operators.map(({ address }) => address);
  assert.equal(await papi.query.Balances.TotalIssuance.getValue(), 0n);

  const model = await papi.query.Models.Models.getValue(chain.model);
  const prices = Object.fromEntries(Object.entries(model.prices).map(([name, price]) => [name, price + 1n]));
  assert.equal(await papi.view.RankedCollective.refusal(heavy, ORIGINS.models), undefined);
  const { index, track } = await propose(papi, signers[0], 'models', papi.tx.Models.set_prices({ model: chain.model, prices }));
  assert.equal((await papi.constants.RankedPolls.Tracks()).find(([id]) => id === track)[1].name, 'models: registry & prices');

  // 60 aye and 40 nay, so that it passes by weight after a while, and there is time to look at the tally.
  await vote(papi, signers, index, [true, false, false]);
  const ongoing = await readPoll(papi, index);
  assert.equal(ongoing.type, 'Ongoing');
  const { bare_ayes, ayes, nays, epoch, total } = ongoing.value.tally;
  const weights = await Promise.all([heavy, middle, light].map((who) => papi.view.RankedCollective.voting_weight(who, epoch)));
  assert.deepEqual([bare_ayes, ayes, nays], [1, weights[0], weights[1] + weights[2]]);
  assert.ok(total >= ayes + nays && total < ayes + nays + 100n);
  assert.ok(Math.abs(Number(ayes) / Number(total) - WEIGHTS[0] / 100_000_000) < 0.001);
  assert.deepEqual(await papi.query.RankedCollective.Voting.getValue(index, light), Enum('Nay', weights[2]));

  await ends(papi, index, 'Approved');
  await waitFor('enactment', 60, async () => {
    const { prices: now } = await papi.query.Models.Models.getValue(chain.model, { at: 'best' });
    return Object.entries(prices).every(([name, price]) => now[name] === price);
  });
});

test('why somebody may not submit is told by name', { timeout }, async () => {
  const [heavy, middle] = chain.operators;
  assert.equal(await papi.view.RankedCollective.refusal(middle.address, ORIGINS.root), undefined);
  assert.equal((await papi.view.RankedCollective.refusal(chain.guardian.address, ORIGINS.models)).type, 'NotMember');
  const submit = () => submission(papi, 'models', new Uint8Array(2));
  await send(submit(), signers[0]);
  assert.equal((await papi.view.RankedCollective.refusal(heavy.address, ORIGINS.models)).type, 'PollOpen');
  const { ok, dispatchError } = await submit().signAndSubmit(signers[0]);
  assert.deepEqual([ok, dispatchError.type], [false, 'BadOrigin']);
  assert.equal(await chain.node.rpc('compute_refusal', heavy.address, 'Models'), 'PollOpen');
});

test('a proposal is rejected though two of three accounts want it, and one without a decision deposit times out', { timeout }, async () => {
  const remark = papi.tx.System.remark({ remark: new Uint8Array(1) });
  const [{ index: rejected }, { index: late }] = await Promise.all([
    propose(papi, signers[1], 'models', remark),
    propose(papi, signers[2], 'models', remark, { deposit: false }),
  ]);
  await vote(papi, signers, rejected, [false, true, true]);
  await vote(papi, signers, late, [true, true, true]);
  await ends(papi, rejected, 'Rejected');
  await ends(papi, late, 'TimedOut');
  assert.equal(await papi.query.Balances.TotalIssuance.getValue(), 0n);
});
