// SPDX-License-Identifier: Apache-2.0
// What went into blocks and what it took, counted from extrinsics and events and not from the quota's own books.

/** Picoseconds in a point. */
const PICOSECONDS = 1_000_000;

/** Points that a normal transaction may take of a block, in all. */
export const normalPoints = (api) => api.consts.system.blockWeights.perClass.normal.maxTotal.unwrap().refTime.toNumber() / PICOSECONDS;

/**
 * Reads the blocks from `first` to `last`.
 * @returns {Promise<{ number: number, fullness: number, claimed: number, transactions: object[] }[]>}
 *   `fullness` is the share of the normal weight that was used, `claimed` what the quota says that newcomers and changed votes used;
 *   a transaction has `hash`, `account`, `points` and `ok`
 */
export async function readBlocks(api, first, last) {
  const blocks = [];
  for (let number = first; number <= last; number++) blocks.push(await readBlock(api, number));
  return blocks;
}

async function readBlock(api, number) {
  const at = await api.rpc.chain.getBlockHash(number);
  const [{ block }, state] = await Promise.all([api.rpc.chain.getBlock(at), api.at(at)]);
  const [events, weight, newcomers] = await Promise.all([
    state.query.system.events(),
    state.query.system.blockWeight(),
    state.query.quota.newcomersInBlock(),
  ]);
  const outcomes = new Map();
  for (const { phase, event } of events) {
    if (event.section !== 'system' || !['ExtrinsicSuccess', 'ExtrinsicFailed'].includes(event.method)) continue;
    outcomes.set(phase.asApplyExtrinsic.toNumber(), { ok: event.method === 'ExtrinsicSuccess', weight: event.data.dispatchInfo.weight });
  }
  const transactions = block.extrinsics.flatMap((extrinsic, index) => {
    if (!extrinsic.isSigned) return [];
    const { ok, weight: used } = outcomes.get(index);
    const points = used.refTime.toNumber() / PICOSECONDS + extrinsic.encodedLength;
    return [{ hash: extrinsic.hash.toHex(), account: extrinsic.signer.toString(), points, ok }];
  });
  return {
    number,
    fullness: weight.normal.refTime.toNumber() / PICOSECONDS / normalPoints(api),
    claimed: newcomers.block.eqn(number) ? newcomers.points.toNumber() : 0,
    transactions,
  };
}
