//! Nodes that come and go: the group asks, machines boot, the balancer checks and lets go.

use std::collections::BTreeMap;

use fnlocal_core::balancer::{BalancerEffect, BalancerEvent};
use fnlocal_core::routing::mix;
use fnlocal_core::scaling::{GroupEffect, GroupEvent, Launch, ScalingGroup, ScalingMetric};
use fnlocal_core::{Event, Node, NodeId};

use super::cpu::Cpu;
use super::host::{Host, HostStage};
use super::queue::What;
use super::{SETTLE, Sim};
use crate::scenario::FleetSize;

/// Microseconds a healthy node takes to answer a check.
const CHECK: u64 = 2_000;

impl Sim<'_> {
    /// The first nodes boot at once: what is simulated begins with a fleet that is there.
    pub(super) fn begin(&mut self) {
        for death in &self.scenario.deaths {
            let at = SETTLE + (death.at.max(0.0) * 1e6) as u64;
            self.queue.at(at, What::Dies(death.nodes));
        }
        match &self.scenario.fleet {
            FleetSize::Fixed(nodes) => {
                for node in (1..=*nodes).map(NodeId) {
                    self.launch(node, 0);
                }
            }
            FleetSize::Group(_) => self.with_group(ScalingGroup::begin),
        }
    }

    pub(super) fn group_deadline(&mut self) {
        self.tell_group(GroupEvent::DeadlinePassed);
    }

    pub(super) fn tell_group(&mut self, event: GroupEvent) {
        self.with_group(|group, now, wanted| group.handle(now, event, wanted));
    }

    fn with_group(
        &mut self,
        act: impl FnOnce(&mut ScalingGroup, fnlocal_core::time::Instant, &mut Vec<GroupEffect>),
    ) {
        let now = self.clock.fleet(self.now);
        let mut wanted = std::mem::take(&mut self.wanted);
        if let Some(group) = &mut self.group {
            act(group, now, &mut wanted);
        }
        for effect in wanted.drain(..) {
            self.perform_group(effect);
        }
        self.wanted = wanted;
        self.note_paid();
    }

    fn perform_group(&mut self, effect: GroupEffect) {
        match effect {
            GroupEffect::Launch { node, launch } => {
                let times = &self.scenario.times;
                let took = match self.now {
                    0 => 0,
                    _ => times.machine_boot(launch, &mut self.chances.machines),
                };
                let took = self.clock.span(took);
                if launch == Launch::IntoPool {
                    self.queue.at(self.now + took, What::MachineUp(node));
                } else {
                    self.launch(node, took);
                }
            }
            GroupEffect::Terminate(node) => self.terminate(node),
            GroupEffect::Measure => {
                let value = self.measure();
                self.tell_group(GroupEvent::Measured(value));
            }
            GroupEffect::Desired { nodes, why } => self.recorder.scaled(self.now, nodes, why),
        }
    }

    /// The metric of the last minute. A balancer that had no requests has no datapoint of them.
    fn measure(&mut self) -> Option<f64> {
        let FleetSize::Group(settings) = &self.scenario.fleet else {
            return None;
        };
        let entered = std::mem::take(&mut self.entered);
        match settings.metric {
            ScalingMetric::RequestsPerNode(_) => {
                let targets = self.balancer.healthy().max(1);
                // A minute of a faster fleet sees fewer of the requests, which are not faster.
                let minute = entered as f64 * self.clock.scale();
                (entered > 0).then(|| minute / targets as f64)
            }
            ScalingMetric::MemoryPercent(_) => {
                let up = self
                    .hosts
                    .values()
                    .filter(|host| host.stage == HostStage::Up);
                let shares = up.map(|host| {
                    let load = host.core.load();
                    load.memory_promised_mib as f64 / f64::from(load.memory_mib.max(1)) * 100.0
                });
                let (sum, count) =
                    shares.fold((0.0, 0_u32), |(sum, n), share| (sum + share, n + 1));
                (count > 0).then(|| sum / f64::from(count))
            }
        }
    }

    fn launch(&mut self, node: NodeId, took: u64) {
        let host = Host {
            core: Node::new(self.scenario.machine.limits.clone()),
            cpu: Cpu::new(self.scenario.machine.cores),
            stage: HostStage::Booting,
            unprimed: 0,
            instances: BTreeMap::new(),
            armed: None,
        };
        self.hosts.insert(node, host);
        self.queue.at(self.now + took, What::MachineUp(node));
        self.note_paid();
    }

    /// A machine has booted: its node imports the code, or it is stopped in the warm pool.
    pub(super) fn machine_up(&mut self, node: NodeId) {
        match self.hosts.get_mut(&node) {
            None => self.tell_group(GroupEvent::Booted(node)),
            Some(host) if host.stage == HostStage::Booting => {
                host.stage = HostStage::Priming;
                self.load(node);
            }
            Some(_) => {}
        }
    }

    /// A node has imported all code: it serves once a check says so.
    pub(super) fn node_ready(&mut self, node: NodeId) {
        let Some(host) = self.hosts.get_mut(&node) else {
            return;
        };
        host.stage = HostStage::Up;
        if let Some(router) = &mut self.router {
            let key = mix(u64::from(node.0));
            router.join(node, key, self.scenario.machine.bears);
        }
        self.tell_balancer(BalancerEvent::Registered(node));
        self.tell_group(GroupEvent::Booted(node));
    }

    /// A node gets nothing more, and ends when the balancer has let it go.
    fn terminate(&mut self, node: NodeId) {
        let Some(host) = self.hosts.get_mut(&node) else {
            return self.tell_group(GroupEvent::Terminated(node));
        };
        if host.stage != HostStage::Up {
            return self.remove(node);
        }
        if let Some(router) = &mut self.router {
            router.leave(node);
        }
        host.stage = HostStage::Draining;
        self.tell_balancer(BalancerEvent::Deregistered(node));
    }

    pub(super) fn tell_balancer(&mut self, event: BalancerEvent) {
        let now = self.clock.fleet(self.now);
        let (mut asked, mut lost) = (std::mem::take(&mut self.asked), Vec::new());
        self.balancer.handle(now, event, &mut asked);
        for effect in asked.drain(..) {
            match effect {
                BalancerEffect::Check(node) => {
                    self.queue.at(self.now + CHECK, What::Checked(node));
                }
                BalancerEffect::Released(node) => self.handle_event(node, Event::Drain),
                BalancerEffect::OutOfService(node) => lost.push(node),
                BalancerEffect::InService(_) => {}
            }
        }
        self.asked = asked;
        for node in lost {
            self.replace(node);
        }
    }

    /// A node answers a check whenever it is there: what it has to do does not keep it from it.
    pub(super) fn checked(&mut self, node: NodeId) {
        let up = self.hosts.get(&node).is_some();
        self.tell_balancer(if up {
            BalancerEvent::CheckPassed(node)
        } else {
            BalancerEvent::CheckFailed(node)
        });
    }

    /// A node has nothing left to do.
    pub(super) fn drained(&mut self, node: NodeId) {
        self.remove(node);
    }

    fn remove(&mut self, node: NodeId) {
        if let Some(host) = self.hosts.remove(&node) {
            for instance in host.instances.values() {
                self.recorder.instance(Some(instance.state), None);
            }
        }
        if let Some(router) = &mut self.router {
            router.leave(node);
        }
        self.tell_balancer(BalancerEvent::Gone(node));
        self.tell_group(GroupEvent::Terminated(node));
        self.note_paid();
    }

    /// Machines are paid for from their launch until they are gone.
    pub(super) fn note_paid(&mut self) {
        let paid = match &self.group {
            Some(group) => group.paid(),
            None => u32::try_from(self.hosts.values().count()).unwrap_or(u32::MAX),
        };
        self.recorder.paid(self.now, paid);
    }
}
