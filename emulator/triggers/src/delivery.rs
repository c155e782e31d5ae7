//! Delivery: leases jobs from a queue, has them run, and judges what becomes of them.
//!
//! The same for every [`JobQueue`]. After a crash run again those jobs that were running and those
//! whose end was being stored.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fnlocal_api::UserError;
use fnlocal_core::trigger::AsyncPolicy;
use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::job::{Job, JobMeta};
use crate::job_queue::{JobLease, JobQueue, LeasedJob};
use crate::queue::millis;

/// The number of bytes of an error that are kept.
const MAX_ERROR_BYTES: usize = 2048;

/// Runs functions.
pub trait Invoke {
    /// How a function's jobs are delivered; none while there is no such function. Its jobs wait,
    /// but no longer than they were accepted for.
    fn policy(&self, function: &str) -> Option<AsyncPolicy>;

    /// How many more jobs of a function may begin to run now, of which `running` do already.
    fn admissible(&self, function: &str, running: usize) -> u32;

    /// Returns the names of all functions that are here. A queue that cannot choose by function
    /// leases as many jobs as all of them together have room for.
    fn functions(&self) -> Vec<Arc<str>>;

    /// Runs a job to its end.
    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = RunOutcome>>>;

    /// Told what became of a run.
    fn ended(&self, run: &Run);

    /// Told what is wrong with the queue itself.
    fn warn(&self, text: String);
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// The run succeeded.
    Done {
        /// The status it answered with.
        status: u16,
    },
    /// The run failed.
    Failed {
        /// The error.
        error: String,
        /// Trying again is of no use.
        hopeless: bool,
        /// The status it answered with, or was answered for it.
        status: u16,
    },
    /// The run did not begin, for reasons outside of it: this is no attempt.
    NotRun {
        /// The reason, for people.
        why: String,
        /// When to try again.
        after: Option<Duration>,
    },
}

/// The disposition of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The job is over.
    Done,
    /// The job runs again after the given time.
    Again(Duration),
    /// The job becomes a dead letter.
    Dead,
}

/// A run that has ended.
#[derive(Clone, Debug)]
pub struct Run {
    /// The job.
    pub head: JobMeta,
    /// How it ended.
    pub outcome: RunOutcome,
    /// The disposition of the job.
    pub fate: Disposition,
    /// How long it ran.
    pub took: Duration,
}

/// Hands jobs of a queue to `invoke` until dropped. `freed` is rung when there may be more room.
pub async fn deliver(queue: Rc<dyn JobQueue>, invoke: Rc<dyn Invoke>, freed: Rc<Notify>) {
    let mut runs = JoinSet::new();
    loop {
        let mut leasing = queue.lease(&*invoke, &freed);
        let leases = loop {
            tokio::select! {
                leases = &mut leasing => break leases,
                Some(ended) = runs.join_next() => {
                    if let Err(panicked) = ended {
                        invoke.warn(format!("a run broke down: {panicked}"));
                    }
                }
            }
        };
        for lease in leases {
            runs.spawn_local(run_leased(Rc::clone(&queue), lease, Rc::clone(&invoke)));
        }
    }
}

/// Runs a leased job, and stores what became of it.
async fn run_leased(queue: Rc<dyn JobQueue>, lease: JobLease, invoke: Rc<dyn Invoke>) {
    let (mut head, outcome, took) = match queue.open(&lease, &*invoke).await {
        LeasedJob::Ready(job) => {
            let head = job.head.clone();
            let began = Instant::now();
            let running = AssertUnwindSafe(async { invoke.run(*job).await }).catch_unwind();
            let outcome = tokio::select! {
                outcome = running => outcome,
                never = keep_extending(&*queue, &lease, &*invoke) => match never {},
            };
            // The counts of the run must end with it, in any case.
            let outcome = outcome.unwrap_or_else(|_| RunOutcome::Failed {
                error: "fnlocal itself failed while it ran the job".to_owned(),
                hopeless: false,
                status: 500,
            });
            (head, outcome, began.elapsed())
        }
        LeasedJob::Unusable(head, error) => {
            let outcome = RunOutcome::Failed {
                error,
                hopeless: true,
                status: 500,
            };
            (*head, outcome, Duration::ZERO)
        }
        LeasedJob::Gone => return,
    };
    let id = head.id;
    let policy = invoke.policy(&head.function).unwrap_or_default();
    let fate = judge(&mut head, &outcome, &policy, queue.now_ms());
    let run = Run {
        head,
        outcome,
        fate,
        took,
    };
    match queue.settle(lease, &run, &*invoke).await {
        Ok(()) => invoke.ended(&run),
        Err(error) => invoke.warn(format!("job {id}: {}", error.report())),
    }
}

/// Extends a lease while its job runs.
async fn keep_extending(
    queue: &dyn JobQueue,
    lease: &JobLease,
    invoke: &dyn Invoke,
) -> std::convert::Infallible {
    let Some(time) = queue.lease_time() else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(time / 2).await;
        if let Err(error) = queue.extend(lease).await {
            let (id, why) = (lease.id, error.report());
            invoke.warn(format!("the lease of job {id} was not extended: {why}"));
        }
    }
}

/// Decides what becomes of a job, and writes it into its head.
fn judge(head: &mut JobMeta, outcome: &RunOutcome, policy: &AsyncPolicy, now: u64) -> Disposition {
    let chance = rand::random::<f64>();
    let (pause, given_up) = match outcome {
        RunOutcome::Done { .. } => return Disposition::Done,
        RunOutcome::NotRun { why, after } => {
            head.error = Some(cut(why));
            let pause = after.unwrap_or_else(|| policy.pause(1, chance));
            (pause.min(policy.backoff_max), false)
        }
        RunOutcome::Failed {
            error, hopeless, ..
        } => {
            head.error = Some(cut(error));
            head.attempts += 1;
            let pause = policy.pause(head.attempts, chance);
            (pause, *hopeless || head.attempts >= policy.attempts)
        }
    };
    let over = head.accepted_ms.saturating_add(millis(policy.max_age));
    if given_up || now >= over {
        head.died_ms = Some(now);
        return Disposition::Dead;
    }
    head.due_ms = now.saturating_add(millis(pause));
    Disposition::Again(pause)
}

/// The beginning of a text.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_ERROR_BYTES.min(text.len()))].to_owned()
}
