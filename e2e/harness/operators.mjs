// SPDX-License-Identifier: Apache-2.0
// What an operator's own key does.
import { send } from './chain.mjs';
import { waitFor } from './wait.mjs';

/** Lets an active operator drain until it may leave: when it is on no list any more from which somebody could be drawn. */
export async function drain({ api, node }, operator) {
  await send(api, api.tx.workers.drain(), operator);
  await waitFor('being on no list', 60, async () => {
    const entry = (await api.query.workers.operators(operator.address)).unwrap();
    return (await node.bestNumber()) >= entry.offLists.toNumber();
  });
}
