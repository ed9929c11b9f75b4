// SPDX-License-Identifier: Apache-2.0
// The model that genesis registers.
const NAME = 'SmolLM2-135M-Instruct';

/** Name and id of the model that demo and tests ask. */
export async function findModel(node) {
  const models = await node.rpc('compute_models');
  const model = models.find(({ name, active }) => active && name === NAME);
  if (!model) throw new Error(`the chain knows no active model ${NAME}, but ${models.map(({ name }) => name).join(', ') || 'none at all'}`);
  return { id: model.id, name: model.name };
}
