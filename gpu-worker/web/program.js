// SPDX-License-Identifier: Apache-2.0
// What `ergon-worker web` wrote, on a device: buffers with their contents, compiled kernels, bound launches.

/** Fetches `program.json` and `program.bin` of a folder; `progress` is told the share of the latter that is here. */
export async function fetchProgram(folder, progress) {
  const program = await (await get(`${folder}/program.json`)).json();
  const response = await get(`${folder}/program.bin`);
  const total = program.buffers.reduce((sum, { contents, bytes }) => (contents === null ? sum : sum + bytes), 0);
  const contents = new Uint8Array(total);
  let end = 0;
  for await (const part of parts(response.body)) {
    if (end + part.length > total) throw new Error(`${folder}/program.bin has more than ${total} bytes: write both files again`);
    contents.set(part, end);
    progress((end += part.length) / total);
  }
  if (end < total) throw new Error(`${folder}/program.bin has ${end} of ${total} bytes: write both files again`);
  return { program, contents };
}

async function get(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}; \`make web\` writes it`);
  return response;
}

/** Not every browser can iterate over a stream. */
async function* parts(stream) {
  const reader = stream.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
}

/** Opens the adapter with the limits that every WebGPU implementation has. */
export async function openDevice() {
  if (!navigator.gpu) throw new Error('this browser has no WebGPU: take a current Chrome, Edge, Safari or Firefox, on https or localhost');
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new Error('this browser gives WebGPU no adapter; its page about GPU support says why');
  const device = await adapter.requestDevice();
  const { vendor, architecture, device: model, description } = adapter.info;
  return { device, name: [vendor, architecture, model, description].filter(Boolean).join(' ') || 'an adapter that does not say its name' };
}

/** Makes the buffers and fills those that have contents. */
export function makeBuffers(device, program, contents) {
  return program.buffers.map(({ bytes, uniform, contents: from }) => {
    const kind = uniform ? GPUBufferUsage.UNIFORM : GPUBufferUsage.STORAGE;
    const buffer = device.createBuffer({ size: bytes, usage: kind | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
    if (from !== null) device.queue.writeBuffer(buffer, 0, contents, from, bytes);
    return buffer;
  });
}

/** Compiles all kernels; gives a function that binds a launch of the program to its buffers. */
export async function compile(device, program, buffers) {
  const compiled = Object.entries(program.kernels).map(async ([name, { source, bindings }]) => {
    const entries = bindings.map((type, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } }));
    const layout = device.createBindGroupLayout({ label: name, entries });
    const module = device.createShaderModule({ label: name, code: source });
    const pipelineLayout = device.createPipelineLayout({ bindGroupLayouts: [layout] });
    const pipeline = await device.createComputePipelineAsync({ label: name, layout: pipelineLayout, compute: { module, entryPoint: 'main' } });
    return [name, { layout, pipeline }];
  });
  const kernels = Object.fromEntries(await Promise.all(compiled));
  return ({ kernel, tile, buffers: numbers, width }) => ({
    kernel: kernels[kernel],
    tile: kernels[tile],
    width,
    bindings: device.createBindGroup({
      layout: kernels[kernel].layout,
      entries: numbers.map((number, binding) => ({ binding, resource: { buffer: buffers[number] } })),
    }),
  });
}

/** Encodes launches for so many rows. */
export function encode(encoder, launches, rows) {
  const pass = encoder.beginComputePass();
  for (const { kernel, tile, width, bindings } of launches) {
    const tiled = tile && rows >= 4;
    const groups = tiled ? Math.ceil(rows / 4) : rows;
    pass.setPipeline((tiled ? tile : kernel).pipeline);
    pass.setBindGroup(0, bindings);
    if (width === null) pass.dispatchWorkgroups(groups);
    else pass.dispatchWorkgroups(width, groups);
  }
  pass.end();
}
