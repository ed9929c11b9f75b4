// SPDX-License-Identifier: Apache-2.0
// A thief with a stolen hot key tries to keep its operator's bucket empty, so that the key can't be revoked.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { writeSpec } from '../governance/harness/spec.mjs';
import { connect, devKey, send } from '../harness/chain.mjs';
import { findModel } from '../harness/models.mjs';
import { startNode } from '../harness/node.mjs';
import { stopAll } from '../harness/process.mjs';
import { costOf, sizeThatCosts } from '../harness/quota.mjs';
import { timeout } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';

after(stopAll);

test('an operator revokes a stolen hot key while the thief spends all that it can', { timeout }, async () => {
  const [victim, hot] = await Promise.all(['//Victim', '//Victim//hot'].map(devKey));
  const spec = await writeSpec({ workers: { sponsored: (preset) => [...preset, victim.address] } });
  const node = await startNode({ args: ['--dev', '--chain', spec] });
  const api = await connect(node.url);
  const { id } = await findModel(node);
  const quota = ({ address }) => node.rpc('compute_quota', address);
  await send(api, api.tx.workers.register(hot.address, '', [id]), victim);
  const before = await quota(victim);
  const remark = (bytes) => api.tx.system.remark(`0x${'00'.repeat(bytes)}`);
  const signed = async (bytes) => (await remark(bytes).signAsync(hot)).toHex();
  const smallest = await costOf(node, await signed(0));

  // The thief empties its bucket, and keeps it empty.
  await send(api, remark(await sizeThatCosts(node, 0.99 * (await quota(hot)).points, signed)), hot);
  const start = await node.bestNumber();
  for (let seen = start; seen < start + 5; seen++) {
    await waitFor(`block ${seen + 1}`, 60, async () => (await node.bestNumber()) > seen);
    if ((await quota(hot)).points > smallest) await remark(0).signAndSend(hot, { nonce: -1 }).catch(() => {});
  }
  assert.ok((await quota(hot)).points < 2 * smallest);
  assert.ok((await quota(victim)).points >= before.points, 'nothing of it is its operator’s');

  await send(api, api.tx.workers.removeHotKey(hot.address), victim);
  assert.equal((await quota(hot)).class, 'Unknown');
  await assert.rejects(send(api, remark(0), hot), /Custom error: 3/);
});
