// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { send } from '../harness/chain.mjs';
import { timeout } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';
import { useGovernedChain } from './harness/chain.mjs';
import { ends, propose, vote, watchEvents } from './harness/polls.mjs';
import { openChain } from './harness/work.mjs';

const UNTIL = 150;
const chain = useGovernedChain({ guardianUntil: UNTIL, prepare: openChain });

test('the guardian cancels a poll and vetoes an adopted one before the block that genesis names, and can do nothing from then on', { timeout }, async () => {
  const { api, node, operators, guardian } = chain;
  const [proposer, member] = operators;
  const call = api.tx.system.remark('0x00');
  const cancel = (poll) => api.tx.rankedPolls.cancel(poll);

  const poll = await propose(api, proposer, 'models', call);
  await assert.rejects(send(api, cancel(poll), member), { name: 'BadOrigin' });
  await assert.rejects(send(api, api.tx.rankedPolls.kill(poll), guardian), { name: 'BadOrigin' });
  await send(api, cancel(poll), guardian);
  await ends(api, poll, 'Cancelled');

  const events = await watchEvents(api);
  const adopted = await propose(api, proposer, 'models', call);
  await vote(api, operators.map((voter) => [voter, adopted, true]));
  await ends(api, adopted, 'Approved');
  const veto = api.tx.rankedCollective.veto(adopted);
  await assert.rejects(send(api, veto, member), { name: 'BadOrigin' });
  const { when } = (await api.query.rankedCollective.adopted(adopted)).unwrap();
  await send(api, veto, guardian);
  assert.equal((await api.query.scheduler.agenda(when)).filter((task) => task.isSome && task.unwrap().maybeId.isSome).length, 0);
  await waitFor(`block ${when}, in which it would be enacted`, 60, async () => when.ltn(await node.bestNumber()));
  assert.equal(events.seen('scheduler', 'Dispatched').filter(({ id }) => id.isSome).length, 0);

  await waitFor(`block ${UNTIL}`, 300, async () => (await node.bestNumber()) >= UNTIL - 1);
  const later = await propose(api, proposer, 'models', call);
  await assert.rejects(send(api, cancel(later), guardian), { name: 'BadOrigin' });
  assert.ok((await api.query.rankedPolls.referendumInfoFor(later)).unwrap().isOngoing);
});
