//! The kinds of resources, their order, and what hangs on what.

use serde::{Deserialize, Serialize};

/// The kinds of resources, in the order in which they are made. They are deleted the other way
/// round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    /// ECR repository.
    Repository,
    /// Image in it.
    Image,
    /// Release in it.
    Release,
    /// Key by which nodes know each other, a secret SSM parameter.
    PeerKey,
    /// CloudWatch log group.
    LogGroup,
    /// IAM role.
    Role,
    /// SQS queue.
    Queue,
    /// EventBridge Scheduler group.
    ScheduleGroup,
    /// Schedule of a function.
    FunctionSchedule,
    /// IAM instance profile.
    Profile,
    /// EC2 security group.
    SecurityGroup,
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
    /// Machines that have booted before.
    WarmPool,
    /// Scaling policy.
    Scaling,
    /// Scheduled action.
    Schedule,
    /// The template from which the running nodes were started.
    Nodes,
    /// The release the nodes follow.
    CurrentRelease,
}

impl ResourceKind {
    /// Returns the word for people.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::Image => "image",
            Self::Release => "release",
            Self::PeerKey => "peer key",
            Self::LogGroup => "log group",
            Self::Role => "role",
            Self::Queue => "queue",
            Self::ScheduleGroup => "schedule group",
            Self::FunctionSchedule => "function schedule",
            Self::Profile => "instance profile",
            Self::SecurityGroup => "security group",
            Self::Template => "launch template",
            Self::Balancer => "load balancer",
            Self::TargetGroup => "target group",
            Self::Listener => "listener",
            Self::Group => "auto-scaling group",
            Self::Hook => "lifecycle hook",
            Self::WarmPool => "warm pool",
            Self::Scaling => "scaling policy",
            Self::Schedule => "schedule",
            Self::Nodes => "nodes",
            Self::CurrentRelease => "current release",
        }
    }

    /// Returns the kind that contains this one: the resource is gone when that one is.
    #[must_use]
    pub fn inside(self) -> Option<Self> {
        match self {
            Self::Image | Self::Release => Some(Self::Repository),
            Self::FunctionSchedule => Some(Self::ScheduleGroup),
            Self::Hook
            | Self::WarmPool
            | Self::Scaling
            | Self::Schedule
            | Self::Nodes
            | Self::CurrentRelease => Some(Self::Group),
            _ => None,
        }
    }

    /// Fields AWS cannot change once it is made.
    #[must_use]
    pub fn fixed(self) -> &'static [&'static str] {
        match self {
            Self::SecurityGroup => &["description", "vpc"],
            Self::TargetGroup => &["port", "vpc"],
            _ => &[],
        }
    }

    /// Kinds that must be made anew when this one is.
    #[must_use]
    pub fn dependents(self) -> &'static [Self] {
        match self {
            Self::SecurityGroup => &[
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
