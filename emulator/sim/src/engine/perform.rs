//! Carries out what cores want, with the time it takes.

use fnlocal_core::{
    CodeHash, Effect, Event, FunctionId, FunctionSpec, InstanceId, NodeId, PackageId,
};

use super::Sim;
use super::host::{HostInstance, HostStage};
use super::queue::{PendingWork, What};
use super::requests::RequestTicket;
use crate::distribution::Distribution;
use crate::report::InstanceState;

/// Code never changes here.
pub(super) const CODE: CodeHash = CodeHash(1);

impl Sim<'_> {
    /// Tells a node's core what happened, and begins what it wants.
    pub(super) fn handle_event(&mut self, node: NodeId, event: Event) {
        let now = self.instant();
        let mut effects = std::mem::take(&mut self.effects);
        if let Some(host) = self.hosts.get_mut(&node) {
            host.core.handle(now, event, &mut effects);
        }
        for effect in effects.drain(..) {
            self.perform(node, effect);
        }
        self.effects = effects;
        let Some(host) = self.hosts.get_mut(&node) else {
            return;
        };
        if let Some(next) = host.core.next_deadline()
            && host.armed.is_none_or(|armed| next < armed)
        {
            host.armed = Some(next);
            self.queue.at(next.as_micros(), What::Deadline(node));
        }
    }

    /// The node has been asked to be looked at now. Its deadline may have moved since.
    pub(super) fn deadline(&mut self, node: NodeId) {
        let now = self.instant();
        let Some(host) = self.hosts.get_mut(&node) else {
            return;
        };
        if host.armed != Some(now) {
            return;
        }
        host.armed = None;
        match host.core.next_deadline() {
            Some(next) if next > now => {
                host.armed = Some(next);
                self.queue.at(next.as_micros(), What::Deadline(node));
            }
            Some(_) => {
                self.handle_event(node, Event::DeadlinePassed);
                self.room_on(node);
            }
            None => {}
        }
    }

    fn perform(&mut self, node: NodeId, effect: Effect) {
        match effect {
            Effect::Dispatch {
                request,
                instance,
                start,
            } => {
                let ticket = RequestTicket::from_id(request);
                let Some(open) = self.requests.get(ticket) else {
                    return;
                };
                let first = open.start.replace(start).is_none();
                open.instance = instance.0;
                let function = open.function;
                self.change(node, instance, |one| {
                    one.running += 1;
                    one.state = InstanceState::Busy;
                });
                if first {
                    self.job_begins(node, ticket, function);
                }
                self.respond(node, ticket, function);
            }
            Effect::Refuse {
                request, reason, ..
            } => self.refuse(RequestTicket::from_id(request), reason),
            Effect::Start {
                instance, package, ..
            } => self.start(node, instance, package),
            Effect::Prime { instance, code } => {
                self.change(node, instance, |one| one.state = InstanceState::Importing);
                let took = self
                    .scenario
                    .times
                    .import
                    .sample(&mut self.chances.instances);
                let cpu = self.scenario.times.import_cpu;
                self.work(node, took, cpu, PendingWork::Prime(instance, code));
            }
            Effect::Assign {
                instance, function, ..
            } => {
                self.change(node, instance, |one| {
                    (one.state, one.function) = (InstanceState::Importing, Some(function));
                });
                let own = self.scenario.functions.get(function.0 as usize);
                let import = own.and_then(|own| own.import.as_ref());
                let import = import.unwrap_or(&self.scenario.times.import);
                let took = import.sample(&mut self.chances.instances);
                let cpu = self.scenario.times.import_cpu;
                self.work(node, took, cpu, PendingWork::Assign(instance));
            }
            Effect::Pause { instance } => {
                self.change(node, instance, |one| one.state = InstanceState::Paused);
                self.wait(node, |times| &times.pause, PendingWork::Pause(instance));
            }
            Effect::Resume { instance } => {
                self.wait(node, |times| &times.resume, PendingWork::Resume(instance));
            }
            Effect::Stop { instance, .. } => {
                self.change(node, instance, |one| one.state = InstanceState::Stopping);
                self.ready_changed(node, instance);
                self.wait(node, |times| &times.stop, PendingWork::Stop(instance));
            }
            Effect::Switched { .. } | Effect::Abandon { .. } => {}
            Effect::Drained => self.drained(node),
        }
    }

    fn start(&mut self, node: NodeId, instance: InstanceId, package: PackageId) {
        let Some(host) = self.hosts.get_mut(&node) else {
            return;
        };
        let state = InstanceState::Starting;
        host.instances.insert(
            instance,
            HostInstance {
                state,
                package,
                running: 0,
                function: None,
            },
        );
        self.recorder.instance(None, Some(state));
        let took = self.scenario.times.boot.sample(&mut self.chances.instances);
        let cpu = self.scenario.times.boot_cpu;
        self.work(node, took, cpu, PendingWork::Boot(instance));
    }

    fn respond(&mut self, node: NodeId, ticket: RequestTicket, function: FunctionId) {
        let Some(function) = self.scenario.functions.get(function.0 as usize) else {
            return;
        };
        let took = function.service.sample(&mut self.chances.service);
        self.work(node, took, function.cpu, PendingWork::Respond(ticket));
    }

    /// Work that takes `took` microseconds, `cpu` of them on the processor.
    fn work(&mut self, node: NodeId, took: u64, cpu: f64, job: PendingWork) {
        let busy = ((took as f64 * cpu).round() as u64).min(took);
        if busy == 0 {
            self.queue.at(self.now + took, What::Done(node, job));
            return;
        }
        if let Some(host) = self.hosts.get_mut(&node) {
            host.cpu.begin(self.now, busy, took - busy, job);
            self.arm_processor(node);
        }
    }

    fn wait(
        &mut self,
        node: NodeId,
        which: impl Fn(&crate::scenario::Times) -> &Distribution,
        job: PendingWork,
    ) {
        let took = which(&self.scenario.times).sample(&mut self.chances.instances);
        self.queue.at(self.now + took, What::Done(node, job));
    }

    fn arm_processor(&mut self, node: NodeId) {
        let Some(host) = self.hosts.get_mut(&node) else {
            return;
        };
        if let Some(next) = host.cpu.next()
            && host.cpu.armed.is_none_or(|armed| next < armed)
        {
            host.cpu.armed = Some(next);
            self.queue.at(next, What::Processor(node));
        }
    }

    /// A node's processor may have finished something; more may have come since that was foreseen.
    pub(super) fn processor(&mut self, node: NodeId) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(&node) else {
            return;
        };
        if host.cpu.armed != Some(now) {
            return;
        }
        host.cpu.armed = None;
        while let Some(host) = self.hosts.get_mut(&node)
            && let Some((job, after)) = host.cpu.finished(now)
        {
            if after > 0 {
                self.queue.at(now + after, What::Done(node, job));
            } else {
                self.done(node, job);
            }
        }
        self.arm_processor(node);
    }

    /// Ends a job: its node's core gets the event.
    pub(super) fn done(&mut self, node: NodeId, job: PendingWork) {
        match job {
            PendingWork::Respond(ticket) => self.responded(node, ticket),
            PendingWork::Boot(instance) => {
                self.change(node, instance, |one| one.state = InstanceState::Spare);
                self.handle_event(node, Event::InstanceBooted { instance });
            }
            PendingWork::Prime(instance, code) => self.primed(node, instance, code),
            PendingWork::Assign(instance) => {
                self.change(node, instance, |one| one.state = InstanceState::Idle);
                self.handle_event(node, Event::Assigned { instance });
                self.ready_changed(node, instance);
                self.room_on(node);
            }
            PendingWork::Pause(instance) => self.handle_event(node, Event::Paused { instance }),
            PendingWork::Resume(instance) => {
                self.change(node, instance, |one| {
                    one.state = match one.function {
                        Some(_) => InstanceState::Idle,
                        None => InstanceState::Spare,
                    };
                });
                self.handle_event(node, Event::Resumed { instance });
            }
            PendingWork::Stop(instance) => {
                if let Some(host) = self.hosts.get_mut(&node)
                    && let Some(gone) = host.instances.remove(&instance)
                {
                    self.recorder.instance(Some(gone.state), None);
                }
                self.handle_event(node, Event::InstanceStopped { instance });
            }
        }
    }

    fn responded(&mut self, node: NodeId, ticket: RequestTicket) {
        let Some(request) = self.requests.get(ticket) else {
            // The request ran over its timeout, and its instance is being stopped.
            return;
        };
        let instance = InstanceId(request.instance);
        self.change(node, instance, |one| {
            one.running = one.running.saturating_sub(1);
            if one.running == 0 && one.state == InstanceState::Busy {
                one.state = InstanceState::Idle;
            }
        });
        self.answered(ticket);
        let request = ticket.id();
        self.handle_event(node, Event::ResponseFinished { request });
        self.room_on(node);
    }

    fn primed(&mut self, node: NodeId, instance: InstanceId, code: CodeHash) {
        let Some(host) = self.hosts.get_mut(&node) else {
            return;
        };
        host.unprimed = host.unprimed.saturating_sub(1);
        let ready = host.unprimed == 0 && host.stage == HostStage::Priming;
        let package = host.instances.get(&instance).map(|one| one.package.0);
        let functions = self.scenario.functions.iter().enumerate();
        let functions = functions.filter(|(_, function)| Some(function.package) == package);
        let functions = functions
            .map(|(number, function)| FunctionSpec {
                function: FunctionId(u32::try_from(number).unwrap_or(u32::MAX)),
                limits: function.limits.clone(),
                broken: false,
            })
            .collect();
        self.change(node, instance, |one| one.state = InstanceState::Spare);
        self.handle_event(
            node,
            Event::Primed {
                instance,
                code,
                functions,
            },
        );
        if ready {
            self.node_ready(node);
            self.room_on(node);
        }
    }

    /// Tells the core of all packages, which then imports them.
    pub(super) fn load(&mut self, node: NodeId) {
        let packages: std::collections::BTreeSet<u32> = self
            .scenario
            .functions
            .iter()
            .map(|one| one.package)
            .collect();
        if let Some(host) = self.hosts.get_mut(&node) {
            host.unprimed = packages.len();
        }
        for package in packages {
            self.handle_event(
                node,
                Event::CodeChanged {
                    package: PackageId(package),
                    code: CODE,
                    rebuilt: false,
                },
            );
        }
    }

    /// Changes an instance as the outside sees it.
    fn change(
        &mut self,
        node: NodeId,
        instance: InstanceId,
        change: impl FnOnce(&mut HostInstance),
    ) {
        let Some(host) = self.hosts.get_mut(&node) else {
            return;
        };
        if let Some(one) = host.instances.get_mut(&instance)
            && one.state != InstanceState::Stopping
        {
            let before = one.state;
            change(one);
            if one.state != before {
                self.recorder.instance(Some(before), Some(one.state));
            }
        }
    }

    /// The router hears how many requests a function's instances take on a node.
    fn ready_changed(&mut self, node: NodeId, instance: InstanceId) {
        let (Some(router), Some(host)) = (&mut self.router, self.hosts.get(&node)) else {
            return;
        };
        let function = host.instances.get(&instance).and_then(|one| one.function);
        if let Some(function) = function {
            router.ready(function, node, host.core.slots(function));
        }
    }
}
