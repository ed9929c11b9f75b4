// SPDX-License-Identifier: Apache-2.0
// Running nodes and asking them by JSON-RPC over HTTP.
import { Process, freePorts, temporaryFolder } from './process.mjs';
import { nodeBinary } from './settings.mjs';
import { waitFor } from './wait.mjs';

// Compiling the runtime takes seconds, and several times that on busy cores.
const START_SECONDS = 120;

/** A running node. */
export class Node {
  constructor(name, args, [rpcPort, port], folder) {
    this.name = name;
    this.args = args;
    this.ports = [rpcPort, port];
    this.folder = folder;
    this.url = `ws://127.0.0.1:${rpcPort}`;
    const common = ['--rpc-port', rpcPort, '--port', port, '--no-prometheus', '--no-telemetry', '--no-mdns'];
    this.process = new Process(name, nodeBinary(), [...args, ...common.map(String)], { logFolder: folder });
  }

  /** Calls a method; an error of the node becomes an exception with its message and data. */
  async rpc(method, ...params) {
    const response = await fetch(this.url.replace('ws', 'http'), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    const { result, error } = await response.json();
    if (error) throw new Error(`${method}: ${error.code}: ${error.message}: ${JSON.stringify(error.data ?? '')}`);
    return result;
  }

  /** Number of the newest block. */
  async bestNumber() {
    return Number((await this.rpc('chain_getHeader')).number);
  }

  /** Number of the newest finalized block. */
  async finalizedNumber() {
    return Number((await this.rpc('chain_getHeader', await this.rpc('chain_getFinalizedHead'))).number);
  }

  /** Ends it in order and starts it again with the same database and ports. */
  async restart() {
    await this.process.stop();
    return ready(new Node(this.name, this.args, this.ports, this.folder));
  }
}

async function ready(node) {
  await waitFor(`answer of ${node.name} at ${node.url}`, START_SECONDS, () => node.rpc('system_health').catch(() => undefined));
  return node;
}

/** Starts a node on free ports; it answers when this returns. */
export async function startNode({ name = 'node', args = ['--dev', '--tmp'] } = {}) {
  return ready(new Node(name, args, await freePorts(2), temporaryFolder(name)));
}
