//! Why the platform refuses requests.

use serde::{Deserialize, Serialize};

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefuseReason {
    /// There is no such function, or no more.
    UnknownFunction,
    /// The function's code cannot be imported.
    BrokenCode,
    /// More requests a second than allowed.
    RateLimited,
    /// All instances that the limits allow are busy, and the platform does not queue.
    Throttled,
    /// The queue is full.
    QueueFull,
    /// The request waited longer than the queue's deadline.
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
    /// All reasons.
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
            Self::UnknownFunction => (404, "unknown_function", "no function has this name"),
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
                "all instances that the limits allow are busy",
            ),
            Self::QueueFull => (503, "queue_full", "the queue is full"),
            Self::QueueTimeout => (
                504,
                "queue_timeout",
                "no instance became free before the queue's deadline",
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

    /// Returns the word for machines, the `reason` of the answer.
    #[must_use]
    pub const fn word(self) -> &'static str {
        self.facts().1
    }

    /// Returns what happened, for people.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        self.facts().2
    }

    /// Returns one action that helps, if one is known.
    #[must_use]
    pub const fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::RateLimited => "raise `rps` in fnlocal.toml, or send fewer requests",
            Self::Throttled => {
                "send fewer requests at once; --profile chose the platform whose limits apply"
            }
            Self::QueueFull => "raise `max_instances` or `queue` in fnlocal.toml",
            Self::QueueTimeout => "raise `max_instances` or `queue_timeout` in fnlocal.toml",
            Self::Timeout => {
                "answer sooner, or raise the function's `timeout`; a handler that returns no promise has to \
                 call res.send() or res.end(). The instance was ended"
            }
            Self::InstanceDied => "see the function's log for the reason",
            Self::StartFailed => "see fnlocal's output for the engine's message",
            _ => return None,
        })
    }
}
