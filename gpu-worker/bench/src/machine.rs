// SPDX-License-Identifier: Apache-2.0
//! Which machine this is.
use serde::Serialize;
use std::{fmt, fs, thread::available_parallelism};

/// A machine.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Threads that this process may use.
    pub threads: usize,
    /// Memory in bytes; 0 where it can't be told.
    pub memory_bytes: u64,
    /// Operating system and architecture.
    pub system: String,
    /// Average number of processes that ran or waited for a processor in the last minute when the benchmark began. Beyond what little the
    /// benchmark's own set-up leaves behind, others computed as well, and the figures say less.
    pub load: f64,
}

impl Machine {
    /// This machine.
    pub fn this() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_string())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kilobytes = memory.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        let load = read("/proc/loadavg");
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".into()),
            threads: available_parallelism().map_or(1, usize::from),
            memory_bytes: kilobytes.unwrap_or(0) * 1024,
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            load: load.split(' ').next().and_then(|one| one.parse().ok()).unwrap_or(0.0),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gib = self.memory_bytes as f64 / f64::from(1 << 30);
        let Self {
            processor,
            threads,
            system,
            load,
            ..
        } = self;
        write!(f, "{processor}, {threads} threads, {gib:.0} GiB, {system}, load {load}")
    }
}
