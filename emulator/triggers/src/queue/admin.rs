//! Looking into the queue, and putting a hand in: beside a running fnlocal, or without one.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::{Queue, whole};
use crate::clock::Clock;
use crate::job::{Head, Job, JobId};
use crate::store::{Change, Changed, Snapshot, Store, StoreError};

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is to run, now or later.
    Waiting,
    /// It runs.
    Running,
    /// It was given up.
    Dead,
}

/// A job in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// What it is doing.
    pub state: State,
    /// All but its body.
    pub job: Head,
}

/// Which jobs are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// These; all when none.
    pub ids: Vec<JobId>,
    /// Of this function only.
    pub function: Option<String>,
    /// Those that were given up only.
    pub dead: bool,
}

impl Selection {
    fn has(&self, listed: &Listed) -> bool {
        let of = self.function.as_ref();
        (self.ids.is_empty() || self.ids.contains(&listed.job.id))
            && of.is_none_or(|function| *function == listed.job.function)
            && (!self.dead || listed.state == State::Dead)
    }

    /// Those of a snapshot, the oldest first; none of them runs as far as a file knows.
    fn of(&self, snapshot: &Snapshot) -> Result<Vec<Listed>, StoreError> {
        let listed = |state| move |job| Listed { state, job };
        let alive = snapshot.alive()?.into_iter().map(listed(State::Waiting));
        let dead = snapshot.dead()?.into_iter().map(listed(State::Dead));
        let mut all: Vec<Listed> = alive.chain(dead).filter(|one| self.has(one)).collect();
        all.sort_by_key(|one| one.job.id);
        Ok(all)
    }
}

impl Queue {
    /// Lists jobs, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn list(&self, selection: Selection) -> Result<Vec<Listed>, StoreError> {
        let reading = self.keeper.read(move |snapshot| selection.of(snapshot));
        let mut all = reading.await?;
        let line = self.line.borrow();
        for one in &mut all {
            if line.runs(one.job.id) {
                one.state = State::Running;
            }
        }
        Ok(all)
    }

    /// One job with its body.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn show(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.keeper.read(move |snapshot| snapshot.job(id)).await
    }

    /// Has dead letters run again as if they were new, and those that wait run now. How many.
    ///
    /// # Errors
    /// [`StoreError`]; some may have been done before it.
    pub async fn retry(self: &Rc<Self>, selection: Selection) -> Result<usize, StoreError> {
        whole(Rc::clone(self).retry_whole(selection)).await?
    }

    async fn retry_whole(self: Rc<Self>, selection: Selection) -> Result<usize, StoreError> {
        let mut done = 0;
        for one in self.list(selection).await? {
            let now = self.clock.now_ms();
            match one.state {
                State::Running => continue,
                State::Waiting => self.line.borrow_mut().put_back(one.job.id, now, now),
                State::Dead => {
                    let revived = self.keeper.change(Change::Revive(one.job.id)).await?;
                    let Changed::Revived(Some(head)) = revived else {
                        continue;
                    };
                    self.dead.update(|count| count - 1);
                    self.line.borrow_mut().add(&head, now);
                }
            }
            done += 1;
        }
        self.work.notify_one();
        Ok(done)
    }

    /// Removes jobs, except those that run. How many.
    ///
    /// # Errors
    /// [`StoreError`]; then none was removed.
    pub async fn purge(self: &Rc<Self>, selection: Selection) -> Result<usize, StoreError> {
        whole(Rc::clone(self).purge_whole(selection)).await?
    }

    async fn purge_whole(self: Rc<Self>, selection: Selection) -> Result<usize, StoreError> {
        let mut all = self.list(selection).await?;
        // From here on nothing begins to run before the line forgets them.
        all.retain(|one| !self.line.borrow().runs(one.job.id));
        let ids: Vec<JobId> = all.iter().map(|one| one.job.id).collect();
        for &id in &ids {
            self.line.borrow_mut().remove(id);
        }
        let dead = all.iter().filter(|one| one.state == State::Dead).count();
        let purged = self.keeper.change(Change::Purge(ids)).await?;
        self.dead.update(|count| count.saturating_sub(dead));
        self.work.notify_one();
        let Changed::Purged(gone) = purged else {
            return Err(StoreError::Closed);
        };
        Ok(gone)
    }
}

/// A queue's file that nobody else has.
pub struct Offline {
    store: Store,
    clock: Clock,
}

impl Offline {
    /// Opens the file of a folder.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when a running fnlocal has it.
    pub fn open(folder: &std::path::Path, clock: Clock) -> Result<Self, StoreError> {
        let store = Store::open(folder)?;
        Ok(Self { store, clock })
    }

    /// As [`Queue::list`].
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn list(&self, selection: &Selection) -> Result<Vec<Listed>, StoreError> {
        selection.of(&self.store.snapshot()?)
    }

    /// As [`Queue::show`].
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn show(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.store.snapshot()?.job(id)
    }

    /// As [`Queue::retry`]: they run when a fnlocal is there again.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was done.
    pub fn retry(&self, selection: &Selection) -> Result<usize, StoreError> {
        let now = self.clock.now_ms();
        let all = self.list(selection)?;
        let count = all.len();
        let change = |one: Listed| match one.state {
            State::Dead => Change::Revive(one.job.id),
            State::Waiting | State::Running => Change::Rewrite(Head {
                due_ms: now,
                ..one.job
            }),
        };
        self.store
            .commit(all.into_iter().map(change).collect(), now)?;
        Ok(count)
    }

    /// As [`Queue::purge`].
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was done.
    pub fn purge(&self, selection: &Selection) -> Result<usize, StoreError> {
        let ids: Vec<JobId> = self.list(selection)?.iter().map(|one| one.job.id).collect();
        let count = ids.len();
        self.store
            .commit(vec![Change::Purge(ids)], self.clock.now_ms())?;
        Ok(count)
    }
}
