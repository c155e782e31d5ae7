//! Runs jobs on the drivers.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fnlocal_core::FunctionId;
use fnlocal_core::async_budget::{InFlight, admissible};
use fnlocal_core::trigger::AsyncPolicy;
use fnlocal_triggers::delivery::{Disposition, Invoke, Run, RunOutcome};
use fnlocal_triggers::job::Job;

use super::run::run;
use super::run_log;
use fnlocal_driver::{Driver, DriverGroup, Function};
use fnlocal_logs::Logs;

/// A job whose function is not there is tried again after so long: it may be on its way.
const ABSENT: Duration = Duration::from_secs(5);

/// Runs jobs on whichever node has room.
pub(super) struct DriverInvoker {
    feed: DriverGroup,
    logs: Logs,
    entered: Rc<RefCell<BTreeMap<InvocationSlot, InFlight>>>,
}

/// A driver, by where it is, and one of its functions.
type InvocationSlot = (usize, FunctionId);

impl DriverInvoker {
    pub fn new(feed: DriverGroup, logs: Logs) -> Self {
        Self {
            feed,
            logs,
            entered: Rc::default(),
        }
    }

    fn entered(&self, place: InvocationSlot) -> InFlight {
        self.entered
            .borrow()
            .get(&place)
            .copied()
            .unwrap_or_default()
    }

    /// The node with most room, and there one with an idle instance first.
    fn pick(&self, name: &str) -> Option<(Rc<Driver>, Rc<Function>)> {
        let drivers = self.feed.drivers().into_iter();
        let known = drivers.filter_map(|driver| {
            let function = driver.find(name)?;
            let offer = driver.offer(function.id)?;
            let entered = self.entered(place(&driver, &function));
            let share = function.settings.triggers.delivery.share;
            let key = (
                driver.has_idle(function.id),
                admissible(offer, entered, share),
            );
            Some((key, driver, function))
        });
        let best = known.max_by_key(|(key, ..)| *key);
        best.map(|(_, driver, function)| (driver, function))
    }
}

fn place(driver: &Rc<Driver>, function: &Function) -> InvocationSlot {
    (Rc::as_ptr(driver).addr(), function.id)
}

impl Invoke for DriverInvoker {
    fn policy(&self, function: &str) -> Option<AsyncPolicy> {
        let drivers = self.feed.drivers();
        let found = drivers.iter().find_map(|driver| driver.find(function));
        found.map(|function| function.settings.triggers.delivery.clone())
    }

    fn admissible(&self, function: &str, running: usize) -> u32 {
        let mut places = 0u32;
        for driver in self.feed.drivers() {
            let Some(function) = driver.find(function) else {
                continue;
            };
            let Some(offer) = driver.offer(function.id) else {
                continue;
            };
            let waiting = self.entered(place(&driver, &function)).waiting;
            let entered = InFlight {
                waiting,
                running: 0,
            };
            let share = function.settings.triggers.delivery.share;
            let more = admissible(offer, entered, share);
            places += if more > 0 { more + waiting } else { 0 };
        }
        places.saturating_sub(u32::try_from(running).unwrap_or(u32::MAX))
    }

    fn functions(&self) -> Vec<Arc<str>> {
        let mut names = BTreeSet::new();
        for driver in self.feed.drivers() {
            let all = driver.with_functions(|functions| functions.all());
            names.extend(all.into_iter().map(|function| Arc::clone(&function.name)));
        }
        names.into_iter().collect()
    }

    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = RunOutcome>>> {
        let Some((driver, function)) = self.pick(&job.head.function) else {
            let why = format!("there is no function named `{}`", job.head.function);
            let after = Some(ABSENT);
            return Box::pin(std::future::ready(RunOutcome::NotRun { why, after }));
        };
        let mut guard = InFlightGuard::new(&self.entered, place(&driver, &function));
        Box::pin(async move { run(&driver, &function, &job, || guard.runs()).await })
    }

    fn ended(&self, run: &Run) {
        let drivers = self.feed.drivers();
        if let Some(driver) = drivers.first() {
            let status = run_log::status(&run.outcome);
            let problem = (run.fate == Disposition::Dead).then_some("dead");
            let function = Arc::from(run.head.function.as_str());
            let counts = driver.counts();
            counts.add(Some(&function), None, (status, problem), run.took);
        }
        let node = drivers
            .first()
            .map_or_else(|| "local".into(), |one| one.node());
        run_log::log(&self.logs, node, run);
    }

    fn warn(&self, text: String) {
        self.logs.warn(text);
    }
}

/// Counts a job at its place until dropped.
struct InFlightGuard {
    entered: Rc<RefCell<BTreeMap<InvocationSlot, InFlight>>>,
    place: InvocationSlot,
    running: bool,
}

impl InFlightGuard {
    fn new(
        entered: &Rc<RefCell<BTreeMap<InvocationSlot, InFlight>>>,
        place: InvocationSlot,
    ) -> Self {
        entered.borrow_mut().entry(place).or_default().waiting += 1;
        Self {
            entered: Rc::clone(entered),
            place,
            running: false,
        }
    }

    fn runs(&mut self) {
        if !std::mem::replace(&mut self.running, true)
            && let Some(entered) = self.entered.borrow_mut().get_mut(&self.place)
        {
            entered.waiting -= 1;
            entered.running += 1;
        }
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let mut all = self.entered.borrow_mut();
        if let Some(entered) = all.get_mut(&self.place) {
            if self.running {
                entered.running -= 1;
            } else {
                entered.waiting -= 1;
            }
            if *entered == InFlight::default() {
                all.remove(&self.place);
            }
        }
    }
}
