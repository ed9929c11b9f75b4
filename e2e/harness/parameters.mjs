// SPDX-License-Identifier: Apache-2.0
// What governance has chosen.

/** The parameter `Work::name` as it is stored, for instance `Quota`. */
export async function readParameter(api, name) {
  const entries = await api.query.parameters.parameters.entries();
  return entries.map(([, value]) => value.unwrap().asWork).find(({ type }) => type === name).inner;
}

/** The extrinsic that sets it. */
export const setParameter = (api, name, value) => api.tx.parameters.setParameter({ Work: { [name]: [{}, value] } });
