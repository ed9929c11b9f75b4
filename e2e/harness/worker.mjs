// SPDX-License-Identifier: Apache-2.0
// Running workers, each with an operator and a hot key of its own. Genesis sponsors //Worker1 to //Worker9.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { devKey } from './chain.mjs';
import { Process, run, temporaryFolder } from './process.mjs';
import { modelArtifact, workerBinary } from './settings.mjs';
import { waitFor } from './wait.mjs';

// Checking the artifact's root takes a second or two; several workers starting at once on two cores take longer.
const REGISTER_SECONDS = 120;

/** A worker: its identity and settings, whether it runs or not. */
export class Worker {
  /**
   * @param {{ name: string, number?: number, node: string, backend?: string, adapter?: string, artifact?: string, trustArtifact?: boolean,
   *   operatorUri?: string, hotUri?: string, more?: object }} options
   *   `number` chooses the operator `//Worker{number}` unless `operatorUri` names another; `more` are more settings
   */
  static async create(options) {
    const { name, number, node, backend = 'cpu', adapter, artifact = modelArtifact(), trustArtifact = false, more = {} } = options;
    const { operatorUri = `//Worker${number}`, hotUri = `${operatorUri}//hot` } = options;
    const worker = new Worker();
    Object.assign(worker, { name, backend, folder: temporaryFolder(`worker-${name}`) });
    worker.operator = await devKey(operatorUri);
    worker.hot = await devKey(hotUri);
    worker.writeKey('operator.key', operatorUri);
    worker.writeKey('hot.key', hotUri);
    const settings = {
      node,
      'hot-key': 'hot.key',
      'operator-key': 'operator.key',
      model: [artifact],
      backend,
      ...(adapter && { adapter }),
      'data-dir': 'data',
      'trust-artifact': trustArtifact,
      ...more,
    };
    // Strings, numbers, booleans and lists of strings are written alike in JSON and TOML.
    const toml = Object.entries(settings).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`);
    writeFileSync(worker.config, toml.join(''));
    return worker;
  }

  get config() {
    return join(this.folder, 'worker.toml');
  }

  writeKey(file, secret) {
    const path = join(this.folder, file);
    if (!existsSync(path)) writeFileSync(path, `${secret}\n`, { mode: 0o600 });
  }

  /** Starts it, or starts it again with what it kept on disk. */
  start() {
    this.process = new Process(`worker-${this.name}`, workerBinary(), ['run', '--config', this.config], { logFolder: this.folder });
    return this;
  }

  /** Waits until the chain lists it as active. */
  async registered(api) {
    await waitFor(`registration of worker ${this.name}`, REGISTER_SECONDS, async () => {
      const entry = await api.query.workers.operators(this.operator.address);
      return entry.isSome && entry.unwrap().status.isActive;
    });
    return this;
  }
}

/** Starts several workers at once and waits until all of them are registered. */
export async function startWorkers(api, options) {
  const workers = await Promise.all(options.map((each) => Worker.create(each)));
  workers.forEach((worker) => worker.start());
  await Promise.all(workers.map((worker) => worker.registered(api)));
  return workers;
}

/** Number of the adapter to test wgpu on: a real GPU if there is one, else llvmpipe, the faster of the software renderers. */
export async function wgpuAdapter() {
  const { output } = await run(workerBinary(), ['adapters']);
  const adapters = output.split('\n').filter((line) => /^\d+ /.test(line));
  const best = adapters.find((line) => !line.includes('Software')) ?? adapters.find((line) => line.includes('llvmpipe')) ?? adapters[0];
  if (!best) throw new Error(`wgpu finds no adapter. On Debian, 'apt-get install mesa-vulkan-drivers' gives one without a GPU.\n${output}`);
  return best.split(' ')[0];
}
