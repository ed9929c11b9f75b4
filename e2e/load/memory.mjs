// SPDX-License-Identifier: Apache-2.0
// Memory of a process, as Linux tells it.
import { readFileSync } from 'node:fs';

const SAMPLE_MS = 100;

/** A field of `/proc/<pid>/status`, such as `VmRSS`, in MiB. */
function read(pid, field) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)[1]) / 1024;
}

/**
 * Watches how much memory a process has in use from now on.
 * @returns {() => { before: number, peak: number, ever: number }} ends it and gives MiB: at first, at most since then, at most since the process began
 */
export function watchMemory(pid) {
  const before = read(pid, 'VmRSS');
  let peak = before;
  const sample = () => (peak = Math.max(peak, read(pid, 'VmRSS')));
  const timer = setInterval(sample, SAMPLE_MS);
  return () => {
    clearInterval(timer);
    sample();
    return { before, peak, ever: read(pid, 'VmHWM') };
  };
}
