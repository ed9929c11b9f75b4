// SPDX-License-Identifier: Apache-2.0
// The page: loads the model once, and computes at every press of the button.
import { fetchProgram, openDevice } from './program.js';
import { Sequence } from './sequence.js';
import { selftest } from './selftest.js';

const element = (id) => document.getElementById(id);
const show = (id, text) => (element(id).textContent = text);

function showProgress(what, share) {
  show('status', share < 1 ? what : '');
  element('progress').hidden = share >= 1;
  element('progress').value = share;
}

function showError(error) {
  element('progress').hidden = true;
  element('status').className = 'error';
  show('status', error.message);
}

/** Fetched when it is needed first, and kept. */
let loaded;
function load() {
  loaded ??= fetchProgram('program', (share) => showProgress('Loading the model…', share));
  return loaded;
}

async function compute(prefill, decode) {
  const { program, contents } = await load();
  const { manifest, capacity } = program;
  if (prefill + decode > capacity) throw new Error(`this model was written for ${capacity} tokens in all`);
  show('model', `${manifest.name}, ${manifest.dimensions.layers} layers, weights ${manifest.weights_root}`);
  show('command', `ergon-worker selftest --layers ${manifest.dimensions.layers} --prefill ${prefill} --decode ${decode}`);
  const { device, name } = await openDevice();
  show('adapter', name);
  try {
    const lost = device.lost.then(({ message }) => Promise.reject(new Error(`the adapter was lost: ${message}`)));
    const work = async () => {
      showProgress('Compiling the kernels…', 0);
      const sequence = await Sequence.open(device, program, contents);
      const began = performance.now();
      const result = await selftest(sequence, manifest.dimensions.vocabulary, prefill, decode, (share) => showProgress('Computing…', share));
      return { ...result, seconds: (performance.now() - began) / 1000 };
    };
    return await Promise.race([work(), lost]);
  } finally {
    device.destroy();
  }
}

element('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  element('run').disabled = true;
  element('status').className = '';
  show('digest', '–');
  try {
    const { digest, chosen, seconds } = await compute(element('prefill').valueAsNumber, element('decode').valueAsNumber);
    show('tokens', chosen.join(' '));
    show('time', `${seconds.toFixed(2)} s`);
    show('digest', digest);
  } catch (error) {
    showError(error);
  } finally {
    element('run').disabled = false;
  }
});
