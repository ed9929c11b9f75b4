// SPDX-License-Identifier: Apache-2.0
// The programs of the voter's guide (docs/src/guides/voter.md), as they stand there.
import assert from 'node:assert/strict';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run, temporaryFolder } from '../harness/process.mjs';
import { timeout } from '../harness/test.mjs';
import { useGovernedChain, WEIGHTS } from './harness/chain.mjs';
import { ends } from './harness/polls.mjs';
import { openChain } from './harness/work.mjs';

const chain = useGovernedChain({ prepare: openChain });
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

/** Writes the guide's programs to a folder where they find their packages, and gives the folder. */
function unpackGuide() {
  const folder = temporaryFolder('guide');
  symlinkSync(path('../node_modules'), join(folder, 'node_modules'));
  const guide = readFileSync(path('../../docs/src/guides/voter.md'), 'utf8');
  for (const [, program, name] of guide.matchAll(/```js\n(\/\/ (\w+\.mjs):[^]*?)```/g)) writeFileSync(join(folder, name), program);
  return folder;
}

test("the programs of the voter's guide propose, vote and weigh", { timeout }, async () => {
  const folder = unpackGuide();
  writeFileSync(join(folder, 'operator.key'), '//Worker1\n');
  const node = async (program, ...args) => {
    const words = [join(folder, program), join(folder, 'operator.key'), ...args];
    const { exitCode, output } = await run(process.execPath, words, { env: { NODE_URL: chain.node.url } });
    assert.equal(exitCode, 0, output);
    return output;
  };
  assert.match(await node('propose.mjs'), /^poll 0$/m);
  // Before the vote, which ends the poll soon.
  assert.match(await node('weigh.mjs'), /^may not propose: PollOpen, votes with \d+$/m);
  const [, ayes, nays, total] = /^ayes (\d+) nays (\d+) of (\d+)$/m.exec(await node('vote.mjs', '0', 'aye'));
  assert.equal(nays, '0');
  assert.ok(Math.abs(ayes / total - WEIGHTS[0] / 100_000_000) < 0.001);
  await ends(chain.api, 0, 'Approved');
});
