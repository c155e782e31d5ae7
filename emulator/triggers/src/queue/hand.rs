//! From one queue to another: a node that ends hands its jobs to one that stays.

use std::rc::Rc;

use super::{AcceptError, MOST, Queue, whole};
use crate::job::{Accepted, Head, Job, JobId};
use crate::store::{Change, StoreError};

impl Queue {
    /// All that is in the queue, those that wait first and then the dead letters, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn all(&self) -> Result<Vec<Head>, StoreError> {
        let read = |file: &crate::store::Snapshot| {
            let mut all = file.alive()?;
            all.extend(file.dead()?);
            Ok(all)
        };
        self.keeper.read(read).await
    }

    /// Takes over jobs that the queue `from` accepted. They are on disk when this returns. What was
    /// taken over before is known.
    ///
    /// # Errors
    /// [`AcceptError`]; then none was taken over.
    pub async fn adopt(
        self: &Rc<Self>,
        jobs: Vec<Job>,
        from: &str,
    ) -> Result<Vec<Accepted>, AcceptError> {
        let adopting = Rc::clone(self).adopt_whole(jobs, from.to_owned());
        whole(adopting).await?
    }

    async fn adopt_whole(
        self: Rc<Self>,
        jobs: Vec<Job>,
        from: String,
    ) -> Result<Vec<Accepted>, AcceptError> {
        if self.closing.get() {
            return Err(StoreError::Closed.into());
        }
        if self.line.borrow().len() + jobs.len() > MOST {
            return Err(AcceptError::Full);
        }
        let changed = self.keeper.change(Change::Adopt { jobs, from }).await?;
        self.accepted(changed)
    }

    /// Forgets jobs that another queue has taken over. No run may be under way.
    ///
    /// # Errors
    /// [`StoreError`]; then they are known still, and the other queue knows them when they are
    /// handed over again.
    pub async fn forget(&self, ids: Vec<JobId>) -> Result<(), StoreError> {
        for &id in &ids {
            self.line.borrow_mut().remove(id);
        }
        self.keeper.change(Change::Purge(ids)).await.map(drop)
    }

    /// Returns when no job waits or runs.
    pub async fn emptied(&self) {
        while self.line.borrow().len() > 0 {
            self.over.notified().await;
        }
    }
}
