//! The queue of jobs, wherever it is: in a file of this machine, or at a service.
//!
//! A queue keeps jobs and hands out leases on them. [`Invoke::admissible`] says
//! whether a job may run now, and [`deliver`](crate::delivery::deliver) what becomes of a run; both
//! are the same for every queue. Delivery is at least once: a lease that ends without a
//! [`JobQueue::settle`] makes its job run again.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::delivery::{Invoke, Run};
use crate::group_commit::Keeper;
use crate::job::{Accepted, Job, JobId, JobMeta, NewJob};
use crate::queue::{AcceptError, ListedJob, QueueView, Selection};
use crate::store::{BodyFile, QueueStoreError};

/// A future of the queue's own thread.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A queue of jobs.
pub trait JobQueue {
    /// Accepts jobs. They are stored when this returns. A caller that leaves earlier may have had
    /// them accepted.
    ///
    /// # Errors
    /// [`AcceptError`]; then none was accepted, or those that were are known by their keys.
    fn enqueue(
        self: Rc<Self>,
        new: NewJobs,
    ) -> LocalFuture<'static, Result<Vec<Accepted>, AcceptError>>;

    /// Begins to reserve room for a job of a function whose jobs may take `max_bytes`.
    ///
    /// # Errors
    /// [`AcceptError`], if no job would be accepted now.
    fn reserve(
        self: Rc<Self>,
        function: &str,
        max_bytes: u64,
    ) -> Result<Box<dyn ReservedRoom>, AcceptError>;

    /// Returns a place for a large body. `None` if bodies are in memory until they are stored.
    fn body_file(&self) -> Option<Arc<BodyFile>>;

    /// Returns whether a function's sources are to be read no further, since enough of its jobs
    /// wait. The maximum of their bytes is `max_bytes`.
    fn has_enough(&self, function: &str, max_bytes: u64) -> bool;

    /// Waits for jobs that may run, and returns leases on them: as many as `invoke` has room for.
    /// Looks again when `freed` is rung. A caller that leaves earlier may delay some.
    fn lease<'a>(
        &'a self,
        invoke: &'a dyn Invoke,
        freed: &'a Notify,
    ) -> LocalFuture<'a, Vec<JobLease>>;

    /// Returns the time after which a lease ends, unless it is extended. `None` for never.
    fn lease_time(&self) -> Option<Duration>;

    /// Extends a lease by [`JobQueue::lease_time`] from now on.
    ///
    /// # Errors
    /// The reason; the job may run once more elsewhere.
    fn extend<'a>(&'a self, lease: &'a JobLease) -> LocalFuture<'a, Result<(), QueueStoreError>>;

    /// Reads a leased job.
    fn open<'a>(
        &'a self,
        lease: &'a JobLease,
        invoke: &'a dyn Invoke,
    ) -> LocalFuture<'a, LeasedJob>;

    /// Ends a lease: stores what became of the run. A job that is over is deleted, one that is to
    /// run again waits for its pause, and one that is dead becomes a dead letter.
    ///
    /// # Errors
    /// The reason; then the job runs again.
    fn settle<'a>(
        &'a self,
        lease: JobLease,
        run: &'a Run,
        invoke: &'a dyn Invoke,
    ) -> LocalFuture<'a, Result<(), QueueStoreError>>;

    /// Hands out no more leases, and returns when there are none. Jobs that were about to be leased
    /// are free for others.
    fn drain(&self) -> LocalFuture<'_, ()>;

    /// Lists jobs, the oldest first: one page, whose last job is where the next begins
    /// ([`Selection::after`]).
    ///
    /// # Errors
    /// [`QueueStoreError`]
    fn list(
        &self,
        selection: Selection,
    ) -> LocalFuture<'_, Result<Vec<ListedJob>, QueueStoreError>>;

    /// Returns one job with its body.
    ///
    /// # Errors
    /// [`QueueStoreError`]
    fn show(&self, id: JobId) -> LocalFuture<'_, Result<Option<Job>, QueueStoreError>>;

    /// Has dead letters run again as if they were new, and those that wait run now. Returns how
    /// many.
    ///
    /// # Errors
    /// [`QueueStoreError`]; some may have been done before it.
    fn retry(
        self: Rc<Self>,
        selection: Selection,
    ) -> LocalFuture<'static, Result<usize, QueueStoreError>>;

    /// Removes jobs, except those that run. Returns how many.
    ///
    /// # Errors
    /// [`QueueStoreError`]
    fn purge(
        self: Rc<Self>,
        selection: Selection,
    ) -> LocalFuture<'static, Result<usize, QueueStoreError>>;

    /// Returns the present state.
    fn view(&self) -> QueueView;

    /// Returns why jobs are neither accepted nor run now; `None` if all is well.
    fn fault(&self) -> Option<Arc<str>>;

    /// Returns the clock of the day.
    fn clock(&self) -> &Clock;

    /// Returns the time by the clock of jobs' times, in milliseconds since 1970.
    fn now_ms(&self) -> u64;

    /// Returns the queue's own file, in which sources note their positions. `None` if it has none.
    fn file(&self) -> Option<&Keeper>;
}

/// Jobs that are to be accepted, all or none.
#[derive(Default)]
pub struct NewJobs {
    /// The jobs.
    pub jobs: Vec<NewJob>,
    /// Notes of their source, by name; `None` removes one. Queues without a file keep none.
    pub notes: Vec<(String, Option<String>)>,
    /// The body of the last job, if that is in a file of [`JobQueue::body_file`], on disk.
    pub file: Option<Arc<BodyFile>>,
    /// The room that was reserved for them, which they take now.
    pub room: Option<Box<dyn ReservedRoom>>,
}

impl From<Vec<NewJob>> for NewJobs {
    fn from(jobs: Vec<NewJob>) -> Self {
        Self {
            jobs,
            ..Self::default()
        }
    }
}

/// Room that is reserved for a job, until this is dropped.
pub trait ReservedRoom {
    /// Reserves more bytes.
    ///
    /// # Errors
    /// [`AcceptError`], if the job, or all jobs, would take more than they may.
    fn grow(&mut self, more: u64) -> Result<(), AcceptError>;
}

/// A job that is this machine's to run, for a time.
#[derive(Debug)]
pub struct JobLease {
    /// The job's number.
    pub id: JobId,
    /// The function's name.
    pub function: Arc<str>,
    /// By what the queue knows the lease.
    pub token: u64,
}

/// A leased job, read.
#[derive(Debug)]
pub enum LeasedJob {
    /// The job can run.
    Ready(Box<Job>),
    /// The job cannot run, and never will, for the given reason.
    Unusable(Box<JobMeta>, String),
    /// There is nothing to run, and the lease is over.
    Gone,
}
