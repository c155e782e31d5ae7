//! The queue in a file of this machine: accepts jobs, leases them, and keeps what becomes of them.
//!
//! Delivery is at least once: a job is forgotten only when its run has ended well and that is on
//! disk. So after a crash run again those that were running and those whose end was being written,
//! of which there are never more than a few.

mod accept;
mod admin;
mod completion;
mod handover;
mod leasing;
mod room;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::delivery::Invoke;
use crate::group_commit::{CommitWriter, Keeper};
use crate::job_queue::JobLease;
use crate::ready_queue::{JobCounts, ReadyQueue};
use crate::store::{QueueStore, QueueStoreError};

pub use accept::AcceptError;
pub use admin::{JobState, ListedJob, MAX_LISTED, Offline, Selection};
pub use room::DEFAULT_QUEUE_BYTES;

/// The maximum number of queued jobs. Each takes a few hundred bytes of memory; bodies stay on
/// disk.
pub const MAX_QUEUED_JOBS: usize = 100_000;
/// The maximum number of runs that have ended and are not on disk yet: they would run again after a
/// crash.
const UNWRITTEN: usize = 8;
/// Jobs of one function that may wait before its sources are read no further.
const ENOUGH: usize = 1000;
/// The pause after the disk refused what was to be written.
const DISK_PAUSE: Duration = Duration::from_secs(1);
/// Jobs are looked at again after so long even if nothing happened: the clock may have been set.
const MAX_SLEEP: Duration = Duration::from_secs(60);
/// A clock that differs by more milliseconds than at the last look was set.
const JUMP_MS: u64 = 5_000;

/// The state of a queue at a moment.
#[derive(Clone, Debug, serde::Serialize)]
pub struct QueueView {
    /// Counts by function.
    pub functions: BTreeMap<Arc<str>, JobCounts>,
    /// Bytes all jobs take that are to run, about.
    pub bytes: u64,
    /// Jobs that were given up.
    pub dead: usize,
    /// Runs that ended well since fnlocal began.
    pub done: u64,
    /// Runs that failed since fnlocal began.
    pub failed: u64,
}

/// The queue of a project.
pub struct Queue {
    keeper: Keeper,
    /// The time of day.
    clock: Clock,
    /// The clock of jobs' times, which goes on steadily when the time of day is set.
    time: Clock,
    /// How far the time of day was from the time that passes at the last look.
    set_by: Cell<i64>,
    line: RefCell<ReadyQueue>,
    /// There may be something to run.
    work: Notify,
    dead: Cell<usize>,
    done: Cell<u64>,
    failed: Cell<u64>,
    /// Runs that have ended and are not on disk.
    unwritten: Cell<usize>,
    /// Runs that have begun and are not over.
    under_way: Cell<usize>,
    /// No more runs begin.
    closing: Cell<bool>,
    /// A run is over.
    over: Notify,
    /// The function after which the next look begins, so that all get their turn.
    after: RefCell<Option<Arc<str>>>,
    reserved: room::Reserved,
    /// The maximum number of bytes of all jobs that are to run.
    max_bytes: Cell<u64>,
}

impl Queue {
    /// Opens the queue of a folder, with all jobs that are in it.
    ///
    /// # Errors
    /// [`QueueStoreError`]
    pub fn open(folder: &Path, clock: Clock) -> Result<(Rc<Self>, CommitWriter), QueueStoreError> {
        let store = QueueStore::open(folder)?;
        let snapshot = store.snapshot()?;
        let mut line = ReadyQueue::default();
        let time = clock.going_on(snapshot.least_time()?);
        let now = time.now_ms();
        snapshot.alive(None, |head| {
            line.add(&head, now);
            true
        })?;
        let mut dead = 0;
        snapshot.dead(None, |_| {
            dead += 1;
            true
        })?;
        drop(snapshot);
        let started = Keeper::start(store, time.clone());
        let (keeper, writer) =
            started.map_err(|error| QueueStoreError::Use(Box::new(redb::Error::Io(error))))?;
        let queue = Rc::new(Self {
            keeper,
            set_by: Cell::new(clock.set_by()),
            clock,
            time,
            line: RefCell::new(line),
            work: Notify::new(),
            dead: Cell::new(dead),
            done: Cell::new(0),
            failed: Cell::new(0),
            unwritten: Cell::new(0),
            under_way: Cell::new(0),
            closing: Cell::new(false),
            over: Notify::new(),
            after: RefCell::default(),
            reserved: room::Reserved::default(),
            max_bytes: Cell::new(DEFAULT_QUEUE_BYTES),
        });
        Ok((queue, writer))
    }

    /// Waits for jobs that may run, and returns them: one of each function at a time, as far as
    /// there is room.
    async fn lease_ready(&self, invoke: &dyn Invoke, freed: &Notify) -> Vec<JobLease> {
        loop {
            self.notice_jump(invoke);
            if let Some(why) = self.keeper.fault() {
                invoke.warn(format!("the queue stands still: {why}"));
                self.keeper.well().await;
                invoke.warn("the queue goes on".to_owned());
            }
            let next = match self.give_up_old(invoke).await {
                Ok(()) => {
                    let leases = self.take_ready(invoke);
                    if !leases.is_empty() {
                        return leases;
                    }
                    self.next_look(invoke)
                }
                Err(error) => {
                    invoke.warn(format!("old jobs could not be given up: {error}"));
                    DISK_PAUSE
                }
            };
            tokio::select! {
                () = self.work.notified() => {}
                () = freed.notified() => {}
                () = tokio::time::sleep(next) => {}
            }
        }
    }

    /// Begins no more runs, and returns when those that have begun are over.
    async fn drain_runs(&self) {
        self.closing.set(true);
        while self.under_way.get() > 0 {
            self.over.notified().await;
        }
    }

    /// Where changes are asked for, and what is on disk is read.
    #[must_use]
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Returns whether a scheduled run of a function has not ended.
    #[must_use]
    pub fn has_scheduled(&self, function: &str) -> bool {
        self.line.borrow().has_scheduled(function)
    }

    /// Jobs of a function that have not ended.
    fn len_of(&self, function: &str) -> usize {
        self.line.borrow().len_of(function)
    }

    /// Takes as many jobs as there is room for, a function at a time.
    fn take_ready(&self, invoke: &dyn Invoke) -> Vec<JobLease> {
        self.line.borrow_mut().wake(self.time.now_ms());
        let mut functions = self.line.borrow().ready();
        let last = self.after.take();
        let first = last.map_or(0, |last| functions.partition_point(|one| *one <= last));
        let many = functions.len().max(1);
        functions.rotate_left(first % many);
        let mut leases = Vec::new();
        let mut some = !self.closing.get() && self.unwritten.get() < UNWRITTEN;
        while std::mem::take(&mut some) {
            for function in &functions {
                let running = self.line.borrow().running_of(function);
                if invoke.admissible(function, running) == 0 {
                    continue;
                }
                let Some(id) = self.line.borrow_mut().take(function) else {
                    continue;
                };
                some = true;
                self.under_way.update(|count| count + 1);
                self.after.replace(Some(Arc::clone(function)));
                leases.push(JobLease {
                    id,
                    function: Arc::clone(function),
                    token: 0,
                });
            }
        }
        leases
    }

    /// Says that the time of day was set, if jobs wait for their time.
    fn notice_jump(&self, invoke: &dyn Invoke) {
        let now = self.clock.set_by();
        let off = now.saturating_sub(self.set_by.replace(now));
        if off.unsigned_abs() < JUMP_MS || self.line.borrow().len() == 0 {
            return;
        }
        let seconds = off.unsigned_abs() / 1000;
        let way = if off < 0 { "back" } else { "forward" };
        invoke.warn(format!(
            "the clock was set {seconds} s {way}; jobs wait as long as without that"
        ));
    }

    /// When something is to be looked at again.
    fn next_look(&self, invoke: &dyn Invoke) -> Duration {
        let line = self.line.borrow();
        let due = line.next_due();
        let old = line.next_too_old(|function| max_age(invoke, function));
        let next = due.into_iter().chain(old).min();
        let wait = next.map(|next| next.saturating_sub(self.time.now_ms()).max(1));
        wait.map_or(MAX_SLEEP, |wait| Duration::from_millis(wait).min(MAX_SLEEP))
    }
}

/// Does something to its end also when whoever waits for it leaves: what is on disk and what is in
/// line must not part.
async fn whole<T: 'static>(doing: impl Future<Output = T> + 'static) -> Result<T, QueueStoreError> {
    let done = tokio::task::spawn_local(doing).await;
    done.map_err(|_| QueueStoreError::Closed)
}

/// How old a function's jobs may become, in milliseconds; none while there is no such function.
fn max_age(invoke: &dyn Invoke, function: &str) -> Option<u64> {
    invoke.policy(function).map(|policy| millis(policy.max_age))
}

/// Milliseconds of a span, as the queue's file has them.
#[must_use]
pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
