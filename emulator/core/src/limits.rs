//! Bounds, checked when they are made.

use serde::{Deserialize, Serialize};

use crate::time::Duration;

/// The treatment of a request over the rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverRate {
    /// The request is refused, with the time after which it would not have been.
    #[default]
    Refuse,
    /// The request waits for its turn: at most `queue` requests, none longer than `queue_timeout`.
    Queue,
}

/// How a request is refused that can have no instance, or waited for one too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Excess {
    /// As our trouble: the queue is full, or the wait was too long (503, 504).
    #[default]
    Unavailable,
    /// As the client's: it asks for too much (429). Requests for which an instance may yet be
    /// started do not count against `queue`.
    Throttle,
}

/// Bounds of one function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionLimits {
    /// Time to the head of a response.
    pub timeout: Duration,
    /// Memory of an instance, in MiB.
    pub memory_mib: u32,
    /// Requests an instance may serve at once.
    pub concurrency: u32,
    /// Instances kept ready even when nothing arrives.
    pub min_instances: u32,
    /// The maximum number of instances.
    pub max_instances: u32,
    /// Requests a second; none for no bound.
    pub rps: Option<u32>,
    /// Requests that may come at once within `rps`; one second's worth when none.
    #[serde(default)]
    pub burst: Option<u32>,
    /// The treatment of requests over `rps`.
    #[serde(default)]
    pub over_rate: OverRate,
    /// Instances that may be started for waiting requests in ten seconds, refilled evenly; none
    /// for no bound. Spares that are there already do not count.
    #[serde(default)]
    pub start_rate: Option<u32>,
    /// Requests that may wait.
    pub queue: u32,
    /// How long a request may wait.
    pub queue_timeout: Duration,
    /// A request may wait for at least the given percentage of the average start time, if that is
    /// longer than `queue_timeout`; 0 for `queue_timeout` alone.
    #[serde(default)]
    pub queue_starts: u32,
    /// How requests that can have no instance are refused.
    #[serde(default)]
    pub excess: Excess,
    /// Idle time after which an instance is paused.
    pub pause_after: Duration,
    /// Idle time after which an instance is stopped.
    pub stop_after: Duration,
}

impl Default for FunctionLimits {
    /// The defaults of mission.md: 15 s, 512 MiB, one request at a time, 100 instances, 3,000
    /// requests a second. Pause after 10 s and stop after 10 min are OpenWhisk's.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            memory_mib: 512,
            concurrency: 1,
            min_instances: 0,
            max_instances: 100,
            rps: Some(3000),
            burst: None,
            over_rate: OverRate::Refuse,
            start_rate: None,
            queue: 1000,
            queue_timeout: Duration::from_secs(30),
            queue_starts: 0,
            excess: Excess::Unavailable,
            pause_after: Duration::from_secs(10),
            stop_after: Duration::from_secs(600),
        }
    }
}

impl FunctionLimits {
    /// Checks the bounds against each other.
    ///
    /// # Errors
    /// The first bound that makes no sense, by its key in `fnlocal.toml`, and what is wrong.
    pub fn validate(self) -> Result<Self, LimitError> {
        let wrong = |key, what| Err(LimitError { key, what });
        if self.timeout < Duration::from_millis(1) || self.timeout > Duration::from_secs(3600) {
            return wrong("timeout", "must be between 1ms and 1h");
        }
        if self.memory_mib < 64 || self.memory_mib > 65_536 {
            return wrong("memory", "must be between 64MB and 64GB");
        }
        if self.concurrency == 0 || self.concurrency > 1000 {
            return wrong("concurrency", "must be between 1 and 1000");
        }
        if self.max_instances == 0 || self.max_instances > 1000 {
            return wrong("max_instances", "must be between 1 and 1000");
        }
        if self.min_instances > self.max_instances {
            return wrong("min_instances", "must not be more than max_instances");
        }
        if self.rps == Some(0) {
            return wrong("rps", "must be at least 1");
        }
        if self.burst == Some(0) {
            return wrong("burst", "must be at least 1");
        }
        if self.start_rate == Some(0) {
            return wrong("start_rate", "must be at least 1");
        }
        if self.queue > 100_000 {
            return wrong("queue", "must be at most 100000");
        }
        if self.stop_after < self.pause_after {
            return wrong("stop_after", "must not be shorter than pause_after");
        }
        Ok(self)
    }
}

/// A bound that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitError {
    /// The bound's key in `fnlocal.toml`.
    pub key: &'static str,
    /// The violated bound.
    pub what: &'static str,
}

impl std::fmt::Display for LimitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` {}", self.key, self.what)
    }
}

impl std::error::Error for LimitError {}

/// Bounds of the node, and of all functions on it together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLimits {
    /// Memory that may be promised to instances, in MiB.
    pub memory_mib: u32,
    /// Instances of all functions together, spares included.
    pub max_instances: u32,
    /// Requests a second of all functions together; none for no bound.
    pub rps: Option<u32>,
    /// Requests that may come at once within `rps`; one second's worth when none.
    #[serde(default)]
    pub burst: Option<u32>,
    /// The treatment of requests over `rps`. Those that wait count against their function's
    /// `queue`.
    #[serde(default)]
    pub over_rate: OverRate,
    /// Instances being started at once because a request waits.
    pub parallel_starts: u32,
    /// Instances being started at once to refill spares or `min_instances`.
    pub parallel_refills: u32,
    /// Booted wrappers kept per package for whichever function needs one. Besides these, the one
    /// that imported the current code last is kept while it is of use.
    pub spares: u32,
    /// Memory of a spare, in MiB, until a function of the package asks for other.
    pub spare_memory_mib: u32,
}

impl Default for NodeLimits {
    /// A laptop: 4 GiB for instances, two starts at once, one spare a package.
    fn default() -> Self {
        Self {
            memory_mib: 4096,
            max_instances: 1000,
            rps: None,
            burst: None,
            over_rate: OverRate::Refuse,
            parallel_starts: 2,
            parallel_refills: 2,
            spares: 1,
            spare_memory_mib: 512,
        }
    }
}

impl NodeLimits {
    /// Checks the bounds against each other.
    ///
    /// # Errors
    /// The first bound that makes no sense, by its key in `fnlocal.toml`, and what is wrong.
    pub fn validate(self) -> Result<Self, LimitError> {
        let wrong = |key, what| Err(LimitError { key, what });
        if self.memory_mib < 64 {
            return wrong("memory", "must be at least 64MB");
        }
        if self.max_instances == 0 {
            return wrong("max_instances", "must be at least 1");
        }
        if self.rps == Some(0) {
            return wrong("rps", "must be at least 1");
        }
        if self.burst == Some(0) {
            return wrong("burst", "must be at least 1");
        }
        Ok(self)
    }
}
