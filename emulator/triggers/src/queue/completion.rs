//! One job's run, and what becomes of it.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fnlocal_api::UserError;
use futures_util::FutureExt;

use super::{DISK_PAUSE, Disposition, Invoke, Queue, Run, RunOutcome, max_age, millis};
use crate::job::{JobId, JobMeta};
use crate::store::{Changed, MAX_DEAD_BYTES, MAX_DEAD_LETTERS, QueueChange, QueueStoreError};

/// The number of bytes of an error that are kept.
const ERROR: usize = 2048;

impl Queue {
    /// Runs a job that was taken out of the line.
    pub(super) async fn one(self: Rc<Self>, id: JobId, function: Arc<str>, invoke: Rc<dyn Invoke>) {
        self.run_one(id, &function, &invoke).await;
        self.under_way.update(|count| count - 1);
        self.over.notify_one();
    }

    async fn run_one(&self, id: JobId, function: &str, invoke: &Rc<dyn Invoke>) {
        let read = self.keeper.read(move |snapshot| snapshot.job(id)).await;
        let job = match read {
            Ok(Some(job)) => job,
            // Purged in this very moment.
            Ok(None) => return self.leave(id),
            Err(error @ QueueStoreError::Body { .. }) => {
                return self.bodiless(id, function, invoke, &error).await;
            }
            Err(error) => return self.broken(id, &**invoke, &error),
        };
        let head = job.head.clone();
        let began = Instant::now();
        let running = AssertUnwindSafe(async { invoke.run(job).await }).catch_unwind();
        // The counts of the run must end with it, in any case.
        let outcome = running.await.unwrap_or_else(|_| RunOutcome::Failed {
            error: "fnlocal itself failed while it ran the job".to_owned(),
            hopeless: false,
            status: 500,
        });
        let took = began.elapsed();
        self.ended(head, outcome, took, function, invoke).await;
    }

    /// A job whose body is gone cannot be run.
    async fn bodiless(
        &self,
        id: JobId,
        function: &str,
        invoke: &Rc<dyn Invoke>,
        error: &QueueStoreError,
    ) {
        match self.keeper.read(move |snapshot| snapshot.head(id)).await {
            Ok(Some(head)) => {
                let outcome = RunOutcome::Failed {
                    error: error.chain(),
                    hopeless: true,
                    status: 500,
                };
                self.ended(head, outcome, Duration::ZERO, function, invoke)
                    .await;
            }
            Ok(None) => self.leave(id),
            Err(error) => self.broken(id, &**invoke, &error),
        }
    }

    /// Sees to it that what became of a job is on disk.
    async fn ended(
        &self,
        mut head: JobMeta,
        outcome: RunOutcome,
        took: Duration,
        function: &str,
        invoke: &Rc<dyn Invoke>,
    ) {
        let id = head.id;
        let fate = self.judge(&mut head, &outcome, &**invoke);
        self.unwritten.update(|count| count + 1);
        self.line.borrow_mut().ended(id);
        self.work.notify_one();
        let written = self.write(&head, &outcome, fate, invoke).await;
        self.unwritten.update(|count| count - 1);
        let dropped = match written {
            Ok(dropped) => dropped,
            Err(error) => return self.broken(id, &**invoke, &error),
        };
        self.note_dropped(dropped, &**invoke);
        match fate {
            Disposition::Done => {
                self.done.update(|count| count + 1);
                self.leave(id);
            }
            Disposition::Dead => {
                self.failed.update(|count| count + 1);
                self.dead.update(|count| count + 1);
                self.leave(id);
            }
            Disposition::Again(_) => {
                let failed = matches!(outcome, RunOutcome::Failed { .. });
                self.failed.update(|count| count + u64::from(failed));
                let now = self.time.now_ms();
                self.line.borrow_mut().put_back(id, head.due_ms, now);
                self.work.notify_one();
            }
        }
        debug_assert_eq!(head.function, function, "a job stays its function's");
        invoke.ended(&Run {
            head,
            outcome,
            fate,
            took,
        });
    }

    /// Gives up jobs that became too old while they waited.
    pub(super) async fn give_up_old(&self, invoke: &dyn Invoke) -> Result<(), QueueStoreError> {
        let max_age = |function: &str| max_age(invoke, function);
        let old = self.line.borrow().too_old(self.time.now_ms(), max_age);
        for id in old {
            // A run cannot have begun meanwhile: that is done by whoever calls this.
            let read = self.keeper.read(move |snapshot| snapshot.head(id)).await;
            let Some(mut head) = read? else {
                self.line.borrow_mut().remove(id);
                continue;
            };
            let last = head.error.take();
            let last = last.map_or_else(String::new, |last| format!("; the last run: {last}"));
            let gone = if invoke.policy(&head.function).is_none() {
                format!("there was no function named `{}`, and ", head.function)
            } else {
                String::new()
            };
            head.error = Some(format!("{gone}it became older than `max_age` allows{last}"));
            head.died_ms = Some(self.time.now_ms());
            let killed = self.keeper.change(QueueChange::Kill(head.clone())).await?;
            self.line.borrow_mut().remove(id);
            self.note_dropped(dropped(&killed), invoke);
            self.dead.update(|count| count + 1);
            let outcome = RunOutcome::NotRun {
                why: head.error.clone().unwrap_or_default(),
                after: None,
            };
            invoke.ended(&Run {
                head,
                outcome,
                fate: Disposition::Dead,
                took: Duration::ZERO,
            });
        }
        Ok(())
    }

    /// Dead letters had to make room.
    fn note_dropped(&self, dropped: usize, invoke: &dyn Invoke) {
        if dropped > 0 {
            self.dead.update(|count| count.saturating_sub(dropped));
            invoke.warn(format!(
                "{dropped} of the oldest dead letters were removed: {MAX_DEAD_LETTERS}, or \
                 {MAX_DEAD_BYTES} bytes, are kept"
            ));
        }
    }

    fn judge(&self, head: &mut JobMeta, outcome: &RunOutcome, invoke: &dyn Invoke) -> Disposition {
        let policy = invoke.policy(&head.function).unwrap_or_default();
        let now = self.time.now_ms();
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

    /// Writes what became of a job, as soon as that can be done: it has run, and is not to run
    /// again for a disk that is full. Returns how many dead letters had to make room.
    async fn write(
        &self,
        head: &JobMeta,
        outcome: &RunOutcome,
        fate: Disposition,
        invoke: &Rc<dyn Invoke>,
    ) -> Result<usize, QueueStoreError> {
        let change = match (fate, outcome) {
            (Disposition::Done, _) => QueueChange::Done(head.id),
            (Disposition::Dead, _) => QueueChange::Kill(head.clone()),
            // Nothing ran, so there is nothing a crash may not forget.
            (Disposition::Again(_), RunOutcome::NotRun { .. }) => return Ok(0),
            (Disposition::Again(_), _) => QueueChange::Rewrite(head.clone()),
        };
        let mut told = false;
        loop {
            match self.keeper.change(change.clone()).await {
                Ok(changed) => return Ok(dropped(&changed)),
                Err(error) if error.breaks_store() => {
                    if !std::mem::replace(&mut told, true) {
                        invoke.warn(format!(
                            "the end of job {} is not on disk: {error}",
                            head.id
                        ));
                    }
                    self.keeper.well().await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The job stays, and may run once more.
    fn broken(&self, id: JobId, invoke: &dyn Invoke, error: &QueueStoreError) {
        invoke.warn(format!("job {id}: {}", error.report()));
        let now = self.time.now_ms();
        let due = now.saturating_add(millis(DISK_PAUSE));
        self.line.borrow_mut().put_back(id, due, now);
        self.work.notify_one();
    }

    fn leave(&self, id: JobId) {
        self.line.borrow_mut().remove(id);
        self.work.notify_one();
    }
}

/// How many dead letters had to make room.
fn dropped(changed: &Changed) -> usize {
    match changed {
        Changed::Killed(dropped) => *dropped,
        _ => 0,
    }
}

/// The beginning of a text.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(ERROR.min(text.len()))].to_owned()
}
