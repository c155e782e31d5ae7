//! One job's run, and what becomes of it.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;

use super::{Fate, Invoke, Outcome, Queue, Run, max_age, millis};
use crate::job::{Head, JobId};
use crate::store::{Change, StoreError};

/// A job whose end could not be written is looked at again after so long.
const DISK_PAUSE: Duration = Duration::from_secs(1);
/// What is kept of an error, in bytes.
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
            Err(error) => return self.broken(id, &**invoke, &error),
        };
        let mut head = job.head.clone();
        let began = Instant::now();
        let running = AssertUnwindSafe(async { invoke.run(job).await }).catch_unwind();
        // What is counted for the run must end with it, whatever becomes of it.
        let outcome = running.await.unwrap_or_else(|_| Outcome::Failed {
            error: "fnlocal itself failed while it ran the job".to_owned(),
            hopeless: false,
            status: 500,
        });
        let took = began.elapsed();
        let fate = self.judge(&mut head, &outcome, &**invoke);
        self.unwritten.update(|count| count + 1);
        self.line.borrow_mut().ended(id);
        self.work.notify_one();
        let written = self.write(&head, &outcome, fate).await;
        self.unwritten.update(|count| count - 1);
        if let Err(error) = written {
            return self.broken(id, &**invoke, &error);
        }
        match fate {
            Fate::Done => {
                self.done.update(|count| count + 1);
                self.leave(id);
            }
            Fate::Dead => {
                self.failed.update(|count| count + 1);
                self.dead.update(|count| count + 1);
                self.leave(id);
            }
            Fate::Again(_) => {
                let failed = matches!(outcome, Outcome::Failed { .. });
                self.failed.update(|count| count + u64::from(failed));
                let now = self.clock.now_ms();
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
    pub(super) async fn give_up_old(&self, invoke: &dyn Invoke) {
        let max_age = |function: &str| max_age(invoke, function);
        let old = self.line.borrow().too_old(self.clock.now_ms(), max_age);
        for id in old {
            let read = self.keeper.read(move |snapshot| snapshot.job(id)).await;
            // A run cannot have begun meanwhile: that is done by whoever calls this.
            let Ok(Some(job)) = read else {
                self.line.borrow_mut().remove(id);
                continue;
            };
            let mut head = job.head;
            let last = head.error.take();
            let last = last.map_or_else(String::new, |last| format!("; the last run: {last}"));
            let gone = if invoke.policy(&head.function).is_none() {
                format!("there was no function named `{}`, and ", head.function)
            } else {
                String::new()
            };
            head.error = Some(format!("{gone}it became older than `max_age` allows{last}"));
            head.died_ms = Some(self.clock.now_ms());
            if let Err(error) = self.keeper.change(Change::Kill(head.clone())).await {
                invoke.warn(format!("job {id} could not be given up: {error}"));
                return;
            }
            self.line.borrow_mut().remove(id);
            self.dead.update(|count| count + 1);
            let outcome = Outcome::NotRun {
                why: head.error.clone().unwrap_or_default(),
                after: None,
            };
            invoke.ended(&Run {
                head,
                outcome,
                fate: Fate::Dead,
                took: Duration::ZERO,
            });
        }
    }

    fn judge(&self, head: &mut Head, outcome: &Outcome, invoke: &dyn Invoke) -> Fate {
        let policy = invoke.policy(&head.function).unwrap_or_default();
        let now = self.clock.now_ms();
        let chance = rand::random::<f64>();
        let (pause, given_up) = match outcome {
            Outcome::Done { .. } => return Fate::Done,
            Outcome::NotRun { why, after } => {
                head.error = Some(cut(why));
                let pause = after.unwrap_or_else(|| policy.pause(1, chance));
                (pause.min(policy.backoff_max), false)
            }
            Outcome::Failed {
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
            return Fate::Dead;
        }
        head.due_ms = now.saturating_add(millis(pause));
        Fate::Again(pause)
    }

    async fn write(&self, head: &Head, outcome: &Outcome, fate: Fate) -> Result<(), StoreError> {
        let change = match (fate, outcome) {
            (Fate::Done, _) => Change::Done(head.id),
            (Fate::Dead, _) => Change::Kill(head.clone()),
            // Nothing ran, so there is nothing a crash may not forget.
            (Fate::Again(_), Outcome::NotRun { .. }) => return Ok(()),
            (Fate::Again(_), _) => Change::Rewrite(head.clone()),
        };
        self.keeper.change(change).await.map(drop)
    }

    /// The job stays, and may run once more.
    fn broken(&self, id: JobId, invoke: &dyn Invoke, error: &StoreError) {
        invoke.warn(format!("job {id}: {error}\n  hint: {}", error.hint()));
        let now = self.clock.now_ms();
        let due = now.saturating_add(millis(DISK_PAUSE));
        self.line.borrow_mut().put_back(id, due, now);
        self.work.notify_one();
    }

    fn leave(&self, id: JobId) {
        self.line.borrow_mut().remove(id);
        self.work.notify_one();
    }
}

/// The beginning of a text.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(ERROR.min(text.len()))].to_owned()
}
