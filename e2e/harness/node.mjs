// SPDX-License-Identifier: Apache-2.0
// Running nodes and asking them by JSON-RPC over HTTP.
import { Process, temporaryFolder } from './process.mjs';
import { nodeBinary } from './settings.mjs';
import { waitFor } from './wait.mjs';

// Compiling the runtime takes seconds, and many times that on busy cores.
const START_SECONDS = 240;

/** What a node logs once it listens; it then answers. */
const LISTENS = /Running JSON-RPC server: addr=127\.0\.0\.1:(\d+)/;

/** What it logs once it serves metrics, if it does. */
const MEASURES = /Prometheus exporter started at 127\.0\.0\.1:(\d+)/;

/** A running node. */
export class Node {
  /** Starts it; with port 0 it takes a free one itself, so that nobody can be faster. */
  static async start(name, args, folder, rpcPort = 0) {
    const node = new Node();
    const own = ['--rpc-port', rpcPort, '--port', 0, '--no-telemetry', '--no-mdns'];
    if (!args.includes('--prometheus-port')) own.push('--no-prometheus');
    const process = new Process(name, nodeBinary(), [...args, ...own.map(String)], { logFolder: folder });
    Object.assign(node, { name, args, folder, process });
    node.rpcPort = await waitFor(`start of ${name}`, START_SECONDS, () => process.find(LISTENS)?.[1]);
    node.url = `ws://127.0.0.1:${node.rpcPort}`;
    return node;
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

  /** Its metrics, as text; it has to be started with `--prometheus-port 0`. */
  async metrics() {
    const port = await waitFor(`metrics of ${this.name}`, 30, () => this.process.find(MEASURES)?.[1]);
    return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  }

  /** Number of the newest block. */
  async bestNumber() {
    return Number((await this.rpc('chain_getHeader')).number);
  }

  /** Number of the newest finalized block. */
  async finalizedNumber() {
    return Number((await this.rpc('chain_getHeader', await this.rpc('chain_getFinalizedHead'))).number);
  }

  /** Where other nodes reach it on this machine. */
  async address() {
    const addresses = await this.rpc('system_localListenAddresses');
    return addresses.find((address) => address.startsWith('/ip4/127.0.0.1/'));
  }

  /** Ends it in order and starts it again with the same database and the same URL. */
  async restart() {
    await this.process.stop();
    return Node.start(this.name, this.args, this.folder, this.rpcPort);
  }
}

/** Starts a node on free ports; it answers when this returns. */
export const startNode = ({ name = 'node', args = ['--dev', '--tmp'] } = {}) => Node.start(name, args, temporaryFolder(name));
