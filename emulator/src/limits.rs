//! The limits of a node and of its gateway, by this machine and what is served.

use std::time::Duration;

use fnlocal_core::release::{Release, ReleaseLimits};
use fnlocal_core::{FunctionLimits, NodeLimits};

use fnlocal_gateway::{GatewayOptions, MAX_HEADER_BYTES};
use fnlocal_image::release::project_limits;
use fnlocal_project::Project;

/// The maximum number of instances of a node, unless the project says otherwise.
const MAX_INSTANCES: u32 = 1000;

/// The limits of this machine. Instances are started about one a core at a time: more in parallel
/// only lengthens everyone's wait.
pub(crate) fn node_limits(project: &Project) -> NodeLimits {
    let config = project.config();
    let memory = config.limits.memory.map(|memory| memory.0);
    let machine = NodeLimits {
        memory_mib: memory.unwrap_or_else(free_memory_mib),
        parallel_starts: parallel_starts(),
        parallel_refills: 2,
        spares: config.dev.spares.unwrap_or(1),
        ..NodeLimits::default()
    };
    let spare = config.defaults.memory.map(|memory| memory.0);
    let limits = within(&project_limits(project), spare, machine);
    project.profile.node(limits)
}

/// The limits of `machine` while it serves a release.
pub(crate) fn release_limits(release: &Release, machine: NodeLimits) -> NodeLimits {
    let functions = release.functions();
    let memory = functions.values().map(|(_, one)| one.limits.memory_mib);
    within(&release.limits, memory.min(), machine)
}

fn within(
    limits: &ReleaseLimits,
    spare_memory_mib: Option<u32>,
    machine: NodeLimits,
) -> NodeLimits {
    NodeLimits {
        max_instances: limits.max_instances.unwrap_or(MAX_INSTANCES),
        rps: limits.rps,
        burst: limits.burst,
        over_rate: limits.over_rate,
        spare_memory_mib: spare_memory_mib.unwrap_or(FunctionLimits::default().memory_mib),
        ..machine
    }
}

/// How many instances this machine starts at once.
pub(crate) fn parallel_starts() -> u32 {
    fnlocal_driver::cores().clamp(2, 8)
}

/// How a gateway behaves within `limits`. `async_from_clients`: whether clients may ask for
/// asynchronous invocations of functions that do not say.
pub(crate) fn gateway_options(limits: &ReleaseLimits, async_from_clients: bool) -> GatewayOptions {
    let usual = GatewayOptions::default();
    let or = |span: Option<u64>, usual| span.map_or(usual, Duration::from_millis);
    GatewayOptions {
        idle_timeout: or(limits.idle_timeout_ms, usual.idle_timeout),
        head_timeout: or(limits.head_timeout_ms, usual.head_timeout),
        body_timeout: or(limits.body_timeout_ms, usual.body_timeout),
        async_from_clients,
        max_header_size: limits
            .max_header_bytes
            .map_or(usual.max_header_size, |bytes| {
                usize::try_from(bytes).map_or(MAX_HEADER_BYTES, |bytes| bytes.min(MAX_HEADER_BYTES))
            }),
        ..usual
    }
}

/// Returns the free memory in MiB: a limit is rarely used up, so the rest is enough for the
/// laptop's other work. 4 GiB if the system gives no figure.
pub(crate) fn free_memory_mib() -> u32 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let free_kib = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| {
            rest.trim()
                .trim_end_matches("kB")
                .trim()
                .parse::<u64>()
                .ok()
        });
    free_kib.map_or(4096, |kib| u32::try_from(kib / 1024).unwrap_or(u32::MAX))
}
