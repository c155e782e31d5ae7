//! Triggered work: from its queue into a node when there is room, and what becomes of it.

use std::collections::{BTreeMap, VecDeque};

use fnlocal_core::async_budget::{InFlight, admissible};
use fnlocal_core::{Event, FunctionId, NodeId, RefuseReason, StartKind};
use rand::RngExt;

use super::queue::What;
use super::requests::{RequestTicket, SimulatedRequest};
use super::{SETTLE, Sim};
use crate::triggered::Due;

/// A job that waits or runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pending {
    /// The source, by its place in the scenario.
    by: usize,
    /// When it came, in microseconds.
    came: u64,
    /// Runs that failed.
    attempts: u32,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    /// Those that wait for room.
    waiting: BTreeMap<FunctionId, VecDeque<Pending>>,
    entered: BTreeMap<(NodeId, FunctionId), InFlight>,
    /// By the number of the request each has become.
    running: BTreeMap<RequestTicket, Pending>,
    /// How many of what comes at given times have come, by their place in the scenario.
    told: BTreeMap<usize, usize>,
    waits: u64,
}

impl Jobs {
    /// Those that have entered a node.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// Returns whether a request is one of them.
    pub(super) fn has(&self, ticket: RequestTicket) -> bool {
        self.running.contains_key(&ticket)
    }

    fn count(&mut self, place: (NodeId, FunctionId), change: impl FnOnce(&mut InFlight)) {
        let entered = self.entered.entry(place).or_default();
        change(entered);
        if *entered == InFlight::default() {
            self.entered.remove(&place);
        }
    }
}

impl Sim<'_> {
    /// Foresees what comes next of everything that makes jobs.
    pub(super) fn begin_jobs(&mut self) {
        for by in 0..self.scenario.triggered.len() {
            self.foresee(by, SETTLE);
        }
    }

    fn foresee(&mut self, by: usize, now: u64) {
        let end = SETTLE + (self.scenario.source.duration() * 1e6) as u64;
        let at = match &self.scenario.triggered[by].due {
            Due::Rate(rate) => {
                // The time between events that come by chance.
                let chance: f64 = self.chances.jobs.random();
                let seconds = -(1.0 - chance).ln() / rate.max(f64::MIN_POSITIVE);
                Some(now.saturating_add((seconds * 1e6) as u64)).filter(|at| *at < end)
            }
            Due::At(times) => {
                let told = self.jobs.told.entry(by).or_default();
                let at = times.get(*told).map(|at| SETTLE + (at * 1e6) as u64);
                *told += 1;
                at
            }
        };
        if let Some(at) = at {
            self.queue.at(at, What::JobComes(by));
        }
    }

    /// A job comes.
    pub(super) fn job_comes(&mut self, by: usize) {
        self.foresee(by, self.now);
        self.recorder.jobs().came();
        let came = self.now;
        self.job_waits(Pending {
            by,
            came,
            attempts: 0,
        });
    }

    /// A job waits for room, and may find some.
    pub(super) fn job_waits(&mut self, job: Pending) {
        let function = FunctionId(self.scenario.triggered[job.by].function);
        let line = self.jobs.waiting.entry(function).or_default();
        line.push_back(job);
        self.jobs.waits += 1;
        self.recorder.jobs().waiting(self.jobs.waits);
        self.enter_jobs(function);
    }

    /// Enters as many jobs of a function as there is room for.
    fn enter_jobs(&mut self, function: FunctionId) {
        while let Some(&job) = self.jobs.waiting.get(&function).and_then(VecDeque::front) {
            let Some(node) = self.most_room(function, job) else {
                return;
            };
            self.enter_job(node, function);
        }
    }

    /// There may be room on a node.
    pub(super) fn room_on(&mut self, node: NodeId) {
        if self.jobs.waits == 0 {
            return;
        }
        let functions: Vec<FunctionId> = self.jobs.waiting.keys().copied().collect();
        for function in functions {
            while let Some(&job) = self.jobs.waiting.get(&function).and_then(VecDeque::front) {
                if self.admissible(node, function, job) == 0 {
                    break;
                }
                self.enter_job(node, function);
            }
        }
    }

    fn admissible(&self, node: NodeId, function: FunctionId, job: Pending) -> u32 {
        let offer = self
            .hosts
            .get(&node)
            .and_then(|host| host.core.offer(function));
        let entered = self.jobs.entered.get(&(node, function)).copied();
        let share = self.scenario.triggered[job.by].policy.share;
        offer.map_or(0, |offer| {
            admissible(offer, entered.unwrap_or_default(), share)
        })
    }

    /// The node with most room, and there one with an idle instance first; none without room.
    fn most_room(&self, function: FunctionId, job: Pending) -> Option<NodeId> {
        let nodes = self.hosts.up().map(|node| {
            let host = self.hosts.get(&node);
            let idle = host.is_some_and(|host| host.core.has_idle(function));
            let room = self.admissible(node, function, job);
            (room > 0, idle, room, std::cmp::Reverse(node))
        });
        let (some, .., std::cmp::Reverse(node)) = nodes.max()?;
        some.then_some(node)
    }

    fn enter_job(&mut self, node: NodeId, function: FunctionId) {
        let Some(line) = self.jobs.waiting.get_mut(&function) else {
            return;
        };
        let Some(job) = line.pop_front() else {
            return;
        };
        if line.is_empty() {
            self.jobs.waiting.remove(&function);
        }
        self.jobs.waits -= 1;
        let ticket = self.requests.add(SimulatedRequest {
            arrived: self.now,
            function,
            entered: node,
            serves: node,
            there: true,
            routed: false,
            start: None,
            instance: 0,
        });
        self.jobs
            .count((node, function), |entered| entered.waiting += 1);
        self.jobs.running.insert(ticket, job);
        let request = ticket.id();
        self.handle_event(node, Event::RequestArrived { request, function });
    }

    /// A request was given to an instance; it may be a job.
    pub(super) fn job_begins(&mut self, node: NodeId, ticket: RequestTicket, function: FunctionId) {
        if let Some(job) = self.jobs.running.get(&ticket) {
            self.recorder.jobs().begins(self.now - job.came);
            self.jobs.count((node, function), |entered| {
                entered.waiting -= 1;
                entered.running += 1;
            });
        }
    }

    /// A request is over, of whatever kind; if it was a job, which.
    pub(super) fn job_over(
        &mut self,
        ticket: RequestTicket,
        request: &SimulatedRequest,
    ) -> Option<Pending> {
        let job = self.jobs.running.remove(&ticket)?;
        let begun = request.start.is_some();
        self.jobs
            .count((request.serves, request.function), |entered| {
                if begun {
                    entered.running -= 1;
                } else {
                    entered.waiting -= 1;
                }
            });
        Some(job)
    }

    pub(super) fn job_done(&mut self, job: Pending, start: Option<StartKind>) {
        self.recorder.jobs().done(self.now - job.came, start);
    }

    /// A job was refused, or its run broke off: it comes again, unless it has failed too often or is
    /// too old.
    pub(super) fn job_failed(&mut self, mut job: Pending, ran: bool) {
        let policy = &self.scenario.triggered[job.by].policy;
        job.attempts += u32::from(ran);
        let old = u128::from(self.now - job.came) >= policy.max_age.as_micros();
        if old || job.attempts >= policy.attempts {
            return self.recorder.jobs().dead();
        }
        self.recorder.jobs().again(ran);
        let pause = policy.pause(job.attempts.max(1), self.chances.jobs.random());
        let pause = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
        self.queue
            .at(self.now.saturating_add(pause), What::JobAgain(job));
    }

    /// Returns whether a job that was refused for a reason ran, or may have.
    pub(super) fn may_have_run(reason: RefuseReason) -> bool {
        matches!(reason, RefuseReason::Timeout | RefuseReason::InstanceDied)
    }
}
