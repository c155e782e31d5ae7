//! The state machine of one node.
//!
//! An event first changes what it is about (`admit`, `requests`, `lifecycle`, `code`). Then whatever is due
//! happens (`deadlines`). If anything changed that others wait for (room, an instance, code),
//! everything that waits is looked at again, in one order (`settle`). Serving the waiters of one
//! function is in `serve`; starting, evicting and stopping in `room`.
//!
//! Deliberately absent: retries of effects. Every effect is answered by an event, failures
//! included. A missing answer has a deadline (`answers`), and is given up then.

mod admit;
mod answers;
mod capacity;
mod chill;
mod code;
mod deadlines;
mod expect;
mod lifecycle;
mod reconcile;
mod requests;
mod serve;

use std::collections::{BTreeMap, BTreeSet};

use crate::effect::Effect;
use crate::event::Event;
use crate::ids::{FunctionId, InstanceId, PackageId, RequestId};
use crate::limits::NodeLimits;
use crate::package::NodePackage;
use crate::pool::Pool;
use crate::pool::slot::{PoolInstance, PoolRequest};
use crate::rate::{FillRate, TokenBucket};
use crate::time::Instant;
use crate::timers::Timers;

/// Decides for one node: which instance serves a request, when one is started, paused or stopped,
/// what waits and what is refused.
#[derive(Debug)]
pub struct Node {
    pub(crate) now: Instant,
    pub(crate) limits: NodeLimits,
    pub(crate) bucket: Option<TokenBucket>,
    pub(crate) packages: BTreeMap<PackageId, NodePackage>,
    /// Boxed: a search walks over keys that lie together.
    pub(crate) pools: BTreeMap<FunctionId, Box<Pool>>,
    pub(crate) instances: BTreeMap<InstanceId, PoolInstance>,
    pub(crate) requests: BTreeMap<RequestId, PoolRequest>,
    pub(crate) timers: Timers,
    /// Functions with waiting requests.
    pub(crate) functions_waiting: BTreeSet<FunctionId>,
    /// Functions whose next code is being prepared.
    pub(crate) preparing: BTreeSet<FunctionId>,
    /// Functions of which instances are kept ready.
    pub(crate) kept: BTreeSet<FunctionId>,
    /// Memory promised to instances, in MiB, from start until nothing remains.
    pub(crate) promised_mib: u64,
    /// Of that, memory of instances being stopped.
    pub(crate) stopping_mib: u64,
    pub(crate) stopping: usize,
    /// Instances being started because something waits for them.
    pub(crate) demand_starts: usize,
    /// Instances being started to refill.
    pub(crate) refill_starts: usize,
    /// A function wants an instance and there was nothing to evict.
    pub(crate) demand_unmet: bool,
    /// A function wants an instance and may not start one yet: refills stand back.
    pub(crate) demand_blocked: bool,
    /// After memory pressure: no refill before this.
    pub(crate) refill_at: Instant,
    pub(crate) refill_timer: Option<Instant>,
    pub(crate) draining: bool,
    pub(crate) drained: bool,
    /// Memory or instances may exceed the limits, which were lowered.
    pub(crate) over: bool,
    /// Something changed that others may wait for.
    pub(crate) dirty: bool,
    pub(crate) next_instance: u64,
    pub(crate) out: Vec<Effect>,
}

impl Node {
    /// A node without packages.
    #[must_use]
    pub fn new(limits: NodeLimits) -> Self {
        Self {
            now: Instant::START,
            bucket: request_rate(&limits).map(|rate| TokenBucket::new(rate, Instant::START)),
            limits,
            packages: BTreeMap::new(),
            pools: BTreeMap::new(),
            instances: BTreeMap::new(),
            requests: BTreeMap::new(),
            timers: Timers::default(),
            functions_waiting: BTreeSet::new(),
            preparing: BTreeSet::new(),
            kept: BTreeSet::new(),
            promised_mib: 0,
            stopping_mib: 0,
            stopping: 0,
            demand_starts: 0,
            refill_starts: 0,
            demand_unmet: false,
            demand_blocked: false,
            refill_at: Instant::START,
            refill_timer: None,
            draining: false,
            drained: false,
            over: false,
            dirty: false,
            next_instance: 1,
            out: Vec::new(),
        }
    }

    /// Takes in one event and appends what is to be done about it to `effects`, in order.
    ///
    /// The event is taken to have happened before any deadline that `now` has also passed. Events
    /// that do not fit (unknown or ended things, answers that come late) change nothing. Time that
    /// goes backwards stands still.
    pub fn handle(&mut self, now: Instant, event: Event, effects: &mut Vec<Effect>) {
        self.now = self.now.max(now);
        let told = event.instance();
        self.apply(event);
        loop {
            self.pass_deadlines();
            if !self.dirty {
                break;
            }
            self.settle();
        }
        self.await_answers(told);
        effects.append(&mut self.out);
    }

    /// When [`Event::DeadlinePassed`] is due, if nothing else happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.first()
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::RequestArrived { request, function } => self.arrived(request, function),
            Event::ResponseStarted { request } => self.response_started(request),
            Event::ResponseFinished { request } => self.response_finished(request),
            Event::RequestFailed { request, retry } => self.request_failed(request, retry),
            Event::ClientGone { request } => self.client_gone(request),
            Event::Released { request } => self.released(request),
            Event::InstanceBooted { instance } => self.booted(instance),
            Event::StartFailed { instance } => self.start_failed(instance),
            Event::Assigned { instance } => self.assigned(instance),
            Event::AssignFailed { instance } => self.assign_failed(instance),
            Event::Paused { instance } => self.paused(instance),
            Event::Resumed { instance } => self.resumed(instance),
            Event::InstanceDied { instance } => self.died(instance),
            Event::InstanceStopped { instance } => self.stopped(instance),
            Event::CodeChanged {
                package,
                code,
                rebuilt,
            } => {
                if rebuilt {
                    self.stop_unbound(package);
                }
                self.code_changed(package, code);
            }
            Event::PackageRemoved { package } => self.package_removed(package),
            Event::Primed {
                instance,
                code,
                functions,
            } => self.primed(instance, code, functions),
            Event::LimitsChanged { limits } => self.limits_changed(limits),
            Event::MemoryPressure => self.memory_pressure(),
            Event::ForceCold { function } => self.chill(function),
            Event::Prewarm {
                function,
                instances,
            } => self.expect(function, instances),
            Event::DeadlinePassed => {}
            Event::Drain => {
                self.draining = true;
                self.dirty = true;
            }
        }
    }
}

fn request_rate(limits: &NodeLimits) -> Option<FillRate> {
    let rate = |rps| FillRate::per_second(rps, limits.burst, limits.over_rate);
    limits.rps.map(rate)
}
