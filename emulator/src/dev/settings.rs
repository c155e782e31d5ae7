//! What the project's configuration and this machine say of a node.

use std::net::SocketAddr;

use fnlocal_core::{FunctionLimits, NodeLimits};

use super::{DevError, DevOptions};
use crate::select::Choice;
use crate::serve;
use fnlocal_driver::EventRecorder;
use fnlocal_gateway::GatewayOptions;
use fnlocal_project::{Project, RuntimeKind, TimeSpan};

/// How the gateway that listens on `address` is to behave by the project's configuration.
pub(crate) fn gateway_options(project: &Project, address: SocketAddr) -> GatewayOptions {
    let usual = GatewayOptions::default();
    let limits = &project.config().limits;
    let or = |span: Option<TimeSpan>, usual| span.map_or(usual, |span| span.0);
    GatewayOptions {
        idle_timeout: or(limits.idle_timeout, usual.idle_timeout),
        head_timeout: or(limits.head_timeout, usual.head_timeout),
        body_timeout: or(limits.body_timeout, usual.body_timeout),
        async_from_clients: address.ip().is_loopback(),
        ..usual
    }
}

/// What is to run instances: as the command line says, or else the project.
pub(super) fn choice(options: &DevOptions, project: &Project) -> Choice {
    options
        .runtime
        .unwrap_or(match project.config().dev.runtime {
            None => Choice::Auto,
            Some(RuntimeKind::Docker) => Choice::Docker,
            Some(RuntimeKind::Process) => Choice::Process,
        })
}

/// Bounds of this machine. Instances are started about one a core at a time: more in parallel
/// only lengthens everyone's wait.
pub(crate) fn node_limits(project: &Project) -> NodeLimits {
    let limits = &project.config().limits;
    let memory_mib = limits
        .memory
        .map_or_else(serve::free_memory_mib, |memory| memory.0);
    let own = NodeLimits {
        memory_mib,
        max_instances: limits.max_instances.unwrap_or(1000),
        rps: limits.rps.and_then(|rate| rate.0),
        burst: limits.burst,
        over_rate: limits.over_rate.unwrap_or_default(),
        parallel_starts: fnlocal_driver::cores().clamp(2, 8),
        parallel_refills: 2,
        spares: project.config().dev.spares.unwrap_or(1),
        spare_memory_mib: project
            .config()
            .defaults
            .memory
            .map_or(FunctionLimits::default().memory_mib, |memory| memory.0),
    };
    project.profile.node(own)
}

/// Where decisions are written, if they are to be.
pub(super) fn recorder(
    options: &DevOptions,
    limits: &NodeLimits,
) -> Result<Option<EventRecorder>, DevError> {
    let Some(path) = &options.record else {
        return Ok(None);
    };
    let made = EventRecorder::create(path, limits);
    made.map(Some).map_err(|source| DevError::Record {
        path: path.clone(),
        source,
    })
}
