//! Performs what the core decides.
//!
//! One thread owns the core, the instances' connections and every request: events are handled
//! where they happen, in a plain function call, with no lock and no message between a request and
//! its instance. The driver decides nothing; it turns effects into calls on the runtime and the
//! wrapper, and their outcomes into events.

mod control;
mod counts;
mod exchange;
mod feed;
mod functions;
mod histogram;
mod inspected;
mod instance;
mod perform;
mod record;
mod ticket;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant as Clock;

use fnlocal_core::record::Entry;
use fnlocal_core::{
    CodeHash, Effect, Event, FunctionId, InstanceId, Node, NodeLimits, NodeLoad, NodeView,
    PackageId, RequestId,
};
use tokio::sync::{Notify, watch};

pub use counts::{Count, Counts, FunctionCounts, Spent, Starts};
pub use exchange::{ClientBody, Connection, Consumed, Exchange, ExchangeError, RequestBody};
pub(crate) use feed::Feed;
pub use functions::{Failure, Function, Functions};
pub use histogram::Histogram;
pub use instance::Instance;
pub use record::Recorder;
pub use ticket::{Dispatched, Outcome, Refused, Ticket};

use crate::logs::{Logs, Record};
use crate::project::DescribedModule;
use crate::runtime::{End, Notice, PackageRun, Runtime};

type OnInstances = Box<dyn Fn(&Driver)>;

/// The live node: the core, what it speaks about, and the means to carry out its effects.
pub struct Driver {
    core: RefCell<Node>,
    effects: RefCell<Vec<Effect>>,
    began: Clock,
    requests: RefCell<ticket::Waiting>,
    next_request: Cell<u64>,
    next_name: Cell<u32>,
    instances: RefCell<BTreeMap<InstanceId, Rc<Instance>>>,
    functions: RefCell<Functions>,
    packages: RefCell<BTreeMap<PackageId, Package>>,
    runtime: Arc<dyn Runtime>,
    describe: Box<dyn Describe>,
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
    recorder: RefCell<Option<Recorder>>,
    /// Descriptions that came in, good or bad.
    described: watch::Sender<usize>,
    /// Told when the ready instances may be others.
    instances_changed: RefCell<Option<OnInstances>>,
}

/// A package as the driver needs it.
pub struct Package {
    /// What the runtime starts.
    pub run: Arc<PackageRun>,
    /// The package's folder as messages show it, with a slash at its end.
    pub shown_root: String,
    /// What each code consists of.
    pub codes: BTreeMap<CodeHash, Code>,
}

/// One code of a package.
#[derive(Clone, Debug, Default)]
pub struct Code {
    /// Hash of its files, for `x-fnlocal-code`: the same wherever it runs and with whatever
    /// variables, unlike the core's.
    pub files: String,
    /// Where it is, below the runtime's code folder; empty for that folder itself.
    pub folder: String,
    /// Files the wrapper imports, relative to it.
    pub entries: Vec<String>,
}

impl Code {
    /// Its folder as an instance sees it.
    fn path(&self, code_root: &str) -> String {
        match self.folder.as_str() {
            "" => code_root.to_owned(),
            folder => format!("{code_root}/{folder}"),
        }
    }
}

/// Turns a wrapper's description of a package into functions with bounds.
pub trait Describe {
    /// Called with the wrapper's `modules`, or with the reason why there is no description.
    /// Registers what it finds in `functions` and returns the whole list for the core.
    fn describe(
        &self,
        package: PackageId,
        code: CodeHash,
        described: Result<Vec<DescribedModule>, Failure>,
        functions: &mut Functions,
    ) -> Vec<fnlocal_core::FunctionSpec>;

    /// Called when a function's requests go to new code, of these files.
    fn switched(&self, function: &Function, code: CodeHash, files: &str);
}

impl Driver {
    /// A driver with nothing to serve yet.
    #[must_use]
    pub fn new(
        limits: NodeLimits,
        runtime: Arc<dyn Runtime>,
        describe: Box<dyn Describe>,
        logs: Logs,
    ) -> Rc<Self> {
        let memory_mib = limits.memory_mib;
        Rc::new(Self {
            core: RefCell::new(Node::new(limits)),
            effects: RefCell::default(),
            began: Clock::now(),
            requests: RefCell::default(),
            next_request: Cell::new(1),
            next_name: Cell::new(1),
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

    /// Waits until so many descriptions of packages came in, good or bad.
    pub async fn described(&self, packages: usize) {
        let mut described = self.described.subscribe();
        // Its sender lives as long as the driver.
        let _open = described.wait_for(|count| *count >= packages).await;
    }

    /// What the node bears now.
    #[must_use]
    pub fn load(&self) -> NodeLoad {
        self.core.borrow().load()
    }

    /// Whether a request for a function would find an instance with room.
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
    pub fn record(&self, recorder: Recorder) {
        self.recorder.replace(Some(recorder));
    }

    /// Ends the recording, if there is one.
    ///
    /// # Errors
    /// Not all of it could be written.
    pub fn end_recording(&self) -> std::io::Result<()> {
        self.recorder.take().map_or(Ok(()), Recorder::finish)
    }

    /// Tells the core what happened and performs what it answers.
    pub fn handle(self: &Rc<Self>, event: Event) {
        let mut effects = self.effects.take();
        let of_instance = concerns_instances(&event);
        {
            let mut core = self.core.borrow_mut();
            let at = self.now();
            let recorder = self.recorder.borrow();
            let recorded = recorder.as_ref().map(|recorder| (recorder, event.clone()));
            core.handle(at, event, &mut effects);
            if let Some((recorder, event)) = recorded {
                let effects = effects.clone();
                recorder.add(Entry { at, event, effects });
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

    /// Adds a package, or gives a known one another image or other variables.
    pub fn set_package(&self, package: PackageId, run: Arc<PackageRun>, shown_root: String) {
        let mut packages = self.packages.borrow_mut();
        let codes = packages.remove(&package).map(|old| old.codes);
        packages.insert(
            package,
            Package {
                run,
                shown_root,
                codes: codes.unwrap_or_default(),
            },
        );
    }

    /// Says where code lies that the core will hear of.
    pub fn add_code(&self, package: PackageId, code: CodeHash, what: Code) {
        if let Some(package) = self.packages.borrow_mut().get_mut(&package) {
            package.codes.insert(code, what);
        }
    }

    /// Code that an instance runs or may yet be given.
    #[must_use]
    pub fn codes_in_use(&self) -> std::collections::BTreeSet<CodeHash> {
        let view = self.view();
        let served = view.functions.iter().flat_map(|f| [Some(f.code), f.next]);
        let known = view.packages.iter().flat_map(|p| [Some(p.wanted), p.code]);
        let instances = self.instances.borrow();
        let bound = instances
            .values()
            .filter_map(|instance| Some(instance.bound()?.code));
        served.chain(known).flatten().chain(bound).collect()
    }

    /// Forgets where code lies that is not there any more.
    pub fn keep_codes(&self, package: PackageId, kept: &[CodeHash]) {
        if let Some(package) = self.packages.borrow_mut().get_mut(&package) {
            package.codes.retain(|code, _| kept.contains(code));
        }
    }

    /// Functions by name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Rc<Function>> {
        self.functions.borrow().find(name)
    }

    /// The function that answers `/` and whatever no function's name matches.
    #[must_use]
    pub fn default_function(&self) -> Option<Rc<Function>> {
        self.functions.borrow().default_function()
    }

    /// The function's name and bounds, by number.
    #[must_use]
    pub fn function(&self, id: FunctionId) -> Option<Rc<Function>> {
        self.functions.borrow().get(id)
    }

    /// Reads or changes the table of functions.
    pub fn with_functions<T>(&self, change: impl FnOnce(&mut Functions) -> T) -> T {
        change(&mut self.functions.borrow_mut())
    }

    /// Why a function's code cannot be imported, if it cannot.
    #[must_use]
    pub fn failure_of(&self, function: &Function) -> Option<Rc<Failure>> {
        let current = self.function(function.id)?;
        current.failure.borrow().clone()
    }

    /// Why no instance of a function can be started, as far as that is known.
    #[must_use]
    pub fn start_failure(&self, function: &Function) -> Option<String> {
        let wanted = function.settings.limits.memory_mib;
        if wanted > self.memory_mib {
            let has = self.memory_mib;
            return Some(format!(
                "it asks for {wanted} MB, and this node may use {has} MB"
            ));
        }
        if let Some(failure) = self.failure_of(function) {
            return Some(failure.summary());
        }
        self.start_failures.borrow().get(&function.package).cloned()
    }

    /// The hash of a code's files.
    fn files_of(&self, package: PackageId, code: CodeHash) -> String {
        let packages = self.packages.borrow();
        let code = packages
            .get(&package)
            .and_then(|package| package.codes.get(&code));
        code.map_or_else(String::new, |code| code.files.clone())
    }

    /// A function's requests go to new code now.
    fn switched(&self, function: FunctionId, code: CodeHash) {
        if let Some(function) = self.function(function) {
            let files = self.files_of(function.package, code);
            self.counts.reloaded(&function.name);
            self.describe.switched(&function, code, &files);
        }
    }

    /// A name for the next request: the run's number and the request's, 16 hexadecimal digits.
    #[must_use]
    pub fn request_name(&self, run: u32) -> String {
        format!(
            "{run:08x}{:08x}",
            self.next_name.replace(self.next_name.get().wrapping_add(1))
        )
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
        self.handle(Event::Chill {
            function: function.id,
        });
        true
    }

    /// Whether another instance than `but` had been given the function before a moment. Walks over
    /// all instances.
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

    fn forget_instance(&self, id: InstanceId) -> Option<Rc<Instance>> {
        let instance = self.instances.borrow_mut().remove(&id);
        if let Some(instance) = &instance {
            instance.close();
        }
        instance
    }

    fn exited(self: &Rc<Self>, id: InstanceId, end: End) {
        let Some(instance) = self.forget_instance(id) else {
            return;
        };
        let last_line = instance.last_lines().pop();
        self.logs.send(Record::Died {
            function: instance.function_name(),
            instance: id,
            node: self.node(),
            reason: end.reason.clone(),
            code: instance.code_text(),
            last_line: last_line.map(|line| self.as_shown(&instance, &line)),
        });
        instance.set_end(end);
        self.handle(Event::InstanceDied { instance: id });
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
