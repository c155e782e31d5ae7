//! The simulation itself: one loop over what happens next.
//!
//! `way` is a request's, `fleet` has the balancer and the group, `death` is a node's, `perform` carries out what cores
//! want, `cpu` shares processors. Requests are drawn as they come and forgotten when they end, so a run takes room for
//! what is under way, not for what has been.

mod clock;
mod cpu;
mod death;
mod fleet;
mod host;
mod hosts;
mod jobs;
mod perform;
mod queue;
mod request;
mod requests;

use fnlocal_core::balancer::{Balancer, BalancerEffect, BalancerEvent};
use fnlocal_core::scaling::{GroupEffect, ScalingGroup};
use fnlocal_core::time::Instant;
use fnlocal_core::{Effect, FunctionId, Router, RouterSettings};
use rand_chacha::ChaCha8Rng;

use crate::budget::{EventBudget, Exhausted};
use crate::report::{ReportRecorder, SimulationReport};
use crate::rng::{Use, stream};
use crate::scenario::{FleetSize, Routing, Scenario};
use crate::trace::TraceError;
use crate::workload::{Arrival, BadWorkload, RequestSource};

use clock::SimulationClock;
use hosts::Hosts;
use jobs::Jobs;
use queue::{EventQueue, What};
use requests::RequestTable;

/// Time before the first request, in microseconds: the first nodes boot, import and pass a check.
const SETTLE: u64 = 60_000_000;

/// Why there is no report.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// The workload makes no sense.
    #[error(transparent)]
    Workload(#[from] BadWorkload),
    /// The trace makes no sense.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// A bound makes no sense.
    #[error("{0}")]
    Limits(#[from] fnlocal_core::LimitError),
    /// An instance of a function needs more memory than a node has.
    #[error(
        "function `{function}` asks for {wanted} MB, and a node ({kind}) has {has} MB for instances"
    )]
    TooLarge {
        /// The function.
        function: String,
        /// Memory of an instance, in MiB.
        wanted: u32,
        /// The node's type.
        kind: String,
        /// Memory of a node, in MiB.
        has: u32,
    },
    /// Nothing to simulate.
    #[error("there are no functions")]
    NoFunctions,
    /// The run did not end.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

fnlocal_api::user_error!(SimError [Workload, Trace, Exhausted] {
    Self::Limits(_) => None, Config;
    Self::TooLarge { .. } => "choose a larger `instance_type`, or less `memory`", Config;
    Self::NoFunctions => None;
});

/// Runs a scenario to its end.
///
/// # Errors
/// [`SimError`], before anything runs or when the scenario's events are used up.
pub fn simulate(scenario: &Scenario) -> Result<SimulationReport, SimError> {
    check(scenario)?;
    let arrivals = scenario
        .source
        .arrivals(scenario.functions.len(), scenario.seed)?;
    let mut sim = Sim::new(scenario);
    sim.begin();
    sim.begin_jobs();
    sim.run(arrivals)?;
    Ok(sim.finish())
}

fn check(scenario: &Scenario) -> Result<(), SimError> {
    if scenario.functions.is_empty() {
        return Err(SimError::NoFunctions);
    }
    if let RequestSource::Drawn(workload) = &scenario.source {
        workload.validate()?;
    }
    if let FleetSize::Group(group) = &scenario.fleet {
        group.clone().validate()?;
    }
    let machine = &scenario.machine;
    machine.limits.clone().validate()?;
    for function in &scenario.functions {
        function.limits.clone().validate()?;
        if function.limits.memory_mib > machine.limits.memory_mib {
            return Err(SimError::TooLarge {
                function: function.name.clone(),
                wanted: function.limits.memory_mib,
                kind: machine.kind.clone(),
                has: machine.limits.memory_mib,
            });
        }
    }
    Ok(())
}

struct Chances {
    service: ChaCha8Rng,
    instances: ChaCha8Rng,
    network: ChaCha8Rng,
    machines: ChaCha8Rng,
    deaths: ChaCha8Rng,
    jobs: ChaCha8Rng,
}

struct Sim<'a> {
    scenario: &'a Scenario,
    now: u64,
    clock: SimulationClock,
    queue: EventQueue,
    hosts: Hosts,
    requests: RequestTable,
    jobs: Jobs,
    balancer: Balancer,
    group: Option<ScalingGroup>,
    router: Option<Router>,
    chances: Chances,
    recorder: ReportRecorder,
    budget: EventBudget,
    /// Requests that entered since the group last measured.
    entered: u64,
    effects: Vec<Effect>,
    asked: Vec<BalancerEffect>,
    wanted: Vec<GroupEffect>,
}

impl<'a> Sim<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let seed = scenario.seed;
        let clock = SimulationClock::new(scenario.time_scale);
        let settings = match scenario.routing {
            Routing::Sticky(settings) => Some(settings),
            Routing::RoundRobin => None,
        };
        let group = match &scenario.fleet {
            FleetSize::Group(settings) => Some(ScalingGroup::new(settled(settings, clock))),
            FleetSize::Fixed(_) => None,
        };
        Self {
            scenario,
            now: 0,
            clock,
            queue: EventQueue::default(),
            hosts: Hosts::default(),
            requests: RequestTable::default(),
            jobs: Jobs::default(),
            balancer: Balancer::new(scenario.balancer),
            group,
            router: settings.map(|settings: RouterSettings| Router::new(settings)),
            chances: Chances {
                service: stream(seed, Use::Service),
                instances: stream(seed, Use::Instances),
                network: stream(seed, Use::Network),
                machines: stream(seed, Use::Machines),
                deaths: stream(seed, Use::Deaths),
                jobs: stream(seed, Use::Jobs),
            },
            recorder: ReportRecorder::new(scenario, SETTLE),
            budget: EventBudget::new(scenario.events),
            entered: 0,
            effects: Vec::new(),
            asked: Vec::new(),
            wanted: Vec::new(),
        }
    }

    fn instant(&self) -> Instant {
        Instant::from_micros(self.now)
    }

    /// Everything until the last request has ended.
    fn run(&mut self, mut arrivals: impl Iterator<Item = Arrival>) -> Result<(), Exhausted> {
        let end = SETTLE + (self.scenario.source.duration() * 1e6) as u64;
        let mut coming = arrivals.next();
        loop {
            let arrival = coming.map(|one| one.at + SETTLE);
            let queued = self.queue.next();
            let balancer = self.balancer.next_deadline();
            let group = self.group.as_ref().and_then(ScalingGroup::next_deadline);
            let [balancer, group] = [balancer, group].map(|at| at.map(|at| self.clock.real(at)));
            let times = [group, balancer, queued, arrival];
            let Some(next) = times.into_iter().flatten().min() else {
                return Ok(());
            };
            if arrival.is_none() && self.requests.open() == 0 && next > end {
                return Ok(());
            }
            self.pass_to(next);
            let kind = if group == Some(next) {
                self.group_deadline();
                "the group's minutes"
            } else if balancer == Some(next) {
                self.tell_balancer(BalancerEvent::DeadlinePassed);
                "health checks"
            } else if queued == Some(next) {
                match self.queue.pop() {
                    Some(what) => self.happens(what),
                    None => "",
                }
            } else {
                if let Some(one) = coming {
                    self.arrives(FunctionId(one.function));
                }
                coming = arrivals.next();
                "requests that arrive"
            };
            if !self.budget.take(kind) {
                let seconds = self.now.saturating_sub(SETTLE) / 1_000_000;
                return Err(self.budget.exhausted(seconds, self.requests.open() as u64));
            }
        }
    }

    /// Time moves on; what is drawn over time is noted on the way.
    fn pass_to(&mut self, next: u64) {
        while self.recorder.bucket_ends() <= next {
            self.note_bucket();
        }
        self.now = self.now.max(next);
    }

    fn note_bucket(&mut self) {
        let loads = self.hosts.values().map(|host| host.core.load());
        let (waiting, promised) = loads.fold((0, 0), |(waiting, promised), load| {
            (
                waiting + u64::from(load.waiting),
                promised + load.memory_promised_mib,
            )
        });
        self.recorder.end_bucket(crate::report::Moment {
            serving: self.balancer.in_service(),
            waiting,
            open: self.requests.open() - self.jobs.running(),
            promised_mib: promised,
        });
    }

    fn finish(mut self) -> SimulationReport {
        let end = SETTLE + (self.scenario.source.duration() * 1e6) as u64;
        self.pass_to(self.now.max(end));
        let used = self.budget.used();
        self.recorder.report(self.scenario, used)
    }

    fn happens(&mut self, what: What) -> &'static str {
        let kind = what.kind();
        match what {
            What::Enters(ticket) => self.enters(ticket),
            What::Hops(ticket) => self.hops(ticket),
            What::Processor(node) => self.processor(node),
            // The work of a node that is gone is lost.
            What::Done(node, job) if self.hosts.get(&node).is_some() => self.done(node, job),
            What::Done(..) => {}
            What::Deadline(node) => self.deadline(node),
            What::MachineUp(node) => self.machine_up(node),
            What::Checked(node) => self.checked(node),
            What::Dies(count) => self.die(count),
            What::Missed(node) => self.missed(node),
            What::JobComes(by) => self.job_comes(by),
            What::JobAgain(job) => self.job_waits(job),
        }
        kind
    }
}

/// A group's settings with the time before the first request added, in the fleet's own time.
fn settled(
    settings: &fnlocal_core::scaling::GroupSettings,
    clock: SimulationClock,
) -> fnlocal_core::scaling::GroupSettings {
    let mut settings = settings.clone();
    for action in &mut settings.scheduled {
        action.at = clock.fleet(action.at.as_micros() + SETTLE);
    }
    settings
}
