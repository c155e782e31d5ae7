//! Everything fnlocal makes on AWS, as plain data: what is wanted and what is there look the same.
//!
//! Resources name each other by their names, never by the ids AWS gives; so a plan can be made
//! before anything exists.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The kinds of resources, in the order in which they are made. They are deleted the other way
/// round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// ECR repository.
    Repository,
    /// Image in it.
    Image,
    /// Release in it.
    Release,
    /// Key by which nodes know each other, a secret SSM parameter.
    PeerKey,
    /// IAM role.
    Role,
    /// IAM instance profile.
    Profile,
    /// EC2 security group.
    Firewall,
    /// EC2 launch template.
    Template,
    /// Application load balancer.
    Balancer,
    /// Its target group.
    TargetGroup,
    /// Its listener.
    Listener,
    /// Auto-scaling group.
    Group,
    /// Lifecycle hook.
    Hook,
    /// Scaling policy.
    Scaling,
    /// Scheduled action.
    Schedule,
    /// What the running nodes were started from.
    Nodes,
    /// The release the nodes follow.
    Pointer,
}

impl Kind {
    /// What people call it.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::Image => "image",
            Self::Release => "release",
            Self::PeerKey => "peer key",
            Self::Role => "role",
            Self::Profile => "instance profile",
            Self::Firewall => "security group",
            Self::Template => "launch template",
            Self::Balancer => "load balancer",
            Self::TargetGroup => "target group",
            Self::Listener => "listener",
            Self::Group => "auto-scaling group",
            Self::Hook => "lifecycle hook",
            Self::Scaling => "scaling policy",
            Self::Schedule => "schedule",
            Self::Nodes => "nodes",
            Self::Pointer => "current release",
        }
    }

    /// What exists only inside another: it is gone when that is.
    #[must_use]
    pub fn inside(self) -> Option<Self> {
        match self {
            Self::Image | Self::Release => Some(Self::Repository),
            Self::Hook | Self::Scaling | Self::Schedule | Self::Nodes | Self::Pointer => {
                Some(Self::Group)
            }
            _ => None,
        }
    }

    /// Fields AWS cannot change once it is made.
    #[must_use]
    pub fn fixed(self) -> &'static [&'static str] {
        match self {
            Self::Firewall => &["description", "vpc"],
            Self::TargetGroup => &["port", "vpc"],
            _ => &[],
        }
    }

    /// Kinds that must be made anew when this one is.
    #[must_use]
    pub fn dependents(self) -> &'static [Self] {
        match self {
            Self::Firewall => &[
                Self::Balancer,
                Self::Listener,
                Self::Group,
                Self::TargetGroup,
            ],
            Self::TargetGroup => &[Self::Listener, Self::Group],
            Self::Balancer => &[Self::Listener],
            _ => &[],
        }
    }
}

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
    /// IAM role.
    Role(Role),
    /// IAM instance profile.
    Profile(Profile),
    /// EC2 security group.
    Firewall(Firewall),
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
    /// Scaling policy.
    Scaling(Scaling),
    /// Scheduled action.
    Schedule(Schedule),
    /// What the running nodes were started from.
    Nodes(Nodes),
    /// The release the nodes follow.
    Pointer(Pointer),
}

/// ECR repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repository {
    /// Its name.
    pub name: String,
    /// A tag never moves.
    pub immutable_tags: bool,
    /// Images are scanned when they arrive.
    pub scan_on_push: bool,
    /// What is deleted by itself.
    pub lifecycle: Value,
}

/// Image in a repository, under a tag that names its digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Its tag.
    pub tag: String,
    /// Its repository.
    pub repository: String,
}

/// Release in a repository, as an OCI artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its tag.
    pub tag: String,
    /// Its repository.
    pub repository: String,
    /// The digest of its manifest.
    pub digest: String,
}

/// Key by which nodes know each other. Its value is nobody's business.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerKey {
    /// The parameter's name.
    pub name: String,
}

/// IAM role with one policy of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Who may take it.
    pub trust: Value,
    /// What it allows; null while it has no policy.
    pub policy: Value,
}

/// IAM instance profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The role in it.
    pub role: Option<String>,
}

/// EC2 security group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Firewall {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The network it is in.
    pub vpc: String,
    /// What may come in, sorted.
    pub ingress: Vec<Rule>,
}

/// What may come in: TCP on one port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rule {
    /// The port; 0 for anything that is not one TCP port.
    pub port: u16,
    /// From where: a block of addresses, or the name of a security group.
    pub from: String,
}

/// EC2 launch template, in its latest version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Template {
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
    /// What a node runs when it boots, as text.
    pub user_data: String,
}

/// Application load balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Balancer {
    /// Its name.
    pub name: String,
    /// Its subnets, sorted.
    pub subnets: Vec<String>,
    /// Its security groups.
    pub firewalls: Vec<String>,
}

/// Target group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// Its name.
    pub name: String,
    /// The nodes' port.
    pub port: u16,
    /// The network it is in.
    pub vpc: String,
    /// Path that tells whether a node is ready.
    pub health_path: String,
    /// Seconds between two looks.
    pub health_seconds: u32,
}

/// Listener of the balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    /// Its name: the port.
    pub name: String,
    /// ARN of its certificate, for HTTPS.
    pub certificate: Option<String>,
    /// The target group it forwards to; none when it sends people to HTTPS.
    pub forward: Option<String>,
}

/// Auto-scaling group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Nodes at the least.
    pub min: u32,
    /// Nodes at the most.
    pub max: u32,
    /// Its subnets, sorted.
    pub subnets: Vec<String>,
    /// Its target group.
    pub target_group: Option<String>,
    /// The balancer's health checks count.
    pub balancer_health: bool,
    /// Seconds a new node has before health checks count.
    pub grace_seconds: u32,
}

/// Lifecycle hook: a node that is to end is given time to finish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
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
    /// What is watched.
    pub metric: Metric,
    /// The value aimed at.
    pub target: u32,
}

/// What target tracking watches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Requests a minute of a node, by this target group.
    Requests(String),
    /// Memory committed on a node, in percent, as nodes publish it.
    Memory,
    /// Something else, that somebody else has set.
    Other(String),
}

/// Scheduled action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// When, as a cron expression.
    pub cron: String,
    /// Its time zone.
    pub timezone: String,
    /// Nodes at the least from then on.
    pub min: u32,
}

/// What the running nodes were started from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nodes {
    /// Their group.
    pub name: String,
    /// The template's content, by [`Template::fingerprint`].
    pub template: String,
}

/// The release the nodes follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pointer {
    /// Their group.
    pub name: String,
    /// `TAG@DIGEST`.
    pub release: String,
}

impl Template {
    /// A hash of what it says, which a version carries as its description.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        use sha2::{Digest as _, Sha256};
        let text = serde_json::to_string(self).expect("a template is plain data");
        crate::names::hex(&Sha256::digest(text.as_bytes()))[..16].to_owned()
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
            Self::Role(it) => (Kind::Role, &it.name),
            Self::Profile(it) => (Kind::Profile, &it.name),
            Self::Firewall(it) => (Kind::Firewall, &it.name),
            Self::Template(it) => (Kind::Template, &it.name),
            Self::Balancer(it) => (Kind::Balancer, &it.name),
            Self::TargetGroup(it) => (Kind::TargetGroup, &it.name),
            Self::Listener(it) => (Kind::Listener, &it.name),
            Self::Group(it) => (Kind::Group, &it.name),
            Self::Hook(it) => (Kind::Hook, &it.name),
            Self::Scaling(it) => (Kind::Scaling, &it.name),
            Self::Schedule(it) => (Kind::Schedule, &it.name),
            Self::Nodes(it) => (Kind::Nodes, &it.name),
            Self::Pointer(it) => (Kind::Pointer, &it.name),
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
        write!(f, "{} {}", self.kind.noun(), self.name)
    }
}
