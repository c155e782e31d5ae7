//! The types of nodes, and their prices.

use serde::Serialize;

/// When the prices were noted.
pub const DATE: &str = "2025-06";
/// Where they hold.
pub const REGION: &str = "us-east-1";
/// US dollars an hour of an Application Load Balancer, without its capacity units
/// (aws.amazon.com/elasticloadbalancing/pricing).
pub const BALANCER_HOUR: f64 = 0.0225;
/// Hours in a month, as AWS counts them.
pub const MONTH_HOURS: f64 = 730.0;

/// A kind of EC2 instance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PricedInstance {
    /// Its name.
    pub name: &'static str,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory, in MiB.
    pub memory_mib: u32,
    /// US dollars an hour, on demand, Linux (aws.amazon.com/ec2/pricing/on-demand).
    pub hour: f64,
}

const fn kind(name: &'static str, vcpus: u32, gib: u32, hour: f64) -> PricedInstance {
    PricedInstance {
        name,
        vcpus,
        memory_mib: gib * 1024,
        hour,
    }
}

/// Those that make sense as nodes.
pub const TYPES: [PricedInstance; 20] = [
    kind("t3.small", 2, 2, 0.0208),
    kind("t3.medium", 2, 4, 0.0416),
    kind("t3.large", 2, 8, 0.0832),
    kind("t3.xlarge", 4, 16, 0.1664),
    kind("t3.2xlarge", 8, 32, 0.3328),
    kind("t4g.medium", 2, 4, 0.0336),
    kind("t4g.large", 2, 8, 0.0672),
    kind("t4g.xlarge", 4, 16, 0.1344),
    kind("m6i.large", 2, 8, 0.096),
    kind("m6i.xlarge", 4, 16, 0.192),
    kind("m7i.large", 2, 8, 0.1008),
    kind("m7i.xlarge", 4, 16, 0.2016),
    kind("m7i.2xlarge", 8, 32, 0.4032),
    kind("m7g.large", 2, 8, 0.0816),
    kind("m7g.xlarge", 4, 16, 0.1632),
    kind("c6i.large", 2, 4, 0.085),
    kind("c7i.large", 2, 4, 0.08925),
    kind("c7i.xlarge", 4, 8, 0.1785),
    kind("c7i.2xlarge", 8, 16, 0.357),
    kind("c7g.large", 2, 4, 0.0725),
];

/// A kind by its name.
#[must_use]
pub fn instance_type(name: &str) -> Option<PricedInstance> {
    TYPES.into_iter().find(|kind| kind.name == name)
}

/// Memory of a node that instances may be promised: what its system, the engine and fnlocal need
/// is left out, a tenth and at least 512 MiB.
#[must_use]
pub fn usable_mib(memory_mib: u32) -> u32 {
    memory_mib.saturating_sub((memory_mib / 10).max(512))
}
