//! `[env.NAME]` of fnlocal.toml, as plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An environment to promote to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudEnvironment {
    /// Its name.
    pub name: String,
    /// AWS region.
    pub region: Option<String>,
    /// The account's number, if another one is to be refused.
    pub account: Option<String>,
    /// EC2 instance type of a node.
    pub instance_type: String,
    /// The minimum number of nodes.
    pub min: u32,
    /// The maximum number of nodes.
    pub max: u32,
    /// The metric by which the fleet grows; `None` for a fleet that only schedules change.
    pub scale_on: Option<ScalingTarget>,
    /// Nodes added before load that is known in advance.
    pub prescale: Vec<PrescaleAction>,
    /// ARN of the certificate for HTTPS; plain HTTP without.
    pub certificate: Option<String>,
    /// The name people call it by, which they have to point at the balancer.
    pub domain: Option<String>,
    /// The network; that of the subnets, or the default one, without.
    pub vpc: Option<String>,
    /// Subnets for balancer and nodes; those of the network without.
    pub subnets: Vec<String>,
    /// Size of a node's disk in GB.
    pub disk_gb: u32,
    /// Where variables come from: name to `ssm:/path`. Those not named come from
    /// [`CloudEnvironment::parameter`].
    pub variables: BTreeMap<String, String>,
    /// `true` if functions' logs go to CloudWatch.
    pub logs: bool,
    /// Days they are kept there, of those that CloudWatch knows.
    pub log_days: u32,
    /// Machines that have booted before and are kept stopped.
    pub warm_pool: u32,
    /// Seconds after which a new node counts as any other.
    pub warm_up: u32,
    /// Releases kept besides the one that runs; images of older ones are deleted.
    pub keep_releases: u32,
    /// `true` if asynchronous work goes through SQS and EventBridge Scheduler; else every node has a
    /// queue of its own.
    pub durable: bool,
}

/// The metric by which the fleet grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScalingTarget {
    /// Requests a minute that one node should get.
    RequestsPerNode(u32),
    /// Memory committed on a node, in percent.
    MemoryPercent(u32),
}

/// Nodes added before load that is known in advance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrescaleAction {
    /// A name for it.
    pub name: String,
    /// When, as a cron expression of five fields.
    pub cron: String,
    /// The cron expression's time zone; UTC without.
    pub timezone: Option<String>,
    /// The minimum number of nodes from then on.
    pub min: u32,
}

impl CloudEnvironment {
    /// An environment with nothing but defaults.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            region: None,
            account: None,
            instance_type: "t3.large".to_owned(),
            min: 2,
            max: 10,
            scale_on: Some(ScalingTarget::RequestsPerNode(800)),
            prescale: Vec::new(),
            certificate: None,
            domain: None,
            vpc: None,
            subnets: Vec::new(),
            disk_gb: 30,
            variables: BTreeMap::new(),
            logs: true,
            log_days: 30,
            warm_pool: 0,
            warm_up: 300,
            keep_releases: 10,
            durable: false,
        }
    }

    /// The SSM parameter a variable's value is in, for an environment whose parameters begin with
    /// `prefix`. None when what fnlocal.toml says is no `ssm:/path`.
    #[must_use]
    pub fn parameter(&self, variable: &str, prefix: &str) -> Option<String> {
        let Some(source) = self.variables.get(variable) else {
            return Some(format!("{prefix}/{variable}"));
        };
        let path = source.strip_prefix("ssm:")?;
        (path.len() > 1 && path.starts_with('/')).then(|| path.to_owned())
    }
}
