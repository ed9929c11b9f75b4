// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { send } from '../harness/chain.mjs';
import { timeout } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';
import { useGovernedChain } from './harness/chain.mjs';
import { ends, propose } from './harness/polls.mjs';

const UNTIL = 60;
const chain = useGovernedChain({ guardianUntil: UNTIL });

test('the guardian cancels a poll before the block that genesis names, and can do nothing from then on', { timeout }, async () => {
  const { api, node, operators, guardian } = chain;
  const [proposer, member] = operators;
  const call = api.tx.system.remark('0x00');
  const cancel = (poll) => api.tx.rankedPolls.cancel(poll);

  const poll = await propose(api, proposer, 'models', call);
  await assert.rejects(send(api, cancel(poll), member), { name: 'BadOrigin' });
  await assert.rejects(send(api, api.tx.rankedPolls.kill(poll), guardian), { name: 'BadOrigin' });
  await send(api, cancel(poll), guardian);
  await ends(api, poll, 'Cancelled');

  await waitFor(`block ${UNTIL}`, 300, async () => (await node.bestNumber()) >= UNTIL - 1);
  const later = await propose(api, proposer, 'models', call);
  await assert.rejects(send(api, cancel(later), guardian), { name: 'BadOrigin' });
  assert.ok((await api.query.rankedPolls.referendumInfoFor(later)).unwrap().isOngoing);
});
