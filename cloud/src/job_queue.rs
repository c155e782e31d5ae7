//! The queue of jobs at SQS: a FIFO queue and its dead-letter queue.
//!
//! A job's message is deleted when its run is over, so a node that is killed loses nothing: the
//! lease ends, and another node gets the message. SQS hands out no more of a message group until
//! the one before is deleted, so jobs of one order key run in order, on any node. Its clock, not a
//! node's, says how old a job is.
//!
//! A message cannot be changed. So the number of receives stands for the number of failed runs; of
//! the receives that were no attempt, only those of this node are known ([`leases`]).
//!
//! Deliberately absent: a list of the jobs that wait, which SQS does not have.

mod client;
mod dead;
mod firing;
mod leases;
mod message;
mod receive;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use fnlocal_triggers::clock::Clock;
use fnlocal_triggers::delivery::{Disposition, Invoke, Run, RunOutcome};
use fnlocal_triggers::group_commit::Keeper;
use fnlocal_triggers::job::{Accepted, Job, JobId, JobMeta, NewJob};
use fnlocal_triggers::job_queue::{
    JobLease, JobQueue, LeasedJob, LocalFuture, NewJobs, ReservedRoom,
};
use fnlocal_triggers::queue::{AcceptError, ListedJob, QueueView, Selection};
use fnlocal_triggers::store::{BodyFile, QueueStoreError};
use tokio::sync::Notify;

use client::SqsCalls;
use leases::LeaseTable;
pub use leases::max_receives;
use message::{MAX_JOB_BYTES, Outgoing, encode};
pub use message::{group_of, schedule_body};
use receive::Receiving;

/// The time after which SQS gives a leased job to another node, unless it is extended.
const LEASE_TIME: Duration = Duration::from_secs(30);

/// Where the queue is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueUrls {
    /// The URL of the queue.
    pub jobs: String,
    /// The URL of its dead-letter queue.
    pub dead: String,
}

/// The queue of jobs at SQS.
pub struct SqsJobQueue {
    calls: SqsCalls,
    clock: Clock,
    /// How far the clock of SQS is ahead of this machine's, in milliseconds.
    ahead_ms: Cell<i64>,
    leases: RefCell<LeaseTable>,
    receiving: RefCell<Option<Receiving>>,
    /// Why the last call failed. `None` if it did not.
    fault: RefCell<Option<Arc<str>>>,
    /// A lease is over.
    over: Notify,
    closing: Cell<bool>,
    lease_time: Duration,
    counts: QueueCounts,
}

/// Runs that ended since fnlocal began.
#[derive(Default)]
struct QueueCounts {
    done: Cell<u64>,
    failed: Cell<u64>,
    dead: Cell<usize>,
}

impl SqsJobQueue {
    /// A queue that is there.
    #[must_use]
    pub fn new(config: &SdkConfig, urls: QueueUrls) -> Rc<Self> {
        Self::with_times(config, urls, LEASE_TIME, 20)
    }

    /// A queue whose leases last `lease_time`, and of which a receive waits `wait_seconds`.
    #[must_use]
    pub fn with_times(
        config: &SdkConfig,
        urls: QueueUrls,
        lease_time: Duration,
        wait_seconds: i32,
    ) -> Rc<Self> {
        Rc::new(Self {
            calls: SqsCalls::new(config, urls, wait_seconds),
            clock: Clock::system(),
            ahead_ms: Cell::new(0),
            leases: RefCell::default(),
            receiving: RefCell::default(),
            fault: RefCell::default(),
            over: Notify::new(),
            closing: Cell::new(false),
            lease_time,
            counts: QueueCounts::default(),
        })
    }

    async fn send_all(&self, jobs: Vec<NewJob>) -> Result<Vec<Accepted>, AcceptError> {
        let (mut accepted, mut outgoing) = (Vec::new(), Vec::new());
        for job in jobs {
            let now_ms = self.now_ms();
            let (id, sent) = encode(&job, now_ms);
            if sent.body.len() > MAX_JOB_BYTES {
                return Err(AcceptError::TooLarge(MAX_JOB_BYTES as u64));
            }
            if let Some(error) = &job.dead {
                self.calls.bury(&sent, error, 0, now_ms).await?;
            } else {
                outgoing.push(sent);
            }
            accepted.push(Accepted::New(Box::new(new_meta(id, job, now_ms))));
        }
        self.send(&outgoing).await?;
        Ok(accepted)
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<(), QueueStoreError> {
        let sent = match messages {
            [one] => self.calls.send(one).await,
            many => self.calls.send_many(many).await,
        };
        if sent.is_ok() {
            self.fault.replace(None);
        }
        sent
    }

    async fn settle_run(&self, lease: &JobLease, run: &Run) -> Result<(), QueueStoreError> {
        let held = self.leases.borrow().get(lease.token);
        let Some(held) = held else {
            return Err(QueueStoreError::Closed);
        };
        match run.fate {
            Disposition::Done => self.calls.delete(&held.receipt).await?,
            Disposition::Again(pause) => {
                self.calls.hide(&held.receipt, held.longest(pause)).await?;
            }
            Disposition::Dead => {
                let sent = held.dead_letter();
                let error = run.head.error.as_deref().unwrap_or("it failed");
                let (attempts, died) = (run.head.attempts, run.head.died_ms);
                let died = died.unwrap_or_else(|| self.now_ms());
                self.calls.bury(&sent, error, attempts, died).await?;
                self.calls.delete(&held.receipt).await?;
            }
        }
        self.count(run);
        Ok(())
    }

    fn count(&self, run: &Run) {
        match (run.fate, &run.outcome) {
            (Disposition::Done, _) => self.counts.done.update(|count| count + 1),
            (Disposition::Dead, _) => {
                self.counts.failed.update(|count| count + 1);
                self.counts.dead.update(|count| count + 1);
            }
            (Disposition::Again(_), RunOutcome::Failed { .. }) => {
                self.counts.failed.update(|count| count + 1);
            }
            (Disposition::Again(_), _) => {}
        }
    }
}

impl JobQueue for SqsJobQueue {
    fn enqueue(
        self: Rc<Self>,
        new: NewJobs,
    ) -> LocalFuture<'static, Result<Vec<Accepted>, AcceptError>> {
        Box::pin(async move { self.send_all(new.jobs).await })
    }

    fn reserve(
        self: Rc<Self>,
        _function: &str,
        _max_bytes: u64,
    ) -> Result<Box<dyn ReservedRoom>, AcceptError> {
        Ok(Box::new(MessageRoom(0)))
    }

    fn body_file(&self) -> Option<Arc<BodyFile>> {
        None
    }

    fn has_enough(&self, _function: &str, _max_bytes: u64) -> bool {
        false
    }

    fn lease<'a>(
        &'a self,
        invoke: &'a dyn Invoke,
        freed: &'a Notify,
    ) -> LocalFuture<'a, Vec<JobLease>> {
        Box::pin(self.lease_received(invoke, freed))
    }

    fn lease_time(&self) -> Option<Duration> {
        Some(self.lease_time)
    }

    fn extend<'a>(&'a self, lease: &'a JobLease) -> LocalFuture<'a, Result<(), QueueStoreError>> {
        Box::pin(async move {
            let held = self.leases.borrow().get(lease.token);
            match held {
                Some(held) => {
                    let time = held.longest(self.lease_time);
                    self.calls.hide(&held.receipt, time).await
                }
                None => Ok(()),
            }
        })
    }

    fn open<'a>(&'a self, lease: &'a JobLease, _: &'a dyn Invoke) -> LocalFuture<'a, LeasedJob> {
        let opened = self.leases.borrow().open(lease.token);
        Box::pin(std::future::ready(opened))
    }

    fn settle<'a>(
        &'a self,
        lease: JobLease,
        run: &'a Run,
        _: &'a dyn Invoke,
    ) -> LocalFuture<'a, Result<(), QueueStoreError>> {
        Box::pin(async move {
            self.leases.borrow_mut().ran(lease.token, &run.outcome);
            let settled = self.settle_run(&lease, run).await;
            let runs_again = settled.is_err() || matches!(run.fate, Disposition::Again(_));
            let behind = self.leases.borrow_mut().end(lease.token, runs_again);
            self.over.notify_waiters();
            self.over.notify_one();
            // They come again after the one before them.
            self.give_back(behind).await;
            settled
        })
    }

    fn drain(&self) -> LocalFuture<'_, ()> {
        Box::pin(async {
            self.closing.set(true);
            self.over.notify_one();
            self.give_back_held().await;
            loop {
                let over = self.over.notified();
                if self.receiving.borrow().is_none() && self.leases.borrow().is_empty() {
                    return;
                }
                // A receive ends by itself; nothing tells of it here.
                let _looked = tokio::time::timeout(Duration::from_millis(100), over).await;
            }
        })
    }

    fn list(
        &self,
        selection: Selection,
    ) -> LocalFuture<'_, Result<Vec<ListedJob>, QueueStoreError>> {
        Box::pin(self.list_dead(selection))
    }

    fn show(&self, id: JobId) -> LocalFuture<'_, Result<Option<Job>, QueueStoreError>> {
        Box::pin(self.show_dead(id))
    }

    fn retry(
        self: Rc<Self>,
        selection: Selection,
    ) -> LocalFuture<'static, Result<usize, QueueStoreError>> {
        Box::pin(async move { self.retry_dead(selection).await })
    }

    fn purge(
        self: Rc<Self>,
        selection: Selection,
    ) -> LocalFuture<'static, Result<usize, QueueStoreError>> {
        Box::pin(async move { self.purge_dead(selection).await })
    }

    fn view(&self) -> QueueView {
        QueueView {
            functions: self.leases.borrow().counts(),
            bytes: 0,
            dead: self.counts.dead.get(),
            done: self.counts.done.get(),
            failed: self.counts.failed.get(),
        }
    }

    fn fault(&self) -> Option<Arc<str>> {
        self.fault.borrow().clone()
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn now_ms(&self) -> u64 {
        self.clock
            .now_ms()
            .saturating_add_signed(self.ahead_ms.get())
    }

    fn file(&self) -> Option<&Keeper> {
        None
    }
}

/// The bytes of a job on its way into a message.
struct MessageRoom(u64);

impl ReservedRoom for MessageRoom {
    fn grow(&mut self, more: u64) -> Result<(), AcceptError> {
        self.0 = self.0.saturating_add(more);
        if self.0 > MAX_JOB_BYTES as u64 {
            return Err(AcceptError::TooLarge(MAX_JOB_BYTES as u64));
        }
        Ok(())
    }
}

fn new_meta(id: JobId, job: NewJob, now_ms: u64) -> JobMeta {
    JobMeta {
        id,
        function: job.function,
        trigger: job.trigger,
        path: job.path,
        headers: job.headers,
        size: job.body.len() as u64,
        order: job.order,
        key: job.key,
        accepted_ms: now_ms,
        due_ms: now_ms,
        attempts: 0,
        died_ms: job.dead.is_some().then_some(now_ms),
        error: job.dead,
        max_age_ms: Some(job.max_age_ms),
    }
}
