//! `[env.NAME]`: environments to promote to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::values::TimeSpan;

/// An environment to promote to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnvConfig {
    /// The AWS region. Commands for AWS need it: machines that are configured differently must not
    /// mean different fleets.
    #[schemars(extend("examples" = ["eu-west-1"]))]
    pub region: Option<String>,
    /// The number of the AWS account. Commands refuse credentials of another one.
    #[schemars(extend("pattern" = "^[0-9]{12}$", "examples" = ["123456789012"]))]
    pub account: Option<String>,
    /// The EC2 instance type of a node.
    #[schemars(extend("default" = "t3.large"))]
    pub instance_type: Option<String>,
    /// The ARN of the certificate for HTTPS, in AWS Certificate Manager. Without it, plain HTTP.
    #[schemars(extend("examples" = ["arn:aws:acm:eu-west-1:123456789012:certificate/0a1b"]))]
    pub certificate: Option<String>,
    /// The host name of the environment, which you point at the load balancer.
    #[schemars(extend("examples" = ["api.example.org"]))]
    pub domain: Option<String>,
    /// The VPC. Without it, that of `subnets`, or the region's default one.
    #[schemars(extend("examples" = ["vpc-0a1b2c3d"]))]
    pub vpc: Option<String>,
    /// The subnets of load balancer and nodes, in at least two zones. Without it, those of the VPC.
    #[schemars(extend("examples" = [["subnet-0a1b", "subnet-2c3d"]]))]
    pub subnets: Vec<String>,
    /// The size of a node's disk.
    #[schemars(range(min = 8, max = 16_384), extend("default" = 30, "x-unit" = "GB"))]
    pub disk_gb: Option<u32>,
    /// The destination of functions' logs.
    #[schemars(extend("default" = "cloudwatch"))]
    pub logs: Option<LogsChoice>,
    /// The time for which CloudWatch keeps logs, in a number of days that CloudWatch offers.
    #[schemars(extend("default" = "30d"))]
    pub keep_logs: Option<TimeSpan>,
    /// The number of releases that are kept to roll back to, besides the current one.
    #[schemars(range(min = 1), extend("default" = 10))]
    pub keep_releases: Option<u32>,
    /// The sources of variables' values: `ssm:` and the path of a parameter of AWS Systems
    /// Manager, by the variable's name. Others come from `/fnlocal/PROJECT/ENV/NAME`.
    #[schemars(extend("examples" = [{"REDIS_URL": "ssm:/shared/redis"}]))]
    pub variables: BTreeMap<String, String>,
    /// The number of nodes. Without the key, 2 to 10.
    #[schemars(extend("examples" = [{"min": 2, "max": 20}]))]
    pub nodes: Option<NodeRangeConfig>,
    /// The metric by which the fleet grows. Without the key, 800 requests a minute per node.
    #[schemars(extend("examples" = [{"requests_per_node": 800}]))]
    pub scale_on: Option<ScaleOnConfig>,
    /// Nodes that are added before load that is known in advance.
    #[schemars(extend("examples" = [[{"name": "sale", "cron": "30 17 * * FRI", "min": 8}]]))]
    pub prescale: Vec<PrescaleConfig>,
    /// The number of nodes that have booted before and are kept stopped.
    #[schemars(extend("default" = 0))]
    pub warm_pool: Option<u32>,
    /// The time after which a new node counts as any other.
    #[schemars(extend("default" = "300s"))]
    pub warm_up: Option<TimeSpan>,
}

/// The destination of functions' logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogsChoice {
    /// To CloudWatch.
    Cloudwatch,
    /// Nowhere: they stay on the nodes.
    Off,
}

/// The number of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeRangeConfig {
    /// The minimum.
    #[schemars(extend("examples" = [2]))]
    pub min: u32,
    /// The maximum.
    #[schemars(range(min = 1), extend("examples" = [10]))]
    pub max: u32,
}

/// The metric by which the fleet grows: one of these keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScaleOnConfig {
    /// The number of requests a minute that one node should get.
    RequestsPerNode(#[schemars(range(min = 1))] u32),
    /// The memory committed on a node.
    MemoryPercent(#[schemars(range(min = 1, max = 100), extend("x-unit" = "percent"))] u32),
}

/// Nodes that are added before load that is known in advance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrescaleConfig {
    /// A name for it.
    #[schemars(extend("examples" = ["sale"]))]
    pub name: String,
    /// When, as a cron expression.
    #[schemars(extend("examples" = ["30 17 * * FRI"]))]
    pub cron: String,
    /// The time zone of the cron expression.
    #[schemars(extend("default" = "UTC"))]
    pub timezone: Option<String>,
    /// The minimum number of nodes from then on.
    #[schemars(extend("examples" = [8]))]
    pub min: u32,
}
