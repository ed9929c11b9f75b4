// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timeout } from '../harness/test.mjs';
import { useGovernedChain } from './harness/chain.mjs';
import { enacted, propose, vote, watchEvents } from './harness/polls.mjs';
import { assertLocked, passRejectAndTimeOut } from './harness/track.mjs';
import { openChain } from './harness/work.mjs';

const chain = useGovernedChain();

test('models are locked until the chain is open', { timeout }, async () => {
  await assertLocked(chain, 'models');
  await openChain(chain);
});

const readModel = async () => (await chain.api.query.models.models(chain.model)).unwrap();

test('the prices that passed are in force; the rejected retirement and the prices that timed out are not', { timeout }, async () => {
  const { api, model } = chain;
  const { prices } = await readModel();
  const raised = (by) => Object.fromEntries([...prices.entries()].map(([name, price]) => [name, price.addn(by)]));
  await passRejectAndTimeOut(chain, 'models', [
    api.tx.models.setPrices(model, raised(1)),
    api.tx.models.retire(model),
    api.tx.models.setPrices(model, raised(2)),
  ]);
  const after = await readModel();
  assert.equal(after.prices.toHex(), api.createType(prices.toRawType(), raised(1)).toHex());
  assert.equal(after.status.type, 'Active');
});

test('the heaviest operator alone registers a model, by a preimage, against two accounts', { timeout }, async () => {
  const { api, operators } = chain;
  const [heavy, middle, light] = operators;
  const { manifest } = await readModel();
  const events = await watchEvents(api);
  const poll = await propose(api, heavy, 'models', api.tx.models.register({ ...manifest.toJSON(), name: 'Another name' }, null, null));
  await vote(api, [[heavy, poll, true], [middle, poll, false], [light, poll, false]]);
  await enacted(api, events, poll);
  const { model } = await events.find('models', 'Registered');
  assert.equal((await api.query.models.models(model)).unwrap().manifest.name.toUtf8(), 'Another name');
});
