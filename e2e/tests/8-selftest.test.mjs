// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { run, stopAll } from '../harness/process.mjs';
import { modelArtifact, workerBinary } from '../harness/settings.mjs';
import { timeout } from '../harness/test.mjs';

after(stopAll);

test('the self-test finds equal digests on the CPU and on at least two Vulkan adapters', { timeout }, async (t) => {
  // A short piece, for the slowest adapter is a processor that plays a GPU.
  const { exitCode, output } = await run(workerBinary(), ['selftest', '--model', modelArtifact(), '--prefill', '4', '--decode', '1']);
  assert.equal(exitCode, 0, output);
  const digests = [...output.matchAll(/^(0x[0-9a-f]{64}) (cpu|wgpu) /gm)].map(([, digest, backend]) => ({ digest, backend }));
  assert.equal(new Set(digests.map(({ digest }) => digest)).size, 1, output);
  assert.ok(digests.some(({ backend }) => backend === 'cpu'), output);
  assert.match(output, new RegExp(`^${digests.length} equal digests$`, 'm'));
  const vulkan = digests.filter(({ backend }) => backend === 'wgpu').length;
  if (vulkan < 2 && !process.env.CI) return t.skip(`of the Vulkan adapters it needs two; this machine has ${vulkan}`);
  assert.ok(vulkan >= 2, output);
});
