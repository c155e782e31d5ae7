//! A request's way: balancer, node, perhaps another node, and back.

use fnlocal_core::balancer::{BalancerEvent, TargetFailure};
use fnlocal_core::{Entered, Event, FunctionId, NodeId, RefuseReason, Route};

use super::Sim;
use super::host::HostStage;
use super::jobs::Pending;
use super::queue::What;
use super::requests::{RequestTicket, SimulatedRequest};
use crate::report::Refusal;

impl Sim<'_> {
    /// A client sends a request.
    pub(super) fn arrives(&mut self, function: FunctionId) {
        self.recorder.arrived();
        self.entered += 1;
        let Ok(node) = self.balancer.pick(self.clock.fleet(self.now)) else {
            let none = Refusal::Balancer(TargetFailure::NoTarget);
            return self.recorder.refused(none);
        };
        let ticket = self.requests.add(SimulatedRequest {
            arrived: self.now,
            function,
            entered: node,
            serves: node,
            there: false,
            routed: false,
            start: None,
            instance: 0,
        });
        let delay = self.hop();
        self.queue.at(self.now + delay, What::Enters(ticket));
    }

    fn hop(&mut self) -> u64 {
        let network = &self.scenario.times.network;
        network.sample(&mut self.chances.network)
    }

    /// A request has reached the node the balancer chose: here it is routed.
    pub(super) fn enters(&mut self, ticket: RequestTicket) {
        let Some(&mut SimulatedRequest {
            function, entered, ..
        }) = self.requests.get(ticket)
        else {
            return;
        };
        let Some(host) = self.hosts.get(&entered) else {
            return self.balancer_fails(ticket, TargetFailure::Broken);
        };
        let Some(router) = &mut self.router else {
            return self.give(entered, ticket);
        };
        let request = Entered::from_client(function);
        let route = router.route(request, entered, || host.core.has_idle(function));
        let serves = match &route {
            Route::Local => entered,
            Route::Remote(forward) => forward.to(),
        };
        if let Some(request) = self.requests.get(ticket) {
            (request.serves, request.routed) = (serves, true);
        }
        if serves == entered {
            return self.give(entered, ticket);
        }
        self.recorder.forwarded();
        let delay = self.hop();
        self.queue.at(self.now + delay, What::Hops(ticket));
    }

    /// A forwarded request has reached its node. If that is gone, nothing was sent yet: it is
    /// served where it entered.
    pub(super) fn hops(&mut self, ticket: RequestTicket) {
        let Some(&mut SimulatedRequest {
            entered,
            serves,
            function,
            ..
        }) = self.requests.get(ticket)
        else {
            return;
        };
        let takes = |node: &NodeId| {
            let host = self.hosts.get(node);
            host.is_some_and(|host| host.stage == HostStage::Up)
        };
        if takes(&serves) {
            return self.give(serves, ticket);
        }
        if !takes(&entered) {
            return self.balancer_fails(ticket, TargetFailure::Broken);
        }
        if self.hosts.get(&serves).is_none() {
            self.missed(serves);
        }
        self.serve_where_it_entered(ticket, function, serves, entered);
    }

    /// A request was sent to a node that does not serve it, or not any more.
    pub(super) fn serve_where_it_entered(
        &mut self,
        ticket: RequestTicket,
        function: FunctionId,
        serves: NodeId,
        entered: NodeId,
    ) {
        if let Some(router) = &mut self.router {
            router.ended(function, serves);
        }
        if let Some(request) = self.requests.get(ticket) {
            (request.serves, request.routed, request.start) = (entered, false, None);
        }
        self.give(entered, ticket);
    }

    pub(super) fn give(&mut self, node: NodeId, ticket: RequestTicket) {
        let Some(request) = self.requests.get(ticket) else {
            return;
        };
        request.there = true;
        let function = request.function;
        let request = ticket.id();
        self.handle_event(node, Event::RequestArrived { request, function });
    }

    /// A request is over without an answer of the function's.
    pub(super) fn refuse(&mut self, ticket: RequestTicket, reason: RefuseReason) {
        match self.ends(ticket) {
            Some((_, Some(job))) => self.job_failed(job, Self::may_have_run(reason)),
            Some((_, None)) => self.recorder.refused(Refusal::Core(reason)),
            None => {}
        }
    }

    pub(super) fn balancer_fails(&mut self, ticket: RequestTicket, failure: TargetFailure) {
        match self.ends(ticket) {
            // Its node is gone, and with it the answer.
            Some((_, Some(job))) => self.job_failed(job, true),
            Some((_, None)) => self.recorder.refused(Refusal::Balancer(failure)),
            None => {}
        }
    }

    /// A request is over with an answer.
    pub(super) fn answered(&mut self, ticket: RequestTicket) {
        let hop = self.hop();
        let Some((request, job)) = self.ends(ticket) else {
            return;
        };
        if let Some(job) = job {
            return self.job_done(job, request.start);
        }
        let hops = if request.serves == request.entered {
            1
        } else {
            2
        };
        let took = self.now - request.arrived + hop * hops;
        let patience = self.scenario.balancer.idle_timeout.as_micros();
        if u128::from(took) > patience {
            let silent = Refusal::Balancer(TargetFailure::Silent);
            return self.recorder.refused(silent);
        }
        self.recorder.answered(took, request.start);
    }

    /// A request, and the job it was if it was one.
    fn ends(&mut self, ticket: RequestTicket) -> Option<(SimulatedRequest, Option<Pending>)> {
        let request = self.requests.end(ticket)?;
        let job = self.job_over(ticket, &request);
        if job.is_some() {
            return Some((request, job));
        }
        if request.routed
            && let Some(router) = &mut self.router
        {
            router.ended(request.function, request.serves);
        }
        self.tell_balancer(BalancerEvent::Ended(request.entered));
        Some((request, None))
    }
}
