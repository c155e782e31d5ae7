//! A node's death: it ends without a drain, and the others find out.

use fnlocal_core::NodeId;
use fnlocal_core::balancer::{BalancerEvent, TargetFailure};
use fnlocal_core::scaling::GroupEvent;
use rand::RngExt;

use super::Sim;
use super::host::HostStage;
use super::queue::What;

/// Microseconds between two looks of the nodes at each other.
const HEARTBEAT_MICROS: u64 = 1_000_000;

impl Sim<'_> {
    /// Ends `count` of the serving nodes, chosen by chance.
    pub(super) fn die(&mut self, count: u32) {
        for _ in 0..count {
            let up: Vec<NodeId> = self.hosts.up().collect();
            if up.is_empty() {
                return;
            }
            let chosen = self.chances.deaths.random_range(0..up.len());
            self.kill(up[chosen]);
        }
    }

    /// Its work is lost with it. A client whose request entered there gets the balancer's 502; one
    /// that was sent there by another node is served where it entered, which requests that cannot
    /// be repeated would not be.
    fn kill(&mut self, node: NodeId) {
        let Some(host) = self.hosts.remove(&node) else {
            return;
        };
        for instance in host.instances.values() {
            self.recorder.instance(Some(instance.state), None);
        }
        let (mut broken, mut repeated) = (0, 0);
        for (ticket, request) in self.requests.on_node(node) {
            if request.entered == node {
                broken += u64::from(!self.jobs.has(ticket));
                self.balancer_fails(ticket, TargetFailure::Broken);
            } else if request.there {
                repeated += 1;
                let (serves, entered) = (request.serves, request.entered);
                self.serve_where_it_entered(ticket, request.function, serves, entered);
            }
        }
        self.recorder.died(self.now, node, broken, repeated);
        // Whose request broke off knows at once; the others when they look.
        if repeated > 0 {
            self.missed(node);
        } else {
            self.queue
                .at(self.now + HEARTBEAT_MICROS, What::Missed(node));
        }
        self.note_paid();
    }

    /// The nodes send nothing more to one that is gone.
    pub(super) fn missed(&mut self, node: NodeId) {
        if let Some(router) = &mut self.router {
            router.leave(node);
        }
    }

    /// A node that fails its checks is replaced, where there is a group to do it.
    pub(super) fn replace(&mut self, node: NodeId) {
        let dead = self
            .hosts
            .get(&node)
            .is_none_or(|host| host.stage != HostStage::Up);
        if dead && self.group.is_some() {
            self.tell_balancer(BalancerEvent::Gone(node));
            self.tell_group(GroupEvent::Died(node));
        }
    }
}
