//! Everything that will happen by itself, in the order of its time.
//!
//! Exact: a deadline that no longer applies is taken out, so that [`crate::Node::next_deadline`]
//! never wakes the driver for nothing.

use std::collections::BTreeSet;

use crate::ids::{FunctionId, InstanceId, PackageId, RequestId};
use crate::time::Instant;

/// The purpose of a deadline. Each owner has at most one of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerKind {
    /// A request waits, runs, or blocks a slot after its client left, for too long.
    Request(RequestId),
    /// An instance is idle long enough to be paused or stopped.
    Idle(InstanceId),
    /// A waiting request's expectation may have turned, or a hold on starts is over.
    Demand(FunctionId),
    /// New code has been in preparation for too long.
    Switch(FunctionId),
    /// The pause after failed starts is over.
    Backoff(PackageId),
    /// A hold on refilling spares and `min_instances` is over.
    Refill,
    /// An instance has not answered what it was asked for.
    Unanswered(InstanceId),
}

/// The deadlines. The owner keeps the time its timer is set to.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Instant, TimerKind)>);

impl Timers {
    /// Sets or moves a timer; `slot` is its owner's note of when.
    pub(crate) fn set(&mut self, slot: &mut Option<Instant>, timer: TimerKind, at: Instant) {
        self.clear(slot, timer);
        self.0.insert((at, timer));
        *slot = Some(at);
    }

    /// As [`Timers::set`], unless it is set to an earlier time already.
    pub(crate) fn set_earlier(
        &mut self,
        slot: &mut Option<Instant>,
        timer: TimerKind,
        at: Instant,
    ) {
        if slot.is_none_or(|set| at < set) {
            self.set(slot, timer, at);
        }
    }

    /// Takes a timer out.
    pub(crate) fn clear(&mut self, slot: &mut Option<Instant>, timer: TimerKind) {
        if let Some(at) = slot.take() {
            self.0.remove(&(at, timer));
        }
    }

    /// The earliest deadline.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.0.first().map(|&(at, _)| at)
    }

    /// Takes out one deadline that has passed. Its owner's note is the caller's to clear.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<TimerKind> {
        if self.first()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }

    /// Returns whether exactly this deadline is set.
    pub(crate) fn holds(&self, at: Instant, timer: TimerKind) -> bool {
        self.0.contains(&(at, timer))
    }

    /// How many deadlines are set.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
