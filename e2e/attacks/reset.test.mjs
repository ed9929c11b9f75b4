// SPDX-License-Identifier: Apache-2.0
// An operator that has spent its whole quota tries to have it back at once: it leaves, is given a line, comes back and returns the line.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { writeSpec } from '../governance/harness/spec.mjs';
import { connect, devKey, send } from '../harness/chain.mjs';
import { findModel } from '../harness/models.mjs';
import { startNode } from '../harness/node.mjs';
import { drain } from '../harness/operators.mjs';
import { stopAll } from '../harness/process.mjs';
import { timeout } from '../harness/test.mjs';
import { waitFor } from '../harness/wait.mjs';

after(stopAll);

/** Blocks that fill an empty bucket. */
const REFILL_BLOCKS = 100;
/** Points of the line, and what a transaction costs at most apart from its text. */
const [LINE, OVERHEAD] = [80_000, 16_000];

test('an operator gets no quota back by leaving and coming back, however often', { timeout }, async () => {
  const [attacker, friend, other] = await Promise.all(['//Attacker', '//Bob', '//Worker1'].map(devKey));
  const weights = [[attacker.address, 50_000_000], [other.address, 950_000_000]];
  const spec = await writeSpec({ contributions: { weights }, workers: { sponsored: (preset) => [...preset, attacker.address] } });
  const node = await startNode({ args: ['--dev', '--chain', spec] });
  const api = await connect(node.url);
  const { id } = await findModel(node);
  const quota = () => node.rpc('compute_quota', attacker.address);
  const register = async (round) => {
    const hot = await devKey(`//Attacker//hot${round}`);
    return send(api, api.tx.workers.register(hot.address, '', [id]), attacker);
  };

  await register('');
  await waitFor('a quota by weight', 300, async () => (await quota()).class === 'Operator');
  for (let round = 1; round <= 3; round++) {
    await drain({ api, node }, attacker);
    for (let left = (await quota()).points; left >= 60_000; left = (await quota()).points) {
      const size = Math.min(400_000, left - OVERHEAD);
      await send(api, api.tx.system.remark(`0x${'00'.repeat(size)}`), attacker);
    }
    const [before, start] = [await quota(), await node.bestNumber()];
    await send(api, api.tx.workers.remove(), attacker);
    await send(api, api.tx.quota.sponsor(attacker.address, LINE), friend);
    await register(round);
    await send(api, api.tx.quota.withdraw(attacker.address), friend);
    const [end, after] = [await node.bestNumber(), await quota()];
    assert.equal(after.class, 'Operator');
    const honest = Math.ceil((after.capacity / REFILL_BLOCKS) * (end - start + 1));
    assert.ok(after.points - before.points <= honest, `round ${round}: ${after.points - before.points} points in ${end - start} blocks, not ${honest}`);
  }
});
