// SPDX-License-Identifier: Apache-2.0
// The page of gpu-worker/web in a real browser: a third implementation of WebGPU, beside those that the worker uses.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, test } from 'node:test';
import { copyWithFlippedWeight } from '../harness/artifact.mjs';
import { noBrowser, openPage, serve } from '../harness/browser.mjs';
import { run, stopAll, temporaryFolder } from '../harness/process.mjs';
import { modelArtifact, workerBinary } from '../harness/settings.mjs';
import { timeout } from '../harness/test.mjs';

after(stopAll);
const page = fileURLToPath(new URL('../../gpu-worker/web/', import.meta.url));
const folder = temporaryFolder('browser');
const LAYERS = ['--layers', '2', '--trust-artifact'];
// More tokens than a pass has outputs, so that every path of the page is taken.
const LENGTH = { prefill: 18, decode: 2 };
const options = { timeout, skip: !process.env.CI && noBrowser() };

async function worker(...args) {
  const { exitCode, output } = await run(workerBinary(), args);
  assert.equal(exitCode, 0, output);
  return output;
}

/** Writes the model as a program into a folder of that name; gives the address of the page with it. */
async function publish(name, model) {
  const program = join(folder, name);
  await worker('web', '--model', model, ...LAYERS, '--positions', '32', '--out', program);
  return serve({ '/program/': program, '/': page });
}

/** Presses the button; gives what the page shows in the end. */
async function compute(url) {
  const { page, errors } = await openPage(url);
  await page.fill('#prefill', `${LENGTH.prefill}`);
  await page.fill('#decode', `${LENGTH.decode}`);
  await page.click('#run');
  await page.waitForSelector('#run:not([disabled])', { timeout: 120_000 });
  assert.deepEqual(errors, []);
  const text = (id) => page.textContent(`#${id}`);
  return { digest: await text('digest'), status: await text('status'), adapter: await text('adapter') };
}

test("a browser's WebGPU gives the digest of the self-test", options, async () => {
  const url = await publish('right', modelArtifact());
  const lengths = Object.entries(LENGTH).flatMap(([name, tokens]) => [`--${name}`, `${tokens}`]);
  const selftest = await worker('selftest', '--model', modelArtifact(), ...LAYERS, ...lengths);
  const { digest, status, adapter } = await compute(url);
  assert.equal(status, '');
  assert.match(adapter, /swiftshader/);
  assert.equal(digest, /^(0x[0-9a-f]{64}) cpu /m.exec(selftest)[1]);
  const wrong = join(folder, 'wrong.ergon');
  copyWithFlippedWeight(modelArtifact(), wrong);
  const other = await compute(await publish('wrong', wrong));
  assert.match(other.digest, /^0x[0-9a-f]{64}$/);
  assert.notEqual(other.digest, digest, 'one wrong weight shows');
});

test('a page without a model says what is missing and who writes it', options, async () => {
  const { digest, status } = await compute(await serve({ '/program/': join(folder, 'nowhere'), '/': page }));
  assert.equal(digest, '–');
  assert.match(status, /^program\/program\.json: 404 .*; `make web` writes it$/);
});
