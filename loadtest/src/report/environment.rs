//! Where a run took place.

use serde::{Deserialize, Serialize};

/// Where a run took place: what a figure cannot be read without.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunEnvironment {
    /// fnlocal's version.
    pub fnlocal: String,
    /// The generator's system.
    pub system: String,
    /// The generator's processor.
    pub processor: String,
    /// How many of its cores may be used.
    pub cores: usize,
    /// The generator's memory in MiB; 0 where the system does not tell.
    pub memory_mib: u64,
    /// The runtime of the target's instances, if known.
    pub runtime: Option<String>,
    /// The maximum number of connections.
    pub connections: usize,
    /// Time a request may take, in milliseconds.
    pub timeout_ms: u64,
}

impl RunEnvironment {
    /// This machine's.
    #[must_use]
    pub fn here(runtime: Option<String>, connections: usize, timeout_ms: u64) -> Self {
        Self {
            fnlocal: env!("CARGO_PKG_VERSION").to_owned(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            processor: field("/proc/cpuinfo", "model name").unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_mib: field("/proc/meminfo", "MemTotal")
                .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
                .map_or(0, |kib| kib / 1024),
            runtime,
            connections,
            timeout_ms,
        }
    }
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
