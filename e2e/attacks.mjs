// SPDX-License-Identifier: Apache-2.0
// Runs the attacks of this folder against a real node, and says how many succeed: none, if all is well.
import { readdirSync } from 'node:fs';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const folder = new URL('attacks/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.test.mjs')).sort().map((name) => new URL(name, folder).pathname);
const found = { attacks: 0, succeed: 0 };
const isAttack = ({ nesting, details }) => nesting === 0 && details?.type !== 'suite';
const tests = run({ files, concurrency: 2 });
tests.on('test:pass', (event) => isAttack(event) && found.attacks++);
tests.on('test:fail', (event) => isAttack(event) && (found.attacks++, found.succeed++));
tests.compose(spec).pipe(process.stdout);
await new Promise((resolve) => tests.once('end', resolve));
console.log(`attacks: ${found.succeed} of ${found.attacks} succeed`);
process.exitCode = found.succeed > 0 || found.attacks < files.length ? 1 : 0;
