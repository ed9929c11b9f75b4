// SPDX-License-Identifier: Apache-2.0
// Child processes with captured logs, and temporary folders; nothing of it survives this process.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { keepFiles } from './settings.mjs';

const TAIL_LINES = 25;
const KEPT_LINES = 2_000;
const STOP_MS = 20_000;

/** Processes that were started, dead ones included, in order. */
const started = new Set();
const folders = new Set();
const farewells = [];

/** A running program with its log. */
export class Process {
  /** Last lines of standard output and standard error together. */
  lines = [];
  /** `undefined` while it runs, then how it ended. */
  ending;
  /** Whether its end is in order. */
  mayEnd = false;

  constructor(name, file, args, { logFolder, env = {} }) {
    this.name = name;
    this.logFile = join(logFolder, `${name}.log`);
    const log = createWriteStream(this.logFile, { flags: 'a' });
    this.child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1', ...env } });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        log.write(`${line}\n`);
        this.lines.push(line);
        if (this.lines.length > KEPT_LINES) this.lines.shift();
      });
    }
    this.ended = new Promise((resolve) => {
      const end = (how) => {
        this.ending = how;
        // A log that is still to be opened or written needs its folder.
        log.end(resolve);
      };
      this.child.on('error', (error) => this.child.pid === undefined && end(`could not be started: ${error.message}`));
      this.child.on('close', (code, signal) => {
        if (this.ending !== undefined) return;
        this.exitCode = code;
        end(signal ? `was ended by ${signal}` : `ended with exit code ${code}`);
      });
    });
    started.add(this);
  }

  /** The end of its log, for an error message. */
  tail(count = TAIL_LINES) {
    return this.lines.slice(-count).map((line) => `  ${this.name} | ${line}`).join('\n');
  }

  /** The match of `pattern` in the first kept line of its log that has one. */
  find(pattern) {
    for (const line of this.lines) {
      const match = pattern.exec(line);
      if (match) return match;
    }
    return undefined;
  }

  /** Ends it in order (SIGTERM), by force if it doesn't obey. */
  async stop() {
    this.mayEnd = true;
    if (this.ending === undefined) this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await this.ended;
    clearTimeout(timer);
    started.delete(this);
  }

  /** Ends it as a power cut would. */
  async kill() {
    this.mayEnd = true;
    this.child.kill('SIGKILL');
    await this.ended;
    started.delete(this);
  }
}

/** Runs a program to its end and gives its exit code and everything it printed. */
export async function run(file, args, options = {}) {
  const child = new Process('command', file, args, { logFolder: temporaryFolder('command'), ...options });
  child.mayEnd = true;
  await child.ended;
  started.delete(child);
  if (child.exitCode === undefined) throw new Error(`${file} ${child.ending}`);
  return { exitCode: child.exitCode, output: child.lines.join('\n') };
}

/** Says which process ended without being asked to, if one did. */
export function findDead() {
  for (const { name, ending, mayEnd } of started) if (ending !== undefined && !mayEnd) return `${name} ${ending}`;
  return undefined;
}

/** The ends of all logs. */
export const logTails = () => [...started].map((process) => process.tail()).filter(Boolean).join('\n');

/** Has `stopAll` call this before it stops any process. */
export const beforeStop = (farewell) => farewells.push(farewell);

/** Stops everything that still runs, last started first, and removes what it left behind. */
export async function stopAll() {
  for (const farewell of farewells.splice(0)) await farewell();
  for (const process of [...started].reverse()) await process.stop();
  removeFolders();
}

/** A folder that goes away at the end. */
export function temporaryFolder(name) {
  const folder = mkdtempSync(join(tmpdir(), `ergon-${name}-`));
  folders.add(folder);
  return folder;
}

function removeFolders() {
  if (keepFiles) {
    if (folders.size) console.log(`kept: ${[...folders].join(' ')}`);
  } else {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  }
  folders.clear();
}

process.on('exit', () => {
  for (const { child, ending } of started) if (ending === undefined) child.kill('SIGKILL');
  removeFolders();
});
// A test runner or npm that is killed takes nobody along.
const parent = process.ppid;
setInterval(() => process.ppid !== parent && process.exit(1), 1_000).unref();
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) process.on(signal, () => process.exit(code));
