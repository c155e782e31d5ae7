//! The end of a run, on disk.

use std::time::Duration;

use super::{DISK_PAUSE, Queue, max_age, millis};
use crate::delivery::{Disposition, Invoke, Run, RunOutcome};
use crate::job::JobId;
use crate::store::{Changed, MAX_DEAD_BYTES, MAX_DEAD_LETTERS, QueueChange, QueueStoreError};

impl Queue {
    /// Sees to it that what became of a job is on disk.
    pub(super) async fn settle_run(
        &self,
        run: &Run,
        invoke: &dyn Invoke,
    ) -> Result<(), QueueStoreError> {
        let id = run.head.id;
        self.unwritten.update(|count| count + 1);
        self.line.borrow_mut().ended(id);
        self.work.notify_one();
        let written = self.write(run, invoke).await;
        self.unwritten.update(|count| count - 1);
        let dropped = match written {
            Ok(dropped) => dropped,
            Err(error) => {
                self.stay_in_line(id);
                return Err(error);
            }
        };
        self.note_dropped(dropped, invoke);
        match run.fate {
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
                let failed = matches!(run.outcome, RunOutcome::Failed { .. });
                self.failed.update(|count| count + u64::from(failed));
                let now = self.time.now_ms();
                self.line.borrow_mut().put_back(id, run.head.due_ms, now);
                self.work.notify_one();
            }
        }
        Ok(())
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

    /// Writes what became of a job, as soon as that can be done: it has run, and is not to run
    /// again for a disk that is full. Returns how many dead letters had to make room.
    async fn write(&self, run: &Run, invoke: &dyn Invoke) -> Result<usize, QueueStoreError> {
        let head = &run.head;
        let change = match (run.fate, &run.outcome) {
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
    pub(super) fn stay_in_line(&self, id: JobId) {
        let now = self.time.now_ms();
        let due = now.saturating_add(millis(DISK_PAUSE));
        self.line.borrow_mut().put_back(id, due, now);
        self.work.notify_one();
    }

    pub(super) fn leave(&self, id: JobId) {
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
