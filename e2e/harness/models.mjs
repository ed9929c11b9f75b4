// SPDX-License-Identifier: Apache-2.0
// The model that genesis registers.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { modelArtifact, workerBinary } from './settings.mjs';

const NAME = 'SmolLM2-135M-Instruct';

/** Name and id of the model that demo and tests ask. */
export async function findModel(node) {
  const models = await node.rpc('compute_models');
  const model = models.find(({ name, active }) => active && name === NAME);
  if (!model) throw new Error(`the chain knows no active model ${NAME}, but ${models.map(({ name }) => name).join(', ') || 'none at all'}`);
  return { id: model.id, name: model.name };
}

/** What the model's chat template makes of a user's message: the prompt, to the byte. */
export async function chatPrompt(message) {
  const { stdout } = await promisify(execFile)(workerBinary(), ['prompt', '--model', modelArtifact(), '--chat', message]);
  return stdout;
}
