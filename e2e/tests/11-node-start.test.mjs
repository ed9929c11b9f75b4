// SPDX-License-Identifier: Apache-2.0
// What a node says that can't start: what is wrong, where, and the way out.
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { startNode } from '../harness/node.mjs';
import { run, stopAll, temporaryFolder } from '../harness/process.mjs';
import { nodeBinary } from '../harness/settings.mjs';
import { timeout } from '../harness/test.mjs';

after(stopAll);

const QUIET = ['--no-telemetry', '--no-mdns'];
const FREE = ['--rpc-port', '0', '--port', '0', '--no-prometheus', ...QUIET];

/** Runs a node that must not start, and gives what it says. */
async function refusal(...args) {
  const { exitCode, output } = await run(nodeBinary(), args.map(String));
  assert.equal(exitCode, 1, output);
  // Lines of the log may come after it.
  const said = /^Error: [^]*?(?=\n\d{4}-\d\d-\d\d |$(?![^]))/m.exec(output)?.[0];
  assert.ok(said, output);
  // As `Debug` prints it.
  assert.doesNotMatch(said, /Error: \w+\(|\w+ \{ \w+:/);
  return said;
}

test('a validator without a chain is refused', { timeout }, async () => {
  for (const role of ['--validator', '--alice']) assert.match(await refusal(role, '--tmp', ...FREE), /a validator has to name its chain: --chain/);
});

test('a validator without a network key is told the command that makes one', { timeout }, async () => {
  const base = temporaryFolder('base');
  const said = await refusal('--chain', 'local', '--validator', '--base-path', base, ...FREE);
  const key = join(base, 'chains/local/network/secret_ed25519');
  assert.ok(said.includes(`there is none at ${key}`), said);
  const command = said.split('\n').find((line) => line.includes('generate-node-key')).trim();
  const { exitCode, output } = await run('bash', ['-c', command], { env: { PATH: `${dirname(nodeBinary())}:${process.env.PATH}` } });
  assert.equal(exitCode, 0, output);
  assert.ok(existsSync(key));
  const again = await refusal('key', 'generate-node-key', '--base-path', base, '--chain', 'local');
  assert.ok(again.includes(`there is a network key at ${key} already`), again);
});

test('a port that is taken is named, with the option that chooses another', { timeout }, async () => {
  const node = await startNode({ args: ['--dev', '--tmp', '--prometheus-port', '0'] });
  await node.metrics();
  const metricsPort = node.process.find(/Prometheus exporter started at 127\.0\.0\.1:(\d+)/)[1];
  const [, port] = /\/tcp\/(\d+)/.exec(await node.address());
  const second = (...args) => refusal('--dev', '--tmp', ...args, ...QUIET);
  assert.match(
    await second('--rpc-port', node.rpcPort, '--port', 0, '--no-prometheus'),
    new RegExp(`port ${node.rpcPort} for JSON-RPC is taken: .* --rpc-port`),
  );
  assert.match(
    await second('--rpc-port', 0, '--port', port, '--no-prometheus'),
    new RegExp(`port ${port} for the network is taken: .* --port`),
  );
  assert.match(
    await second('--rpc-port', 0, '--port', 0, '--prometheus-port', metricsPort),
    new RegExp(`port ${metricsPort} for Prometheus is taken: .* --prometheus-port`),
  );
});

test('a file or folder that can not be used is named', { timeout }, async () => {
  const folder = temporaryFolder('base');
  const file = join(folder, 'file');
  writeFileSync(file, 'not what is looked for');
  assert.ok((await refusal('--chain', join(folder, 'no.json'), ...FREE)).includes(join(folder, 'no.json')));
  assert.ok((await refusal('--chain', file, ...FREE)).includes(file));
  assert.ok((await refusal('--chain', 'local', '--base-path', file, ...FREE)).includes(file));
  assert.ok((await refusal('--chain', 'local', '--tmp', '--node-key-file', file, ...FREE)).includes(file));
  const insert = ['--key-type', 'babe', '--scheme', 'sr25519', '--suri', '//Alice'];
  assert.ok((await refusal('key', 'insert', '--chain', 'local', '--base-path', file, ...insert)).includes(file));
  assert.ok((await refusal('import-blocks', join(folder, 'no-blocks'), '--chain', 'local', '--base-path', join(folder, 'new'))).includes('no-blocks'));
  const base = temporaryFolder('used');
  const node = await startNode({ args: ['--dev', '--base-path', base] });
  const said = await refusal('--dev', '--base-path', base, ...FREE);
  assert.ok(said.includes(join(base, 'chains/dev/paritydb/full')) && said.includes('another --base-path'), said);
  await node.process.stop();
});

test('help teaches how to start', { timeout }, async () => {
  const { output } = await run(nodeBinary(), ['--help']);
  for (const part of ['ergon-node --dev', 'key generate-node-key --chain', '--validator --name', 'no protection']) assert.ok(output.includes(part), part);
});
