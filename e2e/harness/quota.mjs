// SPDX-License-Identifier: Apache-2.0
// What calls cost, as the node estimates it.

/** Points that a signed extrinsic, in hexadecimal, costs its account. */
export const costOf = async (node, extrinsic) => (await node.rpc('compute_estimate', extrinsic)).points;

/**
 * The size of a call that costs `points`, but for some that encoding its size takes. Its cost grows with its size at a constant rate, and `sign` gives a
 * signed extrinsic of any size.
 * @param {(size: number) => string | Promise<string>} sign
 */
export async function sizeThatCosts(node, points, sign) {
  const [few, many] = [100, 200];
  const [least, more] = await Promise.all([few, many].map(async (size) => costOf(node, await sign(size))));
  return few + Math.floor(((points - least) * (many - few)) / (more - least));
}
