// SPDX-License-Identifier: Apache-2.0
//! The adapters of this machine, and choosing one.
use super::GpuError;
use std::{fmt, path::Path, str::FromStr, sync::OnceLock};

/// Where Debian's chromium package keeps the Vulkan driver of SwiftShader, a software adapter.
const SWIFTSHADER: &str = "/usr/lib/chromium/vk_swiftshader_icd.json";
/// Names driver manifests that the Vulkan loader adds to those it finds
/// ([loader documentation](https://github.com/KhronosGroup/Vulkan-Loader/blob/main/docs/LoaderDriverInterface.md)).
const ADDED_DRIVERS: &str = "VK_ADD_DRIVER_FILES";

/// Adds SwiftShader to what the Vulkan loader finds, if it is installed and nothing else was asked for by `VK_ADD_DRIVER_FILES`.
///
/// It also turns off Mesa's layer that asks a desktop which GPU it draws with where there is no desktop, since that complains on stderr.
/// Together with Mesa's llvmpipe a machine without a GPU then has two independent adapters. Call it first in the program: it sets an
/// environment variable, which other threads must not read meanwhile, and has no effect once [`adapters`] was called.
pub fn include_software_adapters() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        if std::env::var_os(ADDED_DRIVERS).is_none() && Path::new(SWIFTSHADER).exists() {
            std::env::set_var(ADDED_DRIVERS, SWIFTSHADER);
        }
        if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
            std::env::set_var("NODEVICE_SELECT", "1");
        }
    });
}

/// What kind of device an adapter is, best first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// GPU with memory of its own.
    Discrete,
    /// GPU that shares the machine's memory.
    Integrated,
    /// GPU of a virtual machine.
    Virtual,
    /// Not known.
    Other,
    /// Rendered in software.
    Software,
}

impl From<wgpu::DeviceType> for Kind {
    fn from(device_type: wgpu::DeviceType) -> Self {
        match device_type {
            wgpu::DeviceType::DiscreteGpu => Self::Discrete,
            wgpu::DeviceType::IntegratedGpu => Self::Integrated,
            wgpu::DeviceType::VirtualGpu => Self::Virtual,
            wgpu::DeviceType::Other => Self::Other,
            wgpu::DeviceType::Cpu => Self::Software,
        }
    }
}

/// A device that wgpu can open.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Name of the device.
    pub name: String,
    /// Driver and its version.
    pub driver: String,
    /// Graphics API: Vulkan, Metal or Dx12.
    pub api: String,
    /// Kind of device.
    pub kind: Kind,
    /// Largest buffer, bytes. No more than the WebGPU default of 256 MiB is used.
    pub max_buffer: u64,
    /// Largest part of a buffer that a kernel can see, bytes. No more than the WebGPU default of 128 MiB is used.
    pub max_binding: u64,
    pub(super) handle: wgpu::Adapter,
}

impl Adapter {
    fn new(handle: wgpu::Adapter) -> Self {
        let info = handle.get_info();
        let limits = handle.limits();
        Self {
            name: info.name,
            driver: format!("{} {}", info.driver, info.driver_info).trim().into(),
            api: format!("{:?}", info.backend),
            kind: info.device_type.into(),
            max_buffer: limits.max_buffer_size,
            max_binding: limits.max_storage_buffer_binding_size,
            handle,
        }
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {}, {:?})", self.name, self.api, self.driver, self.kind)
    }
}

/// What to sort adapters by, the best first: by kind, and among the software adapters llvmpipe first, SwiftShader last, since llvmpipe was
/// measured to be several times faster.
fn rank(kind: Kind, name: &str) -> (Kind, u8) {
    let place = match kind {
        Kind::Software if name.contains("llvmpipe") => 0,
        Kind::Software if name.contains("SwiftShader") => 2,
        _ => 1,
    };
    (kind, place)
}

/// All adapters, the best kind first and the fastest of the software adapters before the others, otherwise as the system lists them.
pub fn adapters() -> Vec<Adapter> {
    static INSTANCE: OnceLock<wgpu::Instance> = OnceLock::new();
    let instance = INSTANCE.get_or_init(|| wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle()));
    let handles = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let mut adapters: Vec<Adapter> = handles.into_iter().map(Adapter::new).collect();
    adapters.sort_by_key(|adapter| rank(adapter.kind, &adapter.name));
    adapters
}

/// Which adapter to use. Parsed from `auto`, an index, or a part of a name.
///
/// ```
/// use ergon_engine::gpu::Selector;
/// assert_eq!("auto".parse(), Ok(Selector::Best));
/// assert_eq!("1".parse(), Ok(Selector::Index(1)));
/// assert_eq!("llvmpipe".parse(), Ok(Selector::Name("llvmpipe".into())));
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Selector {
    /// The first one.
    #[default]
    Best,
    /// By its place in [`adapters`].
    Index(usize),
    /// The first whose name contains this, in any case.
    Name(String),
}

impl FromStr for Selector {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.parse() {
            Ok(index) => Self::Index(index),
            Err(_) if text == "auto" => Self::Best,
            Err(_) => Self::Name(text.into()),
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best => f.write_str("auto"),
            Self::Index(index) => index.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// The adapter that the selector means.
pub fn select(selector: &Selector) -> Result<Adapter, GpuError> {
    let mut found = adapters();
    let index = match selector {
        Selector::Best => Some(0),
        Selector::Index(index) => Some(*index),
        Selector::Name(name) => {
            let name = name.to_lowercase();
            found
                .iter()
                .position(|adapter| adapter.name.to_lowercase().contains(&name))
        }
    };
    match index.filter(|index| *index < found.len()) {
        Some(index) => Ok(found.swap_remove(index)),
        None => Err(GpuError::NoAdapter {
            wanted: selector.to_string(),
            found: found
                .iter()
                .map(|adapter| adapter.name.clone())
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_come_by_kind_and_llvmpipe_before_swiftshader() {
        let mut found = [
            (Kind::Software, "SwiftShader Device (LLVM 16.0.0)"),
            (Kind::Software, "Microsoft Basic Render Driver"),
            (Kind::Software, "llvmpipe (LLVM 19.1.7, 256 bits)"),
            (Kind::Other, "a device"),
            (Kind::Virtual, "Virtio-GPU Venus"),
            (Kind::Integrated, "second"),
            (Kind::Integrated, "first by name"),
            (Kind::Discrete, "a card"),
        ];
        found.sort_by_key(|(kind, name)| rank(*kind, name));
        let names = found.map(|(_, name)| name);
        assert_eq!(
            names,
            [
                "a card",
                "second",
                "first by name",
                "Virtio-GPU Venus",
                "a device",
                "llvmpipe (LLVM 19.1.7, 256 bits)",
                "Microsoft Basic Render Driver",
                "SwiftShader Device (LLVM 16.0.0)",
            ]
        );
    }

    #[test]
    fn an_adapter_that_is_not_there_is_refused_by_name() {
        // The first test that asks for adapters decides which ones there are for all.
        include_software_adapters();
        for selector in ["no such adapter", "1000"] {
            let error = select(&selector.parse().unwrap()).unwrap_err();
            assert!(error.to_string().contains(selector), "{error}");
        }
    }
}
