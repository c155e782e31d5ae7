//! The settings of a group.

use serde::{Deserialize, Serialize};

use crate::limits::LimitError;
use crate::time::{Duration, Instant};

/// The metric by which the group grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScalingMetric {
    /// Requests a minute that one node should get: `ALBRequestCountPerTarget`.
    RequestsPerNode(u32),
    /// Memory promised on a node, in percent, as nodes publish it.
    MemoryPercent(u32),
}

impl ScalingMetric {
    /// The value the group keeps to.
    #[must_use]
    pub fn target(self) -> f64 {
        match self {
            Self::RequestsPerNode(target) | Self::MemoryPercent(target) => f64::from(target),
        }
    }
}

/// Bounds changed at a time known in advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    /// The moment from which it applies.
    pub at: Instant,
    /// The minimum number of nodes from then on, if that changes.
    pub min: Option<u32>,
    /// The maximum number of nodes from then on, if that changes.
    pub max: Option<u32>,
}

/// Nodes that have booted before and are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmPoolSettings {
    /// How many are kept.
    pub size: u32,
}

/// Settings of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSettings {
    /// The minimum number of nodes.
    pub min: u32,
    /// The maximum number of nodes.
    pub max: u32,
    /// The target.
    pub metric: ScalingMetric,
    /// Time after which a new node's part of the metric counts, and nodes may be removed again.
    pub warm_up: Duration,
    /// Time after the metric changed the number of nodes in which it does not again. AWS has none
    /// for target tracking.
    pub cooldown: Duration,
    /// Bounds that change at times known in advance.
    pub scheduled: Vec<Scheduled>,
    /// Nodes kept stopped.
    pub warm_pool: Option<WarmPoolSettings>,
}

impl Default for GroupSettings {
    /// 300 s of warm-up: without a default instance warm-up, the default cooldown of 300 s is used
    /// (docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-default-instance-warmup.html).
    fn default() -> Self {
        Self {
            min: 1,
            max: 1,
            metric: ScalingMetric::MemoryPercent(70),
            warm_up: Duration::from_secs(300),
            cooldown: Duration::ZERO,
            scheduled: Vec::new(),
            warm_pool: None,
        }
    }
}

impl GroupSettings {
    /// Checks the settings against each other.
    ///
    /// # Errors
    /// The first that makes no sense, by its key in `fnlocal.toml`, and what is wrong.
    pub fn validate(self) -> Result<Self, LimitError> {
        let wrong = |key, what| Err(LimitError { key, what });
        if self.max == 0 || self.min > self.max {
            return wrong(
                "nodes",
                "must have a min that is not more than max, and a max above 0",
            );
        }
        if self.metric.target() < 1.0 {
            return wrong("scale_on", "must be at least 1");
        }
        Ok(self)
    }
}
