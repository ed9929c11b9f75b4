// SPDX-License-Identifier: Apache-2.0
import { test } from 'node:test';
import { timeout } from '../harness/test.mjs';
import { useGovernedChain, waitForEpoch } from './harness/chain.mjs';
import { assertLocked, passRejectAndTimeOut } from './harness/track.mjs';
import { workTogether } from './harness/work.mjs';

const chain = useGovernedChain();

test('parameters are locked until three operators have held weight for two epochs', { timeout }, async () => {
  await assertLocked(chain, 'parameters');
  await workTogether(chain);
  await assertLocked(chain, 'parameters');
  const [founder] = await chain.api.query.rankedCollective.founders();
  await waitForEpoch(chain.api, founder.since.toNumber() + 2);
});

// No call needs this origin yet; a remark takes every origin, so it shows that the track dispatches.
test('proposals on parameters pass, fail and time out', { timeout }, async () => {
  const remarks = ['0x01', '0x02', '0x03'].map((remark) => chain.api.tx.system.remark(remark));
  await passRejectAndTimeOut(chain, 'parameters', remarks);
});
