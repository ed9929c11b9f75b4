// SPDX-License-Identifier: Apache-2.0
//! Every operator against `ergon_exact`, on random and extreme inputs, on every Vulkan adapter of this machine.
//!
//! Each runs with the workgroups of a software adapter and with those of a GPU, on sizes that kernels like and on sizes that they don't.
mod attention;
mod encoder;
mod failures;
mod heads;
mod matrices;
mod profile;
mod rows;

use super::{
    cache::{join_planes, layer_page_bytes, words},
    device::Device,
    kernels::{Kernel, Kernels},
    testing::vulkan_adapters,
    weights, Kind,
};
use crate::{backend::PAGE, model::Parts, testing::Random};
use ergon_primitives::manifest::{Architecture, Dimensions};
use std::sync::{LazyLock, Mutex, PoisonError};
use wgpu::Buffer;

/// Mantissa and shift of the attention scores; those of a head of 64.
const SCALE: (i32, i32) = (774_541_002, 32);

const SHAPES: [Dimensions; 2] = [
    Dimensions {
        layers: 1,
        hidden: 576,
        feed_forward: 1536,
        heads: 9,
        kv_heads: 3,
        head_dim: 64,
        vocabulary: 128,
        context: 512,
    },
    Dimensions {
        layers: 1,
        hidden: 36,
        feed_forward: 52,
        heads: 6,
        kv_heads: 3,
        head_dim: 12,
        vocabulary: 76,
        context: 512,
    },
];

/// An open device with the kernels of one shape.
struct Rig {
    device: Device,
    kernels: Kernels,
    d: Dimensions,
}

/// Vulkan devices, opened.
fn devices() -> Vec<Device> {
    let adapters = vulkan_adapters();
    adapters.iter().map(|adapter| Device::open(adapter).unwrap()).collect()
}

/// A rig for every adapter, shape and kind of workgroups: compiling takes longer than checking.
static RIGS: LazyLock<Vec<Mutex<Rig>>> = LazyLock::new(|| {
    let mut rigs = Vec::new();
    for d in SHAPES {
        for kind in [Kind::Software, Kind::Discrete] {
            for mut device in devices() {
                device.kind = kind;
                let kernels = Kernels::new(&device, &d, Parts::of(Architecture::Llama), SCALE).unwrap();
                rigs.push(Mutex::new(Rig { device, kernels, d }));
            }
        }
    }
    rigs
});

/// Runs a check on every rig.
fn on_every_adapter(check: impl Fn(&mut Rig)) {
    for rig in RIGS.iter() {
        // Another test's failure says nothing about this one.
        check(&mut rig.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Rig {
    fn upload<T: bytemuck::NoUninit>(&self, data: &[T]) -> Buffer {
        self.device.upload("test", data).unwrap()
    }

    fn uniform<T: bytemuck::NoUninit>(&self, data: &[T]) -> Buffer {
        self.device.uniform("test", data)
    }

    /// Room for this many `i32`, filled with what no kernel should leave.
    fn room(&self, count: usize) -> Buffer {
        self.upload(&vec![0x5a5a_5a5a; count])
    }

    /// Room for packed rows: byte planes and exponents.
    fn packed_room(&self, rows: usize, width: usize) -> (Buffer, Buffer) {
        (self.room(rows * width.next_multiple_of(16) / 2), self.room(rows))
    }

    fn tables(&self) -> Buffer {
        weights::tables(&self.device, &[1; 32])
    }

    fn run(&self, kernel: &Kernel, buffers: &[&Buffer], (x, y): (u32, u32)) {
        self.device
            .guard("test", || {
                let bindings = kernel.bind(&self.device, buffers);
                let mut encoder = self.device.device.create_command_encoder(&Default::default());
                let mut pass = encoder.begin_compute_pass(&Default::default());
                pass.set_pipeline(&kernel.pipeline);
                pass.set_bind_group(0, &bindings, &[]);
                pass.dispatch_workgroups(x, y, 1);
                drop(pass);
                self.device.queue.submit([encoder.finish()]);
                Ok(())
            })
            .unwrap();
    }

    fn read(&self, buffer: &Buffer) -> Vec<u8> {
        let target = self.device.readback(buffer.size());
        let mut encoder = self.device.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &target, 0, buffer.size());
        self.device.queue.submit([encoder.finish()]);
        self.device.read(&target, buffer.size()).unwrap()
    }

    fn read_i32(&self, buffer: &Buffer) -> Vec<i32> {
        words(&self.read(buffer)).collect()
    }

    /// Rows of `width` int16 mantissas from their byte planes; what fills a row up must be 0.
    fn read_rows(&self, buffer: &Buffer, width: usize) -> Vec<Vec<i16>> {
        let padded = width.next_multiple_of(16);
        let bytes = self.read(buffer);
        let rows = bytes.chunks(2 * padded).map(|planes| join_planes(planes, padded));
        rows.map(|mut row| {
            assert!(row.split_off(width).iter().all(|mantissa| *mantissa == 0));
            row
        })
        .collect()
    }

    /// Asserts that a kernel packed these rows, each of values under an exponent.
    fn assert_packed(&self, out: &(Buffer, Buffer), expected: impl Iterator<Item = (Vec<i32>, i32)>) {
        let expected: Vec<_> = expected.collect();
        let (found, exponents) = (self.read_rows(&out.0, expected[0].0.len()), self.read_i32(&out.1));
        assert_eq!((found.len(), exponents.len()), (expected.len(), expected.len()));
        for (i, (row, exponent)) in expected.iter().enumerate() {
            let (mantissas, shift) = pack16(row);
            let name = &self.device.name;
            assert_eq!(
                (exponents[i], &found[i]),
                (exponent + shift, &mantissas),
                "{name}, row {i}"
            );
        }
    }
}

/// A KV cache as pages.wgsl lays it out, with one sequence in it whose pages are in falling order; page 0 isn't its own.
struct Paged {
    d: Dimensions,
    pages: usize,
}

impl Paged {
    fn new(d: Dimensions, positions: usize) -> Self {
        let pages = positions.div_ceil(PAGE);
        Self { d, pages }
    }

    /// Words of the cache.
    fn words(&self) -> usize {
        (self.pages + 1) * self.page_words()
    }

    fn page_words(&self) -> usize {
        layer_page_bytes(&self.d) as usize / 4
    }

    /// `table` of rows at these positions.
    fn table(&self, positions: std::ops::Range<usize>) -> Vec<u32> {
        let start = 2 * positions.len() as u32;
        let rows = positions.flat_map(|position| [position as u32, start]);
        rows.chain((1..=self.pages as u32).rev()).collect()
    }

    /// Word of a position's key, or of its value, and of the exponent.
    fn at(&self, is_value: bool, head: usize, position: usize) -> (usize, usize) {
        let [kv, dim] = [self.d.kv_heads, self.d.head_dim.next_multiple_of(16)].map(|size| size as usize);
        let page = (self.pages - position / PAGE) * self.page_words();
        let (plane, row) = (kv * PAGE, head * PAGE + position % PAGE);
        let value = usize::from(is_value) * plane;
        (page + (value + row) * dim / 4, page + plane * dim / 2 + value + row)
    }
}

/// Byte planes of rows of mantissas, each plane filled up to `padded` bytes.
fn planes(rows: &[Vec<i16>], padded: usize) -> Vec<i8> {
    let mut bytes = Vec::new();
    for row in rows {
        for plane in 0..2 {
            let split = row.iter().map(|mantissa| ergon_exact::linear::planes(*mantissa));
            let start = bytes.len();
            bytes.extend(split.map(|(high, low)| if plane == 0 { high } else { low }));
            bytes.resize(start + padded, 0);
        }
    }
    bytes
}

/// Rows of `i32`: of every magnitude, all 0, and with the extremes of the type.
fn extreme_rows(random: &mut Random, width: usize) -> Vec<Vec<i32>> {
    let mut rows: Vec<Vec<i32>> = [0, 1, 5, 11, 17, 22, 26, 30]
        .iter()
        .map(|less| (0..width).map(|_| random.next() as i32 >> less).collect())
        .collect();
    rows.push(vec![0; width]);
    rows.push(vec![i32::MIN; width]);
    rows.push(vec![i32::MAX; width]);
    for (place, value) in [(0, i32::MIN), (width - 1, i32::MAX), (width / 2, 1), (1, -1)] {
        let mut row = vec![0; width];
        row[place] = value;
        rows.push(row);
    }
    // Largest sizes around the steps of packing: 32639, 127 and their doubles.
    for top in [
        32639,
        32640,
        32767,
        65278,
        65279,
        65280,
        127,
        128,
        254,
        255,
        256,
        (1 << 22) + 1,
    ] {
        rows.push((0..width).map(|i| [top, -top, top - 1, 1][i % 4]).collect());
    }
    rows
}

/// One of the `i16` that a packed row can hold, the largest ones often.
fn mantissa(random: &mut Random) -> i16 {
    match random.next() % 8 {
        0 => 32639,
        1 => -32639,
        2 => 0,
        _ => ((random.next() % 65279) as i32 - 32639) as i16,
    }
}

fn pack16(row: &[i32]) -> (Vec<i16>, i32) {
    let mut out = vec![0; row.len()];
    let shift = ergon_exact::pack::pack16(row, &mut out);
    (out, shift)
}

/// Exponents that rows may have, and some that saturate.
fn exponents(random: &mut Random, count: usize, most: i32) -> Vec<i32> {
    (0..count)
        .map(|_| (random.next() % (2 * most as u64 + 1)) as i32 - most)
        .collect()
}
