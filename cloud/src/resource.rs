//! Everything fnlocal makes on AWS, as plain data: what is wanted and what is there look the same.
//!
//! Resources name each other by their names, never by the ids AWS gives; so a plan can be made
//! before anything exists.

mod identity;
mod kind;
mod logs;
mod machines;
mod network;
mod registry;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use identity::{PeerKey, Profile, Role};
pub use kind::Kind;
pub use logs::LogGroup;
pub use machines::{
    CurrentRelease, Group, Hook, Metric, Nodes, Scaling, Schedule, Template, WarmPool,
};
pub use network::{Balancer, Listener, Rule, SecurityGroup, TargetGroup};
pub use registry::{Artifact, Image, Repository};

/// Which resource: its kind and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
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
    Image(Image),
    /// Release in it.
    Release(Artifact),
    /// Key by which nodes know each other.
    PeerKey(PeerKey),
    /// CloudWatch log group.
    LogGroup(LogGroup),
    /// IAM role.
    Role(Role),
    /// IAM instance profile.
    Profile(Profile),
    /// EC2 security group.
    SecurityGroup(SecurityGroup),
    /// EC2 launch template.
    Template(Template),
    /// Application load balancer.
    Balancer(Balancer),
    /// Its target group.
    TargetGroup(TargetGroup),
    /// Its listener.
    Listener(Listener),
    /// Auto-scaling group.
    Group(Group),
    /// Lifecycle hook.
    Hook(Hook),
    /// Machines that have booted before.
    WarmPool(WarmPool),
    /// Scaling policy.
    Scaling(Scaling),
    /// Scheduled action.
    Schedule(Schedule),
    /// What the running nodes were started from.
    Nodes(Nodes),
    /// The release the nodes follow.
    CurrentRelease(CurrentRelease),
}

impl Key {
    /// Its name; that of an image with only the beginning of its digest.
    #[must_use]
    pub fn short_name(&self) -> String {
        match self.name.rsplit_once('.') {
            Some((what, hex)) if self.kind == Kind::Image => {
                format!("{what} {}", hex.get(..12).unwrap_or(hex))
            }
            _ => self.name.clone(),
        }
    }
}

impl Resource {
    /// Its kind and name.
    #[must_use]
    pub fn key(&self) -> Key {
        let (kind, name) = match self {
            Self::Repository(it) => (Kind::Repository, &it.name),
            Self::Image(it) => (Kind::Image, &it.tag),
            Self::Release(it) => (Kind::Release, &it.tag),
            Self::PeerKey(it) => (Kind::PeerKey, &it.name),
            Self::LogGroup(it) => (Kind::LogGroup, &it.name),
            Self::Role(it) => (Kind::Role, &it.name),
            Self::Profile(it) => (Kind::Profile, &it.name),
            Self::SecurityGroup(it) => (Kind::SecurityGroup, &it.name),
            Self::Template(it) => (Kind::Template, &it.name),
            Self::Balancer(it) => (Kind::Balancer, &it.name),
            Self::TargetGroup(it) => (Kind::TargetGroup, &it.name),
            Self::Listener(it) => (Kind::Listener, &it.name),
            Self::Group(it) => (Kind::Group, &it.name),
            Self::Hook(it) => (Kind::Hook, &it.name),
            Self::WarmPool(it) => (Kind::WarmPool, &it.name),
            Self::Scaling(it) => (Kind::Scaling, &it.name),
            Self::Schedule(it) => (Kind::Schedule, &it.name),
            Self::Nodes(it) => (Kind::Nodes, &it.name),
            Self::CurrentRelease(it) => (Kind::CurrentRelease, &it.name),
        };
        let name = name.clone();
        Key { kind, name }
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

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.noun(), self.short_name())
    }
}
