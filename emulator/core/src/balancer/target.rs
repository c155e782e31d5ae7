//! One target: its health and its share.

use serde::{Deserialize, Serialize};

use super::BalancerSettings;
use crate::time::{Duration, Instant};

/// How a target stands, in the ALB's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetState {
    /// Registered; it has not passed a check yet.
    Initial,
    /// The target passes its checks.
    Healthy,
    /// The target fails its checks.
    Unhealthy,
    /// The target was deregistered and finishes its requests.
    Draining,
}

/// A share that grows.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct SlowStart {
    since: Instant,
    /// Thousandths of a turn it has saved up.
    credit: u64,
}

impl SlowStart {
    pub(super) const fn from(since: Instant) -> Self {
        Self { since, credit: 0 }
    }
}

/// A whole turn.
const TURN: u64 = 1000;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct BalancerTarget {
    pub(super) state: TargetState,
    passed: u32,
    failed: u32,
    pub(super) in_flight: u32,
    pub(super) slow_start: Option<SlowStart>,
    /// Its next check, or the end of its draining.
    pub(super) deadline: Option<Instant>,
}

impl BalancerTarget {
    pub(super) const fn new() -> Self {
        Self {
            state: TargetState::Initial,
            passed: 0,
            failed: 0,
            in_flight: 0,
            slow_start: None,
            deadline: None,
        }
    }

    /// Returns whether the target's share still grows.
    pub(super) fn is_slow(&self, now: Instant, whole: Duration) -> bool {
        self.slow_start
            .is_some_and(|slow| now.since(slow.since) < whole)
    }

    /// Returns whether the target takes the request whose turn it is: every one, or while its share
    /// grows, as many as its share is of a full one ("the load balancer linearly increases the
    /// number of requests").
    pub(super) fn takes_turn(&mut self, now: Instant, whole: Duration) -> bool {
        let Some(slow) = &mut self.slow_start else {
            return true;
        };
        let passed = now.since(slow.since);
        if passed >= whole {
            self.slow_start = None;
            return true;
        }
        let share = passed.as_micros() * u128::from(TURN) / whole.as_micros().max(1);
        slow.credit += u64::try_from(share).unwrap_or(TURN).max(1);
        let takes = slow.credit >= TURN;
        if takes {
            slow.credit -= TURN;
        }
        takes
    }

    /// Takes in a check's outcome.
    pub(super) fn checked(&mut self, passed: bool, settings: &BalancerSettings) {
        (self.passed, self.failed) = if passed {
            (self.passed.saturating_add(1), 0)
        } else {
            (0, self.failed.saturating_add(1))
        };
        self.state = match self.state {
            TargetState::Initial if passed => TargetState::Healthy,
            TargetState::Unhealthy if self.passed >= settings.healthy_after => TargetState::Healthy,
            TargetState::Initial | TargetState::Healthy
                if self.failed >= settings.unhealthy_after =>
            {
                TargetState::Unhealthy
            }
            same => same,
        };
    }
}
