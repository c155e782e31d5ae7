//! Nodes: what they are started from, how many there are, and what they follow.

use serde::{Deserialize, Serialize};

/// EC2 launch template, in its latest version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaunchTemplate {
    /// Its name.
    pub name: String,
    /// Machine image.
    pub image: String,
    /// Instance type.
    pub instance_type: String,
    /// Instance profile.
    pub profile: String,
    /// Security groups.
    pub firewalls: Vec<String>,
    /// Size of the encrypted disk in GB.
    pub disk_gb: u32,
    /// Instance metadata is given to those with a token only, over at most one hop.
    pub metadata_guarded: bool,
    /// The script that a node runs at boot, as text.
    pub user_data: String,
}

/// Auto-scaling group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineGroup {
    /// Its name.
    pub name: String,
    /// The minimum number of nodes.
    pub min: u32,
    /// The maximum number of nodes.
    pub max: u32,
    /// Its subnets, sorted.
    pub subnets: Vec<String>,
    /// Its target group.
    pub target_group: Option<String>,
    /// The balancer's health checks count.
    pub balancer_health: bool,
    /// Seconds a new node has before health checks count.
    pub grace_seconds: u32,
    /// Seconds after which a new node counts as any other; 0 for each policy's own.
    pub warm_up_seconds: u32,
}

/// Machines that have booted before and are kept stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WarmPool {
    /// Their group.
    pub name: String,
    /// How many, whatever the group's size.
    pub size: u32,
}

/// Lifecycle hook: a node that is to end is given time to finish, one that begins to be ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// `true` for a hook of nodes that begin, `false` for those that end.
    pub at_launch: bool,
    /// Seconds a node has.
    pub seconds: u32,
}

/// Target tracking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// The metric.
    pub metric: TrackedMetric,
    /// The value aimed at.
    pub target: u32,
}

/// The metric of target tracking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackedMetric {
    /// Requests a minute of a node, by this target group.
    Requests(String),
    /// Memory committed on a node, in percent, as nodes publish it.
    Memory,
    /// Something else, that somebody else has set.
    Other(String),
}

/// Scheduled action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduledAction {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// When, as a cron expression.
    pub cron: String,
    /// Its time zone.
    pub timezone: String,
    /// The minimum number of nodes from then on.
    pub min: u32,
}

/// The template from which the running nodes were started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nodes {
    /// Their group.
    pub name: String,
    /// The template's content, by [`LaunchTemplate::fingerprint`].
    pub template: String,
}

/// The release the nodes follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurrentRelease {
    /// Their group.
    pub name: String,
    /// `TAG@DIGEST`.
    pub release: String,
}

impl LaunchTemplate {
    /// A hash of what it says, which a version carries as its description.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        use sha2::{Digest as _, Sha256};
        let text = serde_json::to_string(self).expect("a template is plain data");
        hex::encode(&Sha256::digest(text)[..8])
    }
}
