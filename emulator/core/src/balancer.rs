//! A load balancer that behaves like an AWS Application Load Balancer (ALB).
//!
//! Round robin over the targets that are in service; health checks; a delay before a deregistered
//! target is let go; a slow start for new ones; and the status it answers with itself when a target
//! does not. Figures and rules are those of the ALB's documentation, named at each.
//!
//! Deliberately absent: zones, stickiness by cookie, least outstanding requests, weights of target
//! groups.

mod target;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::NodeId;
use crate::time::{Duration, Instant};

pub use target::TargetState;
use target::{BalancerTarget, SlowStart};

/// Settings of a target group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalancerSettings {
    /// Between two health checks of a target.
    pub check_interval: Duration,
    /// After which an unanswered check has failed.
    pub check_timeout: Duration,
    /// Checks in a row that bring an unhealthy target back.
    pub healthy_after: u32,
    /// Failed checks in a row that make a target unhealthy.
    pub unhealthy_after: u32,
    /// How long a deregistered target may take to finish its requests.
    pub deregistration_delay: Duration,
    /// How long a new target's share grows; zero for a full share at once.
    pub slow_start: Duration,
    /// How long to wait for a connection to a target.
    pub connect_timeout: Duration,
    /// How long a connection may be silent, which is how long a target may take to answer.
    pub idle_timeout: Duration,
}

impl Default for BalancerSettings {
    /// The ALB's own: a check every 30 s, failed after 5 s, healthy after 5 in a row, unhealthy
    /// after 2; a deregistration delay of 300 s; no slow start
    /// (docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
    /// and …/edit-target-group-attributes.html); 10 s to connect and 60 s of silence
    /// (…/load-balancer-troubleshooting.html, "HTTP 504").
    fn default() -> Self {
        Self {
            check_interval: Duration::from_secs(30),
            check_timeout: Duration::from_secs(5),
            healthy_after: 5,
            unhealthy_after: 2,
            deregistration_delay: Duration::from_secs(300),
            slow_start: Duration::ZERO,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
        }
    }
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BalancerEvent {
    /// A target was registered.
    Registered(NodeId),
    /// A target was deregistered: no new requests, but time to finish those it has.
    Deregistered(NodeId),
    /// A target is gone without a drain, such as a terminated machine's.
    Gone(NodeId),
    /// A target answered a health check in time with what is expected.
    CheckPassed(NodeId),
    /// A target did not.
    CheckFailed(NodeId),
    /// A request given to a target has ended, one way or another.
    Ended(NodeId),
    /// A deadline told by [`Balancer::next_deadline`] has passed.
    DeadlinePassed,
}

/// An effect to perform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BalancerEffect {
    /// Check a target's health. Answer: passed or failed, within the timeout.
    Check(NodeId),
    /// A target is in service now.
    InService(NodeId),
    /// A target is out of service: its checks fail.
    OutOfService(NodeId),
    /// A deregistered target has been let go: it may be terminated.
    Released(NodeId),
}

/// A failure on a request's way to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetFailure {
    /// There is no target to give it to.
    NoTarget,
    /// The connection was refused or reset, or what came back was no HTTP.
    Broken,
    /// No connection in the time for it.
    NoConnection,
    /// No answer in the time for it.
    Silent,
}

impl TargetFailure {
    /// The status the balancer answers with itself
    /// (docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Broken => 502,
            Self::NoTarget => 503,
            Self::NoConnection | Self::Silent => 504,
        }
    }
}

/// Decides which target gets a request, and which targets may get any.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Balancer {
    settings: BalancerSettings,
    targets: BTreeMap<NodeId, BalancerTarget>,
    /// Those that may get requests, in the order of their registration.
    ring: Vec<NodeId>,
    /// Where in the ring the next request is tried.
    next: usize,
    deadlines: BTreeSet<(Instant, NodeId)>,
    /// No target is healthy, so all are tried.
    open: bool,
}

impl Balancer {
    /// Without targets.
    #[must_use]
    pub fn new(settings: BalancerSettings) -> Self {
        Self {
            settings,
            targets: BTreeMap::new(),
            ring: Vec::new(),
            next: 0,
            deadlines: BTreeSet::new(),
            open: false,
        }
    }

    /// Chooses a target for a request and counts the request there.
    ///
    /// # Errors
    /// [`TargetFailure::NoTarget`] when nobody may get it.
    pub fn pick(&mut self, now: Instant) -> Result<NodeId, TargetFailure> {
        let mut chosen = self.ring.get(self.next).copied();
        // Targets in their slow start pass most turns on. If all do, it is the first one's.
        for _ in 0..self.ring.len() {
            let Some(&node) = self.ring.get(self.next) else {
                break;
            };
            self.next = (self.next + 1) % self.ring.len();
            let target = self.targets.get_mut(&node);
            if target.is_some_and(|target| target.takes_turn(now, self.settings.slow_start)) {
                chosen = Some(node);
                break;
            }
        }
        let node = chosen.ok_or(TargetFailure::NoTarget)?;
        if let Some(target) = self.targets.get_mut(&node) {
            target.in_flight += 1;
        }
        Ok(node)
    }

    /// Takes in one event and appends what is to be done about it to `effects`.
    pub fn handle(
        &mut self,
        now: Instant,
        event: BalancerEvent,
        effects: &mut Vec<BalancerEffect>,
    ) {
        match event {
            BalancerEvent::Registered(node) => self.register(now, node, effects),
            BalancerEvent::Deregistered(node) => self.deregister(now, node, effects),
            BalancerEvent::Gone(node) => self.remove(node),
            BalancerEvent::CheckPassed(node) => self.checked(now, node, true, effects),
            BalancerEvent::CheckFailed(node) => self.checked(now, node, false, effects),
            BalancerEvent::Ended(node) => self.ended(node, effects),
            BalancerEvent::DeadlinePassed => {}
        }
        self.pass_deadlines(now, effects);
    }

    /// When [`BalancerEvent::DeadlinePassed`] is due, if nothing else happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// How a target stands; none when it is not known.
    #[must_use]
    pub fn state(&self, node: NodeId) -> Option<TargetState> {
        self.targets.get(&node).map(|target| target.state)
    }

    /// Targets that pass their checks.
    #[must_use]
    pub fn healthy(&self) -> usize {
        let healthy = |target: &&BalancerTarget| target.state == TargetState::Healthy;
        self.targets.values().filter(healthy).count()
    }

    /// Targets that get requests: the healthy ones, or all unhealthy ones when none is healthy.
    #[must_use]
    pub fn in_service(&self) -> usize {
        self.ring.len()
    }

    fn register(&mut self, now: Instant, node: NodeId, effects: &mut Vec<BalancerEffect>) {
        self.remove(node);
        let mut target = BalancerTarget::new();
        target.deadline = Some(now + self.settings.check_interval);
        self.deadlines
            .insert((now + self.settings.check_interval, node));
        self.targets.insert(node, target);
        // "Your target is not in service until it passes one health check."
        effects.push(BalancerEffect::Check(node));
    }

    fn deregister(&mut self, now: Instant, node: NodeId, effects: &mut Vec<BalancerEffect>) {
        let Some(target) = self.targets.get_mut(&node) else {
            return;
        };
        if target.state == TargetState::Draining {
            return;
        }
        target.state = TargetState::Draining;
        // "If a deregistering target has no in-flight requests …, Elastic Load Balancing
        // immediately completes the deregistration process."
        if target.in_flight == 0 {
            self.remove(node);
            effects.push(BalancerEffect::Released(node));
            return;
        }
        let at = now + self.settings.deregistration_delay;
        self.rearm(node, at);
        self.refill_ring();
    }

    fn remove(&mut self, node: NodeId) {
        let Some(target) = self.targets.remove(&node) else {
            return;
        };
        if let Some(at) = target.deadline {
            self.deadlines.remove(&(at, node));
        }
        self.refill_ring();
    }

    fn ended(&mut self, node: NodeId, effects: &mut Vec<BalancerEffect>) {
        let Some(target) = self.targets.get_mut(&node) else {
            return;
        };
        target.in_flight = target.in_flight.saturating_sub(1);
        if target.in_flight == 0 && target.state == TargetState::Draining {
            self.remove(node);
            effects.push(BalancerEffect::Released(node));
        }
    }

    fn checked(
        &mut self,
        now: Instant,
        node: NodeId,
        passed: bool,
        effects: &mut Vec<BalancerEffect>,
    ) {
        // "Newly registered targets enter slow start mode only when there is at least one healthy
        // target that is not in slow start mode."
        let slow = self.settings.slow_start;
        let settled = |target: &BalancerTarget| {
            target.state == TargetState::Healthy && !target.is_slow(now, slow)
        };
        let others = self.targets.values().any(settled);
        let Some(target) = self.targets.get_mut(&node) else {
            return;
        };
        let before = target.state;
        target.checked(passed, &self.settings);
        if target.state == before {
            return;
        }
        match target.state {
            TargetState::Healthy => {
                let begins = others && !slow.is_zero();
                target.slow_start = begins.then(|| SlowStart::from(now));
                effects.push(BalancerEffect::InService(node));
            }
            _ => effects.push(BalancerEffect::OutOfService(node)),
        }
        self.refill_ring();
    }

    fn pass_deadlines(&mut self, now: Instant, effects: &mut Vec<BalancerEffect>) {
        while let Some(&(at, node)) = self.deadlines.first().filter(|(at, _)| *at <= now) {
            let state = self.state(node);
            if state == Some(TargetState::Draining) {
                self.remove(node);
                effects.push(BalancerEffect::Released(node));
                continue;
            }
            effects.push(BalancerEffect::Check(node));
            self.rearm(node, at.max(now) + self.settings.check_interval);
        }
    }

    fn rearm(&mut self, node: NodeId, at: Instant) {
        if let Some(target) = self.targets.get_mut(&node) {
            if let Some(old) = target.deadline.replace(at) {
                self.deadlines.remove(&(old, node));
            }
            self.deadlines.insert((at, node));
        }
    }

    /// "If a target group contains only unhealthy registered targets, the load balancer routes
    /// requests to all those targets, regardless of their health status."
    fn refill_ring(&mut self) {
        let next = self.ring.get(self.next).copied();
        let of = |state: TargetState| {
            let targets = self.targets.iter();
            let found = targets.filter(move |(_, target)| target.state == state);
            found.map(|(&node, _)| node).collect::<Vec<_>>()
        };
        self.ring = of(TargetState::Healthy);
        self.open = self.ring.is_empty();
        if self.open {
            self.ring = of(TargetState::Unhealthy);
        }
        let after = |next: NodeId| self.ring.partition_point(|&node| node < next);
        self.next = next.map_or(0, after) % self.ring.len().max(1);
    }
}
