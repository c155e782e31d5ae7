//! What a release says of the node that serves it.

use std::time::Duration;

use fnlocal_core::release::Release;
use fnlocal_core::{FunctionLimits, NodeLimits};

use fnlocal_gateway::GatewayOptions;
use fnlocal_project::Project;

/// Bounds of this machine, within what the release allows.
pub(super) fn node_limits(project: &Project, release: &Release) -> NodeLimits {
    within(release, crate::dev::node_limits(project))
}

/// A machine's bounds, within what a release allows.
pub(crate) fn within(release: &Release, limits: NodeLimits) -> NodeLimits {
    NodeLimits {
        max_instances: release.limits.max_instances.unwrap_or(1000),
        rps: release.limits.rps,
        burst: release.limits.burst,
        over_rate: release.limits.over_rate,
        spare_memory_mib: release
            .functions()
            .values()
            .map(|(_, function)| function.limits.memory_mib)
            .min()
            .unwrap_or(FunctionLimits::default().memory_mib),
        ..limits
    }
}

/// How the gateway is to behave by the release, and by whether clients may ask for asynchronous
/// invocations of functions that do not say.
pub(crate) fn gateway_options(release: &Release, async_from_clients: bool) -> GatewayOptions {
    let usual = GatewayOptions::default();
    let limits = &release.limits;
    let or = |span: Option<u64>, usual| span.map_or(usual, Duration::from_millis);
    GatewayOptions {
        idle_timeout: or(limits.idle_timeout_ms, usual.idle_timeout),
        head_timeout: or(limits.head_timeout_ms, usual.head_timeout),
        body_timeout: or(limits.body_timeout_ms, usual.body_timeout),
        async_from_clients,
        ..usual
    }
}
