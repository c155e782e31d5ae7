//! Why the platform refuses requests.

use serde::{Deserialize, Serialize};

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefuseReason {
    /// No such function (any more).
    UnknownFunction,
    /// The function's code cannot be imported.
    BrokenCode,
    /// More requests a second than allowed.
    RateLimited,
    /// No instance may be had for it: the function's, or everybody's, are all taken.
    Throttled,
    /// The queue is full.
    QueueFull,
    /// It waited longer than the queue's deadline.
    QueueTimeout,
    /// The function did not answer in its timeout.
    Timeout,
    /// The instance ended before it answered.
    InstanceDied,
    /// No instance could be started.
    StartFailed,
    /// The node is shutting down.
    Draining,
}

impl RefuseReason {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::UnknownFunction,
        Self::BrokenCode,
        Self::RateLimited,
        Self::Throttled,
        Self::QueueFull,
        Self::QueueTimeout,
        Self::Timeout,
        Self::InstanceDied,
        Self::StartFailed,
        Self::Draining,
    ];

    /// Returns the status of the answer, its word for machines, and what happened for people.
    const fn facts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::UnknownFunction => (404, "unknown_function", "there is no function of this name"),
            Self::BrokenCode => (
                500,
                "import_failed",
                "the function's code cannot be imported",
            ),
            Self::RateLimited => (
                429,
                "rate_limited",
                "more requests a second than the limit allows",
            ),
            Self::Throttled => (
                429,
                "throttled",
                "all instances the platform allows are busy",
            ),
            Self::QueueFull => (
                503,
                "queue_full",
                "as many requests are waiting as may wait",
            ),
            Self::QueueTimeout => (
                504,
                "queue_timeout",
                "no instance became free in the time a request may wait",
            ),
            Self::Timeout => (
                504,
                "timeout",
                "the function did not answer within its timeout",
            ),
            Self::InstanceDied => (
                502,
                "instance_died",
                "the instance ended before it answered",
            ),
            Self::StartFailed => (
                503,
                "start_failed",
                "no instance of the function could be started",
            ),
            Self::Draining => (503, "draining", "the platform is shutting down"),
        }
    }

    /// Returns the HTTP status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.facts().0
    }

    /// Returns its word for machines, the `reason` of the answer.
    #[must_use]
    pub const fn word(self) -> &'static str {
        self.facts().1
    }

    /// Returns what happened, for people.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        self.facts().2
    }

    /// Returns what to do about it.
    #[must_use]
    pub const fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::RateLimited => "raise `rps` in fnlocal.toml, or send less",
            Self::Throttled => {
                "send less at once; the limits are those of the platform chosen with --profile"
            }
            Self::QueueFull => "raise `max_instances` or `queue` in fnlocal.toml",
            Self::QueueTimeout => "raise `max_instances` or `queue_timeout` in fnlocal.toml",
            Self::Timeout => {
                "answer sooner, or raise the function's `timeout`; a handler that returns no promise has to \
                 call res.send() or res.end(). The instance was ended"
            }
            Self::InstanceDied => "see the function's log for why it ended",
            Self::StartFailed => "see fnlocal's own output for what the engine said",
            _ => return None,
        })
    }
}
