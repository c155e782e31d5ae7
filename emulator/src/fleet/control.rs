//! Performs what the balancer and the group decide.

use std::rc::Rc;
use std::time::Duration;

use fnlocal_core::NodeId;
use fnlocal_core::balancer::{BalancerEffect, BalancerEvent, TargetFailure};
use fnlocal_core::scaling::{
    GroupEffect, GroupEvent, Launch, ScalingGroup, ScalingMetric, ScalingReason,
};
use fnlocal_core::time::Instant;
use http::{HeaderValue, Request, header};
use tokio::task::spawn_local;

use super::FleetState;
use super::member::SimulatedNode;
use crate::dashboard::NodeStage;
use fnlocal_driver::RequestBody;
use fnlocal_faults::Faults;
use fnlocal_gateway::peers::{Counted, Link};

/// Between two looks of the nodes at each other.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// The minimum time for a check of the balancer. The fleet's time may run faster; this machine does
/// not.
const MIN_CHECK_TIMEOUT: Duration = Duration::from_secs(1);

impl FleetState {
    /// The first nodes, at once: what is simulated begins with a fleet that is there.
    pub(super) fn begin(self: &Rc<Self>) {
        for node in (1..=self.settings.fixed).map(NodeId) {
            self.launch(node, Duration::ZERO);
        }
        self.with_group(ScalingGroup::begin);
        self.begun.set(true);
    }

    /// Chooses a node for a request, other than those `tried`, and counts it there.
    ///
    /// # Errors
    /// There is none, or none is left.
    pub(super) fn pick(
        self: &Rc<Self>,
        tried: &[NodeId],
    ) -> Result<(Rc<SimulatedNode>, Counted), TargetFailure> {
        // Its turns go round, so each node comes up once.
        let turns = self.balancer.borrow().in_service().max(1);
        for _ in 0..turns {
            let picked = self.balancer.borrow_mut().pick(self.clock.now());
            let node = picked?;
            let fleet = Rc::clone(self);
            let counted =
                Counted::until(move || fleet.report_to_balancer(BalancerEvent::Ended(node)));
            if !tried.contains(&node) {
                let member = self.members.borrow().get(&node).cloned();
                return Ok((member.ok_or(TargetFailure::NoTarget)?, counted));
            }
        }
        Err(TargetFailure::Broken)
    }

    pub(super) fn report_to_balancer(self: &Rc<Self>, event: BalancerEvent) {
        let mut effects = Vec::new();
        let now = self.clock.now();
        self.balancer.borrow_mut().handle(now, event, &mut effects);
        for effect in effects {
            self.perform_balancer(effect);
        }
        self.rearm();
    }

    fn perform_balancer(self: &Rc<Self>, effect: BalancerEffect) {
        let logs = &self.factory.logs;
        match effect {
            BalancerEffect::Check(node) => {
                let Some(member) = self.members.borrow().get(&node).cloned() else {
                    return;
                };
                let fleet = Rc::clone(self);
                spawn_local(async move { fleet.check(&member).await });
            }
            BalancerEffect::InService(node) => {
                logs.note(format!(
                    "{node} is healthy: the balancer sends requests there"
                ));
                self.changed.notify_waiters();
            }
            BalancerEffect::OutOfService(node) => {
                logs.warn(format!("{node} fails its health checks"));
                self.changed.notify_waiters();
                if self.group.is_some() {
                    self.replace(node);
                }
            }
            BalancerEffect::Released(node) => {
                let Some(member) = self.members.borrow().get(&node).cloned() else {
                    return;
                };
                // Other nodes may have sent it something before they heard of its draining.
                spawn_local(async move {
                    if let Some(link) = member.link.get() {
                        link.answered().await;
                    }
                    member.stop.gently.cancel();
                });
            }
        }
    }

    async fn check(self: &Rc<Self>, member: &SimulatedNode) {
        let timeout = self.clock.real(self.settings.balancer.check_timeout);
        let passed = healthy(member, timeout.max(MIN_CHECK_TIMEOUT)).await;
        self.report_to_balancer(if passed {
            BalancerEvent::CheckPassed(member.node)
        } else {
            BalancerEvent::CheckFailed(member.node)
        });
    }

    /// The group ends a node that fails its checks, and launches another.
    fn replace(self: &Rc<Self>, node: NodeId) {
        let member = self.members.borrow_mut().remove(&node);
        if let Some(member) = member {
            member.stop.now.cancel();
        }
        self.report_to_balancer(BalancerEvent::Gone(node));
        self.report_to_group(GroupEvent::Died(node));
    }

    /// A node is there no more, and nobody was told. One that never was in service nobody checks.
    pub(super) fn lost(self: &Rc<Self>, member: &SimulatedNode) {
        if member.link.get().is_none() {
            self.report_to_group(GroupEvent::BootFailed(member.node));
        }
    }

    pub(super) fn report_to_group(self: &Rc<Self>, event: GroupEvent) {
        self.with_group(|group, now, effects| group.handle(now, event, effects));
    }

    fn with_group(
        self: &Rc<Self>,
        act: impl FnOnce(&mut ScalingGroup, Instant, &mut Vec<GroupEffect>),
    ) {
        let Some(group) = &self.group else {
            return;
        };
        if self.ending.get() {
            return;
        }
        let mut effects = Vec::new();
        act(&mut group.borrow_mut(), self.clock.now(), &mut effects);
        for effect in effects {
            self.perform_group(effect);
        }
        self.rearm();
    }

    fn perform_group(self: &Rc<Self>, effect: GroupEffect) {
        match effect {
            GroupEffect::Launch { node, launch } => {
                let took = if self.begun.get() {
                    (self.settings.boot_time)(launch)
                } else {
                    Duration::ZERO
                };
                if launch == Launch::IntoPool {
                    return self.fill_pool(node, took);
                }
                if self.begun.get() {
                    let seconds = took.as_secs_f64();
                    let text = format!("{node} boots, which takes {seconds:.0} s of its time");
                    self.factory.logs.note(text);
                }
                self.launch(node, self.clock.real(took));
            }
            GroupEffect::Terminate(node) => {
                let member = self.members.borrow().get(&node).cloned();
                match member {
                    Some(member) => self.drain(&member),
                    None => self.report_to_group(GroupEvent::Terminated(node)),
                }
            }
            GroupEffect::Measure => {
                let measured = self.measure();
                self.report_to_group(GroupEvent::Measured(measured));
            }
            GroupEffect::Desired { nodes, why } => {
                let why = match why {
                    ScalingReason::High => "its metric was above the target for three minutes",
                    ScalingReason::Low => "its metric was below the target for fifteen minutes",
                    ScalingReason::Scheduled => "as scheduled",
                };
                let text = format!("the fleet is to have {nodes} nodes: {why}");
                self.factory.logs.note(text);
            }
        }
    }

    /// A node of the warm pool boots and is stopped: nothing of ours runs on it.
    fn fill_pool(self: &Rc<Self>, node: NodeId, took: Duration) {
        let fleet = Rc::clone(self);
        let took = self.clock.real(took);
        spawn_local(async move {
            tokio::select! {
                () = tokio::time::sleep(took) => fleet.report_to_group(GroupEvent::Booted(node)),
                () = fleet.stop.now.cancelled() => {}
            }
        });
    }

    /// Boots a node in so much real time.
    fn launch(self: &Rc<Self>, node: NodeId, delay: Duration) {
        let stop = crate::session::Stop {
            gently: self.stop.gently.child_token(),
            now: self.stop.now.child_token(),
        };
        let member = SimulatedNode::new(node, stop);
        self.members.borrow_mut().insert(node, Rc::clone(&member));
        self.count_nodes();
        let living = Rc::clone(self).live(member, delay);
        self.lives.borrow_mut().spawn_local(async {
            let _guard = Faults::process().guard("a node of the fleet");
            living.await;
        });
    }

    /// The metric of the last minute of the fleet's time. A balancer that had no requests has no
    /// datapoint of them.
    fn measure(&self) -> Option<f64> {
        let entered = self.entered.take();
        match self.settings.group.as_ref()?.metric {
            ScalingMetric::RequestsPerNode(_) => {
                let targets = self.balancer.borrow().healthy().max(1);
                // A minute of a faster fleet sees fewer of the requests, which are not faster.
                let minute = entered as f64 * self.clock.scale();
                (entered > 0).then(|| minute / targets as f64)
            }
            ScalingMetric::MemoryPercent(_) => {
                let members = self.members.borrow();
                let serving = members
                    .values()
                    .filter(|one| one.stage.get() == NodeStage::Serving);
                let shares: Vec<f64> = serving
                    .filter_map(|one| Some(one.driver.get()?.load()))
                    .map(|load| {
                        let promised = load.memory_promised_mib as f64;
                        promised / f64::from(load.memory_mib.max(1)) * 100.0
                    })
                    .collect();
                let sum: f64 = shares.iter().sum();
                (!shares.is_empty()).then(|| sum / shares.len() as f64)
            }
        }
    }

    /// Nothing new goes to a node, and it ends when it has finished what it has.
    pub(super) fn drain(self: &Rc<Self>, member: &Rc<SimulatedNode>) {
        if member.stage.get() != NodeStage::Serving {
            member.stop.gently.cancel();
            return;
        }
        self.set_stage(member, NodeStage::Draining);
        self.factory.logs.note(format!("{} drains", member.node));
        self.routing.leave(member.node);
        self.report_to_balancer(BalancerEvent::Deregistered(member.node));
    }

    /// Ends a node at once and without a drain, like a machine whose plug is pulled.
    pub(super) fn kill(&self, member: &SimulatedNode) {
        self.set_stage(member, NodeStage::Dead);
        self.factory.logs.warn(format!("{} dies", member.node));
        member.stop.now.cancel();
    }

    pub(super) fn set_stage(&self, member: &SimulatedNode, stage: NodeStage) {
        if !member.ended() {
            member.stage.set(stage);
        }
        if stage == NodeStage::Gone {
            self.members.borrow_mut().remove(&member.node);
        }
        self.count_nodes();
        self.changed.notify_waiters();
    }

    /// Says how many nodes import code.
    pub(super) fn count_nodes(&self) {
        let members = self.members.borrow();
        let nodes = members.values().filter(|one| one.driver.get().is_some());
        let nodes = nodes.filter(|one| !one.ended()).count();
        self.factory.describe.set_drivers(nodes);
    }

    /// Fires the deadlines of the balancer and the group. Runs until dropped.
    pub(super) async fn keep_deadlines(self: Rc<Self>) {
        loop {
            let due = self.due();
            self.armed.set(due);
            let Some(at) = due else {
                self.earlier.notified().await;
                continue;
            };
            tokio::select! {
                () = tokio::time::sleep_until(self.clock.at(at)) => {
                    self.report_to_balancer(BalancerEvent::DeadlinePassed);
                    self.report_to_group(GroupEvent::DeadlinePassed);
                }
                () = self.earlier.notified() => {}
            }
        }
    }

    fn due(&self) -> Option<Instant> {
        let group = self.group.as_ref();
        let group = group.and_then(|group| group.borrow().next_deadline());
        let balancer = self.balancer.borrow().next_deadline();
        balancer.into_iter().chain(group).min()
    }

    fn rearm(&self) {
        let due = self.due();
        let armed = self.armed.get();
        if due.is_some() && (armed.is_none() || due < armed) {
            self.earlier.notify_one();
        }
    }

    /// The nodes look at each other: who does not answer is routed around until it does. Runs
    /// until dropped.
    pub(super) async fn look(self: Rc<Self>) {
        let mut every = tokio::time::interval(HEARTBEAT_INTERVAL);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let members: Vec<_> = self.members.borrow().values().cloned().collect();
            let looks = members.iter().filter(|one| one.link.get().is_some());
            let looks =
                looks.map(|one| async move { (one, healthy(one, HEARTBEAT_INTERVAL).await) });
            for (member, answers) in futures_util::future::join_all(looks).await {
                let known = self.routing.has(member.node);
                if answers && !known && member.stage.get() == NodeStage::Serving {
                    self.join(member);
                } else if !answers && known {
                    self.routing.leave(member.node);
                }
            }
        }
    }
}

/// Returns whether a node's health check succeeds.
async fn healthy(member: &SimulatedNode, timeout: Duration) -> bool {
    let Some(link) = member.link.get() else {
        return false;
    };
    let asked = tokio::time::timeout(timeout, ask(link)).await;
    asked.unwrap_or(false)
}

async fn ask(link: &Link) -> bool {
    let mut request = Request::new(RequestBody::Empty);
    *request.uri_mut() = http::Uri::from_static("/_fnlocal/health");
    let host = HeaderValue::from_static("localhost");
    request.headers_mut().insert(header::HOST, host);
    // A check is to find out whether a connection can be made.
    let answered = link.send_anew(request).await;
    answered.is_ok_and(|(response, _)| response.status().is_success())
}
