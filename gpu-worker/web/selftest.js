// SPDX-License-Identifier: Apache-2.0
// The digest of `ergon-worker selftest`: BLAKE2b-256 over the hashes of each position's final hidden state and logits, and of each chosen token.
import { blake2b } from '@noble/hashes/blake2.js';

const hash = (bytes) => blake2b(bytes, { dkLen: 32 });

/** Bytes of a typed array, little endian on every machine that has WebGPU. */
const bytesOf = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength);

function hashOfRow({ exponent, mantissas }) {
  const bytes = new Uint8Array(4 + mantissas.byteLength);
  bytes.set(bytesOf(Int32Array.of(exponent)));
  bytes.set(bytesOf(mantissas), 4);
  return hash(bytes);
}

/** Fixed tokens, spread over the vocabulary. */
const prompt = (vocabulary, count) => Array.from({ length: count }, (_, index) => Number((BigInt(index + 1) * 2654435761n) % BigInt(vocabulary)));

/** The token with the largest logit; the first of them if there are several. */
const greedy = ({ mantissas }) => mantissas.reduce((best, mantissa, token) => (mantissa > mantissas[best] ? token : best), 0);

/** Puts a prompt of `prefill` tokens through the model and answers with `decode` tokens; gives the digest and the chosen tokens. */
export async function selftest(sequence, vocabulary, prefill, decode, progress) {
  const parts = [];
  const chosen = [];
  let tokens = prompt(vocabulary, prefill);
  while (sequence.length < prefill + decode) {
    const positions = await sequence.forward(tokens);
    for (const { hidden, logits } of positions) parts.push(hashOfRow(hidden), hashOfRow(logits));
    const token = greedy(positions.at(-1).logits);
    parts.push(hash(bytesOf(Uint32Array.of(token))));
    chosen.push(token);
    tokens = [token];
    progress(sequence.length / (prefill + decode));
  }
  const digest = hash(Uint8Array.from(parts.flatMap((part) => [...part])));
  return { digest: `0x${[...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`, chosen };
}
