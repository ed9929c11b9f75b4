// SPDX-License-Identifier: Apache-2.0
// Model artifacts that are wrong in one place.
import { closeSync, constants, copyFileSync, openSync, readSync, writeSync } from 'node:fs';

/** Reads a safetensors header: where each tensor's bytes begin and end in the file. */
function tensors(file) {
  const length = Buffer.alloc(8);
  readSync(file, length, 0, 8, 0);
  const header = Buffer.alloc(Number(length.readBigUInt64LE()));
  readSync(file, header, 0, header.length, 8);
  const start = 8 + header.length;
  const places = JSON.parse(header.toString('utf8'));
  delete places.__metadata__;
  return Object.fromEntries(Object.entries(places).map(([name, { data_offsets: [from, to] }]) => [name, [start + from, start + to]]));
}

/**
 * Copies an artifact and changes one weight: the first of at least 64 in `tensor` becomes smaller by 64. It is made smaller, so that the bounds
 * proven at import still hold and nothing but the model's root can show it.
 */
export function copyWithFlippedWeight(source, target, tensor = 'layers.0.down.weight') {
  copyFileSync(source, target, constants.COPYFILE_FICLONE);
  const file = openSync(target, 'r+');
  try {
    const place = tensors(file)[tensor];
    if (!place) throw new Error(`${source} has no tensor ${tensor}`);
    const bytes = Buffer.alloc(place[1] - place[0]);
    readSync(file, bytes, 0, bytes.length, place[0]);
    const at = bytes.findIndex((byte) => byte >= 64 && byte < 128);
    if (at < 0) throw new Error(`${tensor} has no weight of at least 64`);
    writeSync(file, Buffer.from([bytes[at] - 64]), 0, 1, place[0] + at);
  } finally {
    closeSync(file);
  }
}

/** Bytes of a GGUF file (little endian, version 3) whose header claims more tensors than any file could hold. */
export function lyingGguf() {
  const header = Buffer.alloc(24);
  header.write('GGUF', 'latin1');
  header.writeUInt32LE(3, 4);
  header.writeBigUInt64LE(2n ** 61n, 8); // tensors
  header.writeBigUInt64LE(0n, 16); // key-value pairs
  return header;
}
