// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { lyingGguf } from '../harness/artifact.mjs';
import { run, stopAll, temporaryFolder } from '../harness/process.mjs';
import { modelArtifact, workerBinary } from '../harness/settings.mjs';
import { timeout } from '../harness/test.mjs';

after(stopAll);
const folder = temporaryFolder('files');

/** Expects a failure that names the file and says what is wrong with it, and neither a panic nor a leftover. */
async function refuses(args, file, reason) {
  const { exitCode, output } = await run(workerBinary(), args);
  assert.notEqual(exitCode, 0, output);
  assert.doesNotMatch(output, /panicked/);
  assert.ok(output.includes(file), output);
  assert.match(output, reason);
}

function written(name, bytes) {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

test('a GGUF file whose header lies is refused by the import, which leaves nothing behind', { timeout }, async () => {
  const file = written('lying.gguf', lyingGguf());
  const out = join(folder, 'out.ergon');
  await refuses(['model', 'import', file, '--out', out], file, /is malformed: 2305843009213693952 entries are announced at byte 8, but only 8 bytes are left/);
  assert.ok(!existsSync(out));
});

test('an artifact that was cut off is refused', { timeout }, async () => {
  const file = join(folder, 'cut.ergon');
  copyFileSync(modelArtifact(), file);
  truncateSync(file, 1_000_000);
  await refuses(['model', 'info', file], file, /no valid safetensors file \(.*file not fully covered\)/);
});

test('an artifact whose header claims more than the file is refused', { timeout }, async () => {
  const file = written('lying.ergon', Buffer.alloc(64, 0xff));
  await refuses(['model', 'info', file], file, /no valid safetensors file \(header too large\)/);
});

test('a file that is no artifact is refused', { timeout }, async () => {
  const file = written('text.ergon', 'not a model\n');
  await refuses(['model', 'info', file], file, /no valid safetensors file/);
});
