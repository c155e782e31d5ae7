//! The callers of functions besides requests, on this machine: the project's queue, its schedules
//! and its sources, in front of the drivers that run functions.
//!
//! One for each run of fnlocal, however many nodes it has, so a schedule fires once and an event
//! is taken once. Where nodes are machines of their own each has one, and [`Duty`] says which of
//! them fires a schedule.

mod admin;
mod invoke;
mod run;
mod run_log;
mod source_factory;
mod uploads;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use fnlocal_api::UserError;
use fnlocal_core::trigger::SourceSpec;
use fnlocal_triggers::clock::Clock;
use fnlocal_triggers::delivery::deliver;
use fnlocal_triggers::group_commit::CommitWriter;
use fnlocal_triggers::job_queue::JobQueue;
use fnlocal_triggers::queue::{Queue, QueueView};
use fnlocal_triggers::schedule::Schedule;
use fnlocal_triggers::scheduler::{Clockwork, Owned};
use fnlocal_triggers::source::SourceView;
use fnlocal_triggers::store::QueueStoreError;
use serde::Serialize;
use tokio::task::spawn_local;
use tokio::time::timeout;

pub use admin::MAX_SHOWN_BYTES;
pub use admin::PATH;
pub use fnlocal_triggers::sources::MakeSource;
pub use fnlocal_triggers::{clock, event, job, queue, schedule, store};
pub use source_factory::Sources;

use fnlocal_driver::{DriverGroup, Function};
use fnlocal_faults::Fault;
use fnlocal_logs::Logs;
use fnlocal_project::{Project, ShellVariables, StateDir};
use invoke::DriverInvoker;
use source_factory::RunningSource;
pub(crate) use uploads::Upload;
use uploads::Uploads;

/// Time for jobs that run when fnlocal is to end.
const DRAIN: Duration = Duration::from_secs(10);

/// Returns the ownership of a function's schedule, and of sources that send each event to all
/// listeners. `None` if this node owns nothing.
pub(crate) type Duty = Rc<dyn Fn(&str) -> Option<Owned>>;

/// The project's queue, schedules and sources.
pub struct Triggers {
    queue: Rc<dyn JobQueue>,
    /// The same queue, as far as only a file of this machine goes.
    local: Rc<Queue>,
    clockwork: Rc<Clockwork>,
    feed: DriverGroup,
    logs: Logs,
    duty: Duty,
    sources: RefCell<Sources>,
    running: RefCell<BTreeMap<String, RunningSource>>,
    writer: RefCell<Option<CommitWriter>>,
    /// Large bodies that may arrive at once.
    uploads: Uploads,
}

/// The state of triggers at a moment.
#[derive(Debug, Serialize)]
pub struct TriggersView {
    queue: QueueView,
    /// When each schedule fires next, RFC 3339 in UTC.
    schedules: BTreeMap<String, Option<String>>,
    sources: Vec<SourceView>,
}

impl Triggers {
    /// Opens the project's queue, with all that waits in it.
    ///
    /// # Errors
    /// [`QueueStoreError`]
    pub fn open(
        state: &StateDir,
        feed: DriverGroup,
        sources: Sources,
        logs: &Logs,
    ) -> Result<Rc<Self>, QueueStoreError> {
        // The nodes of one process share this one, so it owns all functions.
        let duty = Rc::new(|_: &str| Some(Owned { since: None }));
        Self::among(state.path(), feed, sources, logs, duty)
    }

    /// Opens the queue in a folder, for a node among others.
    ///
    /// # Errors
    /// [`QueueStoreError`]
    pub fn among(
        folder: &Path,
        feed: DriverGroup,
        sources: Sources,
        logs: &Logs,
        duty: Duty,
    ) -> Result<Rc<Self>, QueueStoreError> {
        let (local, writer) = Queue::open(folder, Clock::system())?;
        let owns = Rc::clone(&duty);
        let clockwork = Clockwork::new(
            Rc::clone(&local),
            move |name| owns(name),
            report(logs.clone()),
        );
        Ok(Rc::new(Self {
            queue: Rc::clone(&local) as Rc<dyn JobQueue>,
            local,
            clockwork,
            feed,
            logs: logs.clone(),
            duty,
            sources: RefCell::new(sources),
            running: RefCell::default(),
            writer: RefCell::new(Some(writer)),
            uploads: Uploads::new(),
        }))
    }

    /// Delivers, fires and reads until dropped.
    pub async fn run(self: Rc<Self>) {
        let bell = Rc::clone(self.feed.bell());
        let invoke = Rc::new(DriverInvoker::new(self.feed.clone(), self.logs.clone()));
        let queue = Rc::clone(&self.queue);
        let delivering = deliver(queue, invoke, Rc::clone(&bell.freed));
        let firing = Rc::clone(&self.clockwork).run();
        let following = async {
            loop {
                self.refresh();
                bell.described.notified().await;
            }
        };
        // None of them ends.
        tokio::join!(delivering, firing, following);
    }

    /// Begins no more runs, and waits for those that have begun, but not for long: what is cut off
    /// runs again.
    pub async fn drain(&self) {
        self.stop_sources();
        if timeout(DRAIN, self.queue.drain()).await.is_err() {
            let text = "some jobs did not end in time; they run again when fnlocal is back";
            self.logs.warn(text);
        }
    }

    /// Ends the queue's thread once what was asked of it is on disk.
    pub async fn close(&self) {
        self.stop_sources();
        let writer = self.writer.take();
        if let Some(writer) = writer {
            writer.close().await;
        }
    }

    /// Bounds the queue as the project says.
    pub fn bound_queue(&self, project: &Project) {
        if let Some(size) = project.config().limits.async_queue_size {
            self.local.set_max_bytes(size.0);
        }
    }

    /// Returns why jobs are neither accepted nor run now; `None` if the queue is well.
    pub fn fault(&self) -> Option<Fault> {
        let why = self.queue.fault()?;
        Some(Fault {
            part: "queue".to_owned(),
            what: format!("neither accepts nor runs jobs now: {why}"),
            fatal: false,
        })
    }

    /// Waits for a place among the large bodies that arrive at once; `None` if there is none in time.
    pub async fn upload(&self) -> Option<Upload> {
        self.uploads.place().await
    }

    /// Returns the present state.
    pub fn view(&self) -> TriggersView {
        let at = |ms: Option<u64>| ms.and_then(event::rfc3339);
        let next = self.clockwork.next().into_iter();
        let running = self.running.borrow();
        TriggersView {
            queue: self.queue.view(),
            schedules: next.map(|(name, ms)| (name, at(ms))).collect(),
            sources: running.values().map(|one| one.intake.view()).collect(),
        }
    }

    /// Its functions are others, or others are this node's: looks at all of it anew.
    pub fn look_again(&self) {
        self.feed.bell().described.notify_one();
    }

    /// Takes over the variables of all functions, and those that sources may take from the shell.
    /// A source whose URL they change is begun anew.
    pub fn set_variables(&self, variables: BTreeMap<String, String>, shell: ShellVariables) {
        {
            let mut sources = self.sources.borrow_mut();
            (sources.env, sources.shell) = (variables, shell);
        }
        self.look_again();
    }

    /// Where the drivers are that run its jobs.
    pub fn feed(&self) -> &DriverGroup {
        &self.feed
    }

    /// Up to when each schedule was fired here, in milliseconds since 1970.
    pub fn looked(&self) -> BTreeMap<String, Option<u64>> {
        self.clockwork.looked()
    }

    /// Returns whether a function's schedule is being fired.
    pub fn is_firing(&self, function: &str) -> bool {
        self.clockwork.is_firing(function)
    }

    /// Functions that have something only one node may see to.
    pub fn exclusive(&self) -> BTreeSet<String> {
        let functions = self.functions().into_iter();
        let exclusive = functions.filter(|function| {
            let triggers = &function.settings.triggers;
            function.settings.schedule.is_some()
                || triggers.sources.iter().any(SourceSpec::is_broadcast)
        });
        exclusive
            .map(|function| function.name.to_string())
            .collect()
    }

    /// The queue of its jobs.
    pub fn queue(&self) -> &Rc<dyn JobQueue> {
        &self.queue
    }

    /// The queue's file, which is this machine's.
    pub fn local(&self) -> &Rc<Queue> {
        &self.local
    }

    /// Functions of all nodes, each once.
    fn functions(&self) -> Vec<Rc<Function>> {
        let mut all = BTreeMap::new();
        for driver in self.feed.drivers() {
            for function in driver.with_functions(|functions| functions.all()) {
                all.entry(function.name.clone()).or_insert(function);
            }
        }
        all.into_values().collect()
    }

    /// Takes over what the functions say of themselves now.
    fn refresh(&self) {
        let functions = self.functions();
        let mut schedules = Vec::new();
        for function in &functions {
            let Some(spec) = &function.settings.schedule else {
                continue;
            };
            let policy = function.settings.triggers.delivery.clone();
            match Schedule::new(spec) {
                Ok(schedule) => schedules.push((function.name.to_string(), schedule, policy)),
                Err(error) => {
                    let text = format!("/{}: {}", function.name, error.report());
                    self.logs.warn(text);
                }
            }
        }
        self.clockwork.set(schedules);
        self.refresh_sources(&functions);
    }

    /// Ends sources that no function wants any more, and begins those that are new.
    fn refresh_sources(&self, functions: &[Rc<Function>]) {
        let mut wanted = BTreeMap::new();
        for function in functions {
            for spec in &function.settings.triggers.sources {
                if spec.is_broadcast() && (self.duty)(&function.name).is_none() {
                    continue;
                }
                // Where it is may become another place while all else stays.
                let url = self.sources.borrow().url(spec, function).ok();
                let key = (&function.name, spec, &function.settings.triggers, url);
                let key = serde_json::to_string(&key).expect("triggers are plain data");
                wanted.insert(key, (function, spec));
            }
        }
        let mut running = self.running.borrow_mut();
        running.retain(|key, _| wanted.contains_key(key));
        for (key, (function, spec)) in wanted {
            if running.contains_key(&key) {
                continue;
            }
            match self.sources.borrow().make(spec, function) {
                Ok(source) => {
                    let logs = self.logs.clone();
                    let begun =
                        RunningSource::begin(source, &self.queue, spec.source, function, logs);
                    running.insert(key, begun);
                }
                Err(text) => self.logs.warn(format!("/{}: {text}", function.name)),
            }
        }
    }

    /// Reads no source any more, until it looks again.
    pub fn stop_sources(&self) {
        self.running.borrow_mut().clear();
    }
}

/// Logs what a part says of itself, as a warning if something is wrong with it.
fn report(logs: Logs) -> impl Fn(bool, String) {
    move |is_wrong, text| {
        if is_wrong {
            logs.warn(text);
        } else {
            logs.note(text);
        }
    }
}

/// Runs triggers beside what else serves, until dropped.
pub async fn beside(triggers: Rc<Triggers>, other: impl Future<Output = ()> + 'static) {
    let mut running = Aborting(spawn_local(triggers.run()));
    tokio::select! {
        () = other => {}
        _broke = &mut running.0 => {}
    }
}

/// A task that ends with whoever waits for it.
struct Aborting(tokio::task::JoinHandle<()>);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}
