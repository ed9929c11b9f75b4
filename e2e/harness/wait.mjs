// SPDX-License-Identifier: Apache-2.0
// Waiting that says what it waits for, gives up in time and notices when a process dies meanwhile.
import { setTimeout as sleep } from 'node:timers/promises';
import { findDead, logTails } from './process.mjs';

const PROGRESS_MS = 15_000;

/** What a wait or a run fails with: the reason, then the end of every log. */
export class HarnessError extends Error {
  constructor(reason) {
    super(`${reason}\n${logTails()}`);
    this.name = 'HarnessError';
    this.reason = reason;
  }
}

/** A line of progress, with the seconds since the process began. */
export function say(line) {
  console.log(`[${String(Math.round(performance.now() / 1000)).padStart(4)} s] ${line}`);
}

/**
 * Calls `probe` until it gives something other than undefined, null or false, and returns that.
 * @param {string} what what is waited for, as it stands in progress lines and in the error
 * @param {number} seconds how long at most
 * @param {() => any} probe may be asynchronous; an exception ends the wait
 * @param {{ every?: number, note?: () => string }} options pause between two probes in milliseconds; how far things are
 */
export async function waitFor(what, seconds, probe, { every = 300, note = () => '' } = {}) {
  const start = performance.now();
  let nextLine = PROGRESS_MS;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== null && found !== false) return found;
    const dead = findDead();
    if (dead) throw new HarnessError(`${dead} while waiting for ${what}`);
    const elapsed = performance.now() - start;
    const detail = note() ? ` (${note()})` : '';
    if (elapsed > seconds * 1000) throw new HarnessError(`no ${what} within ${seconds} s${detail}`);
    if (elapsed > nextLine) {
      say(`waiting for ${what}: ${Math.round(elapsed / 1000)} of at most ${seconds} s${detail}`);
      nextLine += PROGRESS_MS;
    }
    await sleep(every);
  }
}
