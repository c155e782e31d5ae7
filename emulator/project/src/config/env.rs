//! `[env.NAME]`: environments to promote to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::values::TimeSpan;

/// An environment to promote to: `[env.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnvConfig {
    /// AWS region.
    pub region: Option<String>,
    /// EC2 instance type of a node.
    pub instance_type: Option<String>,
    /// ARN of the certificate for HTTPS, in AWS Certificate Manager; plain HTTP without.
    pub certificate: Option<String>,
    /// The name people call it by, such as `api.example.org`, which you point at the balancer.
    pub domain: Option<String>,
    /// The network (that of `subnets`, or the region's default one).
    pub vpc: Option<String>,
    /// Subnets for balancer and nodes, in two zones at least (those of the network).
    pub subnets: Vec<String>,
    /// Size of a node's disk in GB (30).
    pub disk_gb: Option<u32>,
    /// Where functions' logs go: `"cloudwatch"`, or `"off"` to leave them on the nodes (cloudwatch).
    pub logs: Option<LogsChoice>,
    /// How long CloudWatch keeps them, in days it knows, such as `"7d"` or `"90d"` (30d).
    pub keep_logs: Option<TimeSpan>,
    /// Releases kept to roll back to, besides the one that runs (10).
    pub keep_releases: Option<u32>,
    /// Where values of variables come from: a name and `"ssm:/path"`, a parameter of AWS Systems
    /// Manager. Those not named come from `/fnlocal/PROJECT/ENV/NAME`.
    pub variables: BTreeMap<String, String>,
    /// How many nodes (2 to 10).
    pub nodes: Option<NodeRange>,
    /// What makes the fleet grow.
    pub scale_on: Option<ScaleOn>,
    /// Nodes added before load that is known in advance.
    pub prescale: Vec<Prescale>,
    /// Nodes that have booted before and are kept stopped (0).
    pub warm_pool: Option<u32>,
    /// Time after which a new node counts as any other (300s).
    pub warm_up: Option<TimeSpan>,
}

/// Where functions' logs go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogsChoice {
    /// To CloudWatch.
    Cloudwatch,
    /// Nowhere but to the nodes.
    Off,
}

/// How many nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeRange {
    /// At the least.
    pub min: u32,
    /// At the most.
    pub max: u32,
}

/// What makes the fleet grow: one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScaleOn {
    /// Requests a minute that one node should get.
    RequestsPerNode(u32),
    /// Memory committed on a node, in percent.
    MemoryPercent(u32),
}

/// Nodes added before load that is known in advance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prescale {
    /// A name for it.
    pub name: String,
    /// When, as a cron expression.
    pub cron: String,
    /// The cron expression's time zone (UTC).
    #[serde(default)]
    pub timezone: Option<String>,
    /// Nodes at the least from then on.
    pub min: u32,
}
