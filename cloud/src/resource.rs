//! Everything fnlocal makes on AWS, as plain data: what is wanted and what is there look the same.
//!
//! Resources name each other by their names, never by the ids AWS gives; so a plan can be made
//! before anything exists.

mod durable;
mod identity;
mod kind;
mod logs;
mod machines;
mod network;
mod registry;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use durable::{FunctionSchedule, MessageQueue, ScheduleGroup};
pub use identity::{IamRole, InstanceProfile, PeerKey};
pub use kind::ResourceKind;
pub use logs::LogGroup;
pub use machines::{
    CurrentRelease, Hook, LaunchTemplate, MachineGroup, Nodes, Scaling, ScheduledAction,
    TrackedMetric, WarmPool,
};
pub use network::{Listener, LoadBalancer, Rule, SecurityGroup, TargetGroup};
pub use registry::{Artifact, Repository, RepositoryImage};

/// The kind and name of a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceKey {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its name.
    pub name: String,
}

/// A resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Resource {
    /// ECR repository.
    Repository(Repository),
    /// Image in it.
    Image(RepositoryImage),
    /// Release in it.
    Release(Artifact),
    /// Key by which nodes know each other.
    PeerKey(PeerKey),
    /// CloudWatch log group.
    LogGroup(LogGroup),
    /// IAM role.
    Role(IamRole),
    /// SQS queue.
    Queue(MessageQueue),
    /// EventBridge Scheduler group.
    ScheduleGroup(ScheduleGroup),
    /// Schedule of a function.
    FunctionSchedule(FunctionSchedule),
    /// IAM instance profile.
    Profile(InstanceProfile),
    /// EC2 security group.
    SecurityGroup(SecurityGroup),
    /// EC2 launch template.
    Template(LaunchTemplate),
    /// Application load balancer.
    Balancer(LoadBalancer),
    /// Its target group.
    TargetGroup(TargetGroup),
    /// Its listener.
    Listener(Listener),
    /// Auto-scaling group.
    Group(MachineGroup),
    /// Lifecycle hook.
    Hook(Hook),
    /// Machines that have booted before.
    WarmPool(WarmPool),
    /// Scaling policy.
    Scaling(Scaling),
    /// Scheduled action.
    Schedule(ScheduledAction),
    /// The template from which the running nodes were started.
    Nodes(Nodes),
    /// The release the nodes follow.
    CurrentRelease(CurrentRelease),
}

impl ResourceKey {
    /// Its name; that of an image with only the beginning of its digest.
    #[must_use]
    pub fn short_name(&self) -> String {
        match self.name.rsplit_once('.') {
            Some((what, hex)) if self.kind == ResourceKind::Image => {
                format!("{what} {}", hex.get(..12).unwrap_or(hex))
            }
            _ => self.name.clone(),
        }
    }
}

impl Resource {
    /// Its kind and name.
    #[must_use]
    pub fn key(&self) -> ResourceKey {
        let (kind, name) = match self {
            Self::Repository(it) => (ResourceKind::Repository, &it.name),
            Self::Image(it) => (ResourceKind::Image, &it.tag),
            Self::Release(it) => (ResourceKind::Release, &it.tag),
            Self::PeerKey(it) => (ResourceKind::PeerKey, &it.name),
            Self::LogGroup(it) => (ResourceKind::LogGroup, &it.name),
            Self::Role(it) => (ResourceKind::Role, &it.name),
            Self::Queue(it) => (ResourceKind::Queue, &it.name),
            Self::ScheduleGroup(it) => (ResourceKind::ScheduleGroup, &it.name),
            Self::FunctionSchedule(it) => (ResourceKind::FunctionSchedule, &it.name),
            Self::Profile(it) => (ResourceKind::Profile, &it.name),
            Self::SecurityGroup(it) => (ResourceKind::SecurityGroup, &it.name),
            Self::Template(it) => (ResourceKind::Template, &it.name),
            Self::Balancer(it) => (ResourceKind::Balancer, &it.name),
            Self::TargetGroup(it) => (ResourceKind::TargetGroup, &it.name),
            Self::Listener(it) => (ResourceKind::Listener, &it.name),
            Self::Group(it) => (ResourceKind::Group, &it.name),
            Self::Hook(it) => (ResourceKind::Hook, &it.name),
            Self::WarmPool(it) => (ResourceKind::WarmPool, &it.name),
            Self::Scaling(it) => (ResourceKind::Scaling, &it.name),
            Self::Schedule(it) => (ResourceKind::Schedule, &it.name),
            Self::Nodes(it) => (ResourceKind::Nodes, &it.name),
            Self::CurrentRelease(it) => (ResourceKind::CurrentRelease, &it.name),
        };
        let name = name.clone();
        ResourceKey { kind, name }
    }

    /// Its fields by name, without kind and name.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        let value = serde_json::to_value(self).expect("a resource is plain data");
        let Value::Object(mut fields) = value else {
            unreachable!("a resource is a struct")
        };
        fields.remove("kind");
        fields.remove("name");
        fields.remove("tag");
        fields
    }
}

impl std::fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.noun(), self.short_name())
    }
}
