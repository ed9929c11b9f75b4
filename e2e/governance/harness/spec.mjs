// SPDX-License-Identifier: Apache-2.0
// A development chain's specification, with the genesis that governance is tested on.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, temporaryFolder } from '../../harness/process.mjs';
import { nodeBinary } from '../../harness/settings.mjs';

/** A field as `change` says: a value, or a function of the preset's. */
const changed = (preset, change) => (typeof change === 'function' ? change(preset) : change);

/**
 * Writes the specification of the dev chain, its genesis changed by `patch` (pallet by pallet, field by field; a function is given the preset's
 * value), and gives the file's path.
 * @param {object} patch for instance `{ rankedCollective: { guardian: [address, 100] } }`
 * @param {Buffer} [code] a public network's runtime, which has no sudo
 */
export async function writeSpec(patch, code) {
  const file = join(temporaryFolder('spec'), 'spec.json');
  const { exitCode, output } = await run(nodeBinary(), ['export-chain-spec', '--chain', 'dev', '--output', file]);
  if (exitCode !== 0) throw new Error(`the node exports no chain specification: ${output}`);
  const spec = JSON.parse(readFileSync(file, 'utf8'));
  const genesis = spec.genesis.runtimeGenesis.patch;
  if (code) {
    spec.genesis.runtimeGenesis.code = `0x${code.toString('hex')}`;
    delete genesis.sudo;
  }
  for (const [pallet, fields] of Object.entries(patch)) {
    const changes = Object.entries(fields).map(([field, change]) => [field, changed(genesis[pallet]?.[field], change)]);
    genesis[pallet] = { ...genesis[pallet], ...Object.fromEntries(changes) };
  }
  writeFileSync(file, JSON.stringify(spec));
  return file;
}
