//! Performs what the core decides.
//!
//! One thread owns the core, the instances' connections and every request: events are handled
//! where they happen, in a plain function call, with no lock and no message between a request and
//! its instance. The driver decides nothing; it turns effects into calls on the runtime and the
//! wrapper, and their outcomes into events.
#![warn(clippy::disallowed_macros)]

mod channel;
mod counts;
mod describe;
mod driver_group;
mod effects;
mod exchange;
mod functions;
mod histogram;
mod inspected;
mod instance;
mod instance_client;
mod instance_exit;
mod package;
mod record;
pub mod reports;
mod served;
pub mod spool;
mod table;
mod ticket;
mod wakeups;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant as Clock;

pub use fnlocal_api::Failure;
use fnlocal_core::async_budget::Capacity;
use fnlocal_core::record::RecordedEvent;
use fnlocal_core::{
    CodeHash, Effect, Event, FunctionId, InstanceId, Node, NodeLimits, NodeLoad, NodeView,
    PackageId, RequestId,
};
use tokio::sync::{Notify, watch};

pub use counts::{Count, Counts, FunctionCounts, Spent, Starts};
pub use describe::Describe;
pub use driver_group::DriverGroup;
pub use exchange::{Connection, Consumed, ExchangeError, RequestBody, TrackedBody};
pub use functions::{BrokenFile, Function, Functions};
pub use histogram::Histogram;
pub use inspected::InspectTarget;
pub use instance::Instance;
pub use instance_client::EXIT_REASON_GRACE;
pub use package::{DriverPackage, PackageCode};
pub use record::EventRecorder;
pub use ticket::{Dispatched, Outcome, Refused, Ticket};
pub use wakeups::Wakeups;

use fnlocal_faults::Faults;
use fnlocal_logs::{Logs, Record};
use fnlocal_runtime::Notice;
use fnlocal_runtime::Runtime;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

type OnInstances = Box<dyn Fn(&Driver)>;

/// The live node: the core, what it speaks about, and the means to carry out its effects.
pub struct Driver {
    core: RefCell<Node>,
    effects: RefCell<Vec<Effect>>,
    began: Clock,
    requests: RefCell<ticket::Waiting>,
    next_request: Cell<u64>,
    instances: RefCell<BTreeMap<InstanceId, Rc<Instance>>>,
    functions: RefCell<Functions>,
    packages: RefCell<BTreeMap<PackageId, DriverPackage>>,
    runtime: Arc<dyn Runtime>,
    describe: Rc<dyn Describe>,
    logs: Logs,
    /// This node's name.
    node: RefCell<Arc<str>>,
    /// The function that is debugged.
    inspected: RefCell<Option<Arc<str>>>,
    counts: Rc<Counts>,
    /// Rung when an earlier deadline than the armed one is wanted.
    rearm: Notify,
    armed: Cell<Option<fnlocal_core::time::Instant>>,
    drained: Notify,
    is_drained: Cell<bool>,
    /// Why a package's last start came to nothing, for the answers to requests that waited for it.
    start_failures: RefCell<BTreeMap<PackageId, String>>,
    memory_mib: u32,
    recorder: RefCell<Option<EventRecorder>>,
    /// Descriptions that came in, good or bad.
    described: watch::Sender<usize>,
    /// Told when the ready instances may be others.
    instances_changed: RefCell<Option<OnInstances>>,
    /// Rung for those who wait for room or for other functions.
    bell: OnceCell<Rc<Wakeups>>,
}

impl Driver {
    /// A driver with nothing to serve yet.
    #[must_use]
    pub fn new(
        limits: NodeLimits,
        runtime: Arc<dyn Runtime>,
        describe: Rc<dyn Describe>,
        logs: Logs,
    ) -> Rc<Self> {
        let memory_mib = limits.memory_mib;
        Rc::new(Self {
            core: RefCell::new(Node::new(limits)),
            effects: RefCell::default(),
            began: Clock::now(),
            requests: RefCell::default(),
            next_request: Cell::new(1),
            instances: RefCell::default(),
            functions: RefCell::default(),
            packages: RefCell::default(),
            runtime,
            describe,
            logs,
            node: RefCell::new("local".into()),
            inspected: RefCell::default(),
            counts: Rc::default(),
            rearm: Notify::new(),
            armed: Cell::new(None),
            drained: Notify::new(),
            is_drained: Cell::new(false),
            start_failures: RefCell::default(),
            memory_mib,
            recorder: RefCell::default(),
            described: watch::Sender::new(0),
            instances_changed: RefCell::default(),
            bell: OnceCell::new(),
        })
    }

    /// This node's name.
    #[must_use]
    pub fn node(&self) -> Arc<str> {
        Arc::clone(&self.node.borrow())
    }

    /// Gives the node a name other than `local`.
    pub fn set_node(&self, name: &str) {
        self.node.replace(name.into());
    }

    /// Has `told` called whenever the ready instances may be others.
    pub fn on_instances(&self, told: impl Fn(&Self) + 'static) {
        self.instances_changed.replace(Some(Box::new(told)));
    }

    /// Has `bell` rung from now on; only the first one is.
    pub fn set_bell(&self, bell: Rc<Wakeups>) {
        let _already = self.bell.set(bell);
    }

    /// Returns the capacity of the node for a function's triggered work.
    #[must_use]
    pub fn offer(&self, function: FunctionId) -> Option<Capacity> {
        self.core.borrow().offer(function)
    }

    /// Waits until `packages` descriptions of packages came in, good or bad.
    pub async fn described(&self, packages: usize) {
        let mut described = self.described.subscribe();
        // Its sender lives as long as the driver.
        let _open = described.wait_for(|count| *count >= packages).await;
    }

    /// Returns the node's present load.
    #[must_use]
    pub fn load(&self) -> NodeLoad {
        self.core.borrow().load()
    }

    /// Returns whether a request for a function would find an instance with room.
    #[must_use]
    pub fn has_idle(&self, function: FunctionId) -> bool {
        self.core.borrow().has_idle(function)
    }

    /// Requests that the ready instances of each function take at once.
    #[must_use]
    pub fn slots(&self) -> Vec<(Arc<str>, u32)> {
        let core = self.core.borrow();
        let functions = self.functions.borrow().all();
        let slots = |one: &Rc<Function>| (Arc::clone(&one.name), core.slots(one.id));
        functions.iter().map(slots).collect()
    }

    /// Records from now on, which must be before the first event.
    pub fn record(&self, recorder: EventRecorder) {
        self.recorder.replace(Some(recorder));
    }

    /// Ends the recording, if there is one.
    ///
    /// # Errors
    /// Not all of it could be written.
    pub fn end_recording(&self) -> std::io::Result<()> {
        self.recorder.take().map_or(Ok(()), EventRecorder::finish)
    }

    /// Tells the core what happened and performs what it answers.
    pub fn handle(self: &Rc<Self>, event: Event) {
        // Decisions of the core that were not performed are lost: nothing can be built on that.
        let _whole = Faults::process().guard("the core");
        let mut effects = self.effects.take();
        let of_instance = concerns_instances(&event);
        let rings = self.bell.get().map(|bell| (bell, Wakeups::rings(&event)));
        {
            let mut core = self.core.borrow_mut();
            let at = self.now();
            let recorder = self.recorder.borrow();
            let recorded = recorder.as_ref().map(|recorder| (recorder, event.clone()));
            core.handle(at, event, &mut effects);
            if let Some((recorder, event)) = recorded {
                let effects = effects.clone();
                recorder.add(RecordedEvent { at, event, effects });
            }
            let next = core.next_deadline();
            if next.is_some() && (self.armed.get().is_none() || next < self.armed.get()) {
                self.rearm.notify_one();
            }
        }
        let stops = |effect: &Effect| matches!(effect, Effect::Stop { .. });
        let changed = of_instance || effects.iter().any(stops);
        for effect in effects.drain(..) {
            self.perform(effect);
        }
        if changed && let Some(told) = &*self.instances_changed.borrow() {
            told(self);
        }
        if let Some((bell, rings)) = rings {
            bell.ring(rings);
        }
        // Performing never re-enters `handle`, so nobody else has put a buffer there.
        self.effects.replace(effects);
    }

    /// Fires the core's deadlines. Runs until dropped.
    pub async fn keep_deadlines(self: Rc<Self>) {
        loop {
            let next = self.core.borrow().next_deadline();
            self.armed.set(next);
            let Some(next) = next else {
                self.rearm.notified().await;
                continue;
            };
            let at = self.began + std::time::Duration::from_micros(next.as_micros());
            tokio::select! {
                () = tokio::time::sleep_until(at.into()) => self.handle(Event::DeadlinePassed),
                () = self.rearm.notified() => {}
            }
        }
    }

    /// Turns what the runtime tells unasked into events and log lines. Ends with the runtime.
    pub async fn follow_notices(self: Rc<Self>, mut notices: tokio::sync::mpsc::Receiver<Notice>) {
        while let Some(notice) = notices.recv().await {
            match notice {
                Notice::Exit { instance, end } => self.exited(instance, end),
                Notice::Line {
                    instance,
                    stderr,
                    line,
                } => {
                    let known = self.instance(instance);
                    if let Some(known) = &known {
                        if stderr && self.take_crash(known, &line) {
                            continue;
                        }
                        known.remember_line(&line);
                    }
                    self.logs.send(Record::Line {
                        at: None,
                        function: known.as_deref().and_then(Instance::function_name),
                        instance,
                        node: self.node(),
                        request: None,
                        stderr,
                        line,
                    });
                }
                Notice::Engine { up, message } => self.logs.send(Record::Engine { up, message }),
            }
        }
    }

    /// A function's requests go to new code now.
    fn switched(&self, function: FunctionId, code: CodeHash) {
        if let Some(function) = self.function(function) {
            let files = self.files_of(function.package, code);
            self.counts.reloaded(&function.name);
            self.describe.switched(&function, code, &files);
        }
    }

    /// A picture of the node, for people and machines.
    #[must_use]
    pub fn view(&self) -> NodeView {
        self.core.borrow().view(self.now())
    }

    /// How requests ended.
    #[must_use]
    pub fn counts(&self) -> &Rc<Counts> {
        &self.counts
    }

    /// Stops what a function's next request could be given, so that it starts cold. False if there
    /// is no such function.
    #[must_use]
    pub fn chill(self: &Rc<Self>, name: &str) -> bool {
        let Some(function) = self.find(name) else {
            return false;
        };
        self.handle(Event::ForceCold {
            function: function.id,
        });
        true
    }

    /// Returns whether another instance than `but` got the function before a moment. Walks over all
    /// instances.
    #[must_use]
    pub fn served_before(&self, function: FunctionId, moment: Clock, but: InstanceId) -> bool {
        let instances = self.instances.borrow();
        instances.values().any(|instance| {
            let bound = instance.bound();
            let bound = bound.filter(|bound| bound.function.id == function);
            instance.id != but && bound.is_some_and(|bound| bound.since < moment)
        })
    }

    /// Where log records go.
    #[must_use]
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Takes no more requests and returns when the last one was answered and the last instance
    /// has stopped.
    pub async fn drain(self: &Rc<Self>) {
        self.handle(Event::Drain);
        while !self.is_drained.get() {
            self.drained.notified().await;
        }
    }

    fn now(&self) -> fnlocal_core::time::Instant {
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        fnlocal_core::time::Instant::from_micros(micros)
    }

    fn instance(&self, id: InstanceId) -> Option<Rc<Instance>> {
        self.instances.borrow().get(&id).cloned()
    }

    fn new_request(&self) -> RequestId {
        let id = self.next_request.get();
        self.next_request.set(id + 1);
        RequestId(id)
    }
}

/// Events after which a function may have other ready instances.
fn concerns_instances(event: &Event) -> bool {
    matches!(
        event,
        Event::Assigned { .. }
            | Event::AssignFailed { .. }
            | Event::InstanceDied { .. }
            | Event::Primed { .. }
            | Event::PackageRemoved { .. }
    )
}

/// Returns the number of processors of this machine.
#[must_use]
pub fn cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    u32::try_from(cores).unwrap_or(2)
}
