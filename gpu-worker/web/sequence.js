// SPDX-License-Identifier: Apache-2.0
// One sequence of tokens on a device: the protocol that gpu-worker/engine/src/gpu/program.rs describes.
import { compile, encode, makeBuffers } from './program.js';

export class Sequence {
  #device;
  #program;
  #buffers;
  #layers;
  #ends;
  #readback;
  #length = 0;

  /** Puts a program on a device. */
  static async open(device, program, contents) {
    const sequence = new Sequence();
    device.pushErrorScope('out-of-memory');
    device.pushErrorScope('validation');
    const buffers = makeBuffers(device, program, contents);
    const bind = await compile(device, program, buffers);
    sequence.#device = device;
    sequence.#program = program;
    sequence.#buffers = buffers;
    sequence.#layers = [program.pass.embed, ...program.pass.layers].flat().map(bind);
    sequence.#ends = program.outputs.launches.map(bind);
    const size = program.outputs.rows * sequence.#outputBytes().reduce((sum, [, bytes]) => sum + bytes, 0);
    sequence.#readback = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    for (const what of ['the program is not valid here', "the model doesn't fit this adapter"]) {
      const error = await device.popErrorScope();
      if (error) throw new Error(`${what}: ${error.message}`);
    }
    return sequence;
  }

  get length() {
    return this.#length;
  }

  /** Appends tokens and gives the outputs of all of them: `{ exponent, mantissas }` of the final hidden state, and of the logits. */
  async forward(tokens) {
    const { capacity, pass, outputs } = this.#program;
    if (this.#length + tokens.length > capacity) throw new Error(`${this.#length + tokens.length} positions don't fit a sequence of ${capacity}`);
    const positions = [];
    for (const part of chunks(tokens, pass.rows)) {
      this.#run(part);
      const rows = part.map((_, row) => row);
      for (const some of chunks(rows, outputs.rows)) positions.push(...(await this.#outputs(some)));
    }
    return positions;
  }

  #write(number, words) {
    this.#device.queue.writeBuffer(this.#buffers[number], 0, Uint32Array.from(words));
  }

  #run(tokens) {
    const { capacity, page, pass } = this.#program;
    const first = this.#length;
    this.#length += tokens.length;
    // The pages of the sequence stand behind the rows, which all begin at the first of them.
    const rows = tokens.flatMap((_, row) => [first + row, 2 * tokens.length]);
    const pages = Array.from({ length: Math.ceil(this.#length / page) }, (_, number) => number);
    this.#write(pass.tokens, tokens);
    this.#write(pass.table, [...rows, ...pages]);
    this.#write(pass.step, [tokens.length, capacity]);
    this.#submit((encoder) => encode(encoder, this.#layers, tokens.length));
  }

  /** What is read back of each row: the buffer, and its bytes. */
  #outputBytes() {
    const { manifest, outputs } = this.#program;
    return [
      [outputs.exponents, 4],
      [outputs.planes, outputs.plane_bytes],
      [outputs.logits, 4 * manifest.dimensions.vocabulary],
    ];
  }

  async #outputs(rows) {
    const { outputs } = this.#program;
    this.#write(outputs.step, [rows.length, 0]);
    const places = [];
    this.#submit((encoder) => {
      for (const { from, to, bytes } of outputs.wanted) {
        rows.forEach((row, index) => encoder.copyBufferToBuffer(this.#buffers[from], row * bytes, this.#buffers[to], index * bytes, bytes));
      }
      encode(encoder, this.#ends, rows.length);
      let end = 0;
      for (const [number, bytes] of this.#outputBytes()) {
        encoder.copyBufferToBuffer(this.#buffers[number], 0, this.#readback, end, rows.length * bytes);
        places.push([end, bytes]);
        end += rows.length * bytes;
      }
    });
    await this.#readback.mapAsync(GPUMapMode.READ);
    const data = this.#readback.getMappedRange().slice(0);
    this.#readback.unmap();
    return rows.map((_, index) => this.#position(places.map(([start, bytes]) => data.slice(start + index * bytes, start + (index + 1) * bytes))));
  }

  #position([exponents, planes, logits]) {
    const { manifest, outputs } = this.#program;
    const bytes = new Int8Array(planes);
    const half = bytes.length / 2;
    const [exponent] = new Int32Array(exponents);
    const mantissas = Int16Array.from({ length: manifest.dimensions.hidden }, (_, at) => 256 * bytes[at] + bytes[half + at]);
    return {
      hidden: { exponent, mantissas },
      logits: { exponent: exponent + outputs.logits_shift, mantissas: new Int32Array(logits) },
    };
  }

  #submit(record) {
    const encoder = this.#device.createCommandEncoder();
    record(encoder);
    this.#device.queue.submit([encoder.finish()]);
  }
}

function chunks(items, size) {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));
}
