// SPDX-License-Identifier: Apache-2.0
// What every test file shares: it stops what it started, and it fails before a hang would.
import { after, before } from 'node:test';
import { connect, devKey } from './chain.mjs';
import { findModel } from './models.mjs';
import { startNode } from './node.mjs';
import { stopAll } from './process.mjs';

/** Time for one test; every wait in it has a shorter limit of its own. */
export const timeout = 600_000;

/**
 * A development chain for the tests of one file: `node`, `api`, `model` (its id) and `requester` (Alice) once the tests run.
 * @param {object} options for {@link startNode}
 * @param {(chain: object) => any} prepare runs before the first test
 */
export function useDevChain(options = {}, prepare = () => {}) {
  const chain = {};
  before(async () => {
    chain.node = await startNode(options);
    await chain.connect();
    chain.model = (await findModel(chain.node)).id;
    chain.requester = await devKey('//Alice');
    await prepare(chain);
  });
  after(stopAll);
  chain.connect = async () => (chain.api = await connect(chain.node.url));
  return chain;
}
