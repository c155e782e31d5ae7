//! From one queue to another: a node that ends hands its jobs to one that stays.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::{AcceptError, MAX_QUEUED_JOBS, Queue, whole};
use crate::job::{Accepted, Job, JobId, JobMeta};
use crate::store::{BodyFile, QueueChange, QueueStoreError, StoreSnapshot};

impl Queue {
    /// All that is in the queue, those that wait first and then the dead letters, the oldest first.
    ///
    /// # Errors
    /// [`QueueStoreError`]
    pub async fn all(&self) -> Result<Vec<JobMeta>, QueueStoreError> {
        let read = |file: &StoreSnapshot| {
            let mut all = Vec::new();
            each(file, |head| all.push(head))?;
            Ok(all)
        };
        self.keeper.read(read).await
    }

    /// The numbers of all that is in the queue, by function; in the order of [`Queue::all`].
    ///
    /// # Errors
    /// [`QueueStoreError`]
    pub async fn ids(&self) -> Result<BTreeMap<String, Vec<JobId>>, QueueStoreError> {
        let read = |file: &StoreSnapshot| {
            let mut all: BTreeMap<String, Vec<JobId>> = BTreeMap::new();
            each(file, |head| {
                all.entry(head.function).or_default().push(head.id)
            })?;
            Ok(all)
        };
        self.keeper.read(read).await
    }

    /// Takes over jobs that the queue `from` accepted. They are on disk when this returns. Jobs
    /// that were taken over before are recognised.
    ///
    /// # Errors
    /// [`AcceptError`]; then none was taken over.
    pub async fn adopt(
        self: &Rc<Self>,
        jobs: Vec<Job>,
        from: &str,
    ) -> Result<Vec<Accepted>, AcceptError> {
        let adopting = Rc::clone(self).adopt_whole(jobs, from.to_owned(), None);
        whole(adopting).await?
    }

    /// As [`Queue::adopt`], for one job whose body is in `file` and on disk.
    ///
    /// # Errors
    /// [`AcceptError`]; then it was not taken over.
    pub async fn adopt_with(
        self: &Rc<Self>,
        head: JobMeta,
        from: &str,
        file: Arc<BodyFile>,
    ) -> Result<Vec<Accepted>, AcceptError> {
        let job = Job {
            head,
            body: Bytes::new(),
            file: None,
        };
        let adopting = Rc::clone(self).adopt_whole(vec![job], from.to_owned(), Some(file));
        whole(adopting).await?
    }

    async fn adopt_whole(
        self: Rc<Self>,
        jobs: Vec<Job>,
        from: String,
        file: Option<Arc<BodyFile>>,
    ) -> Result<Vec<Accepted>, AcceptError> {
        if self.closing.get() {
            return Err(QueueStoreError::Closed.into());
        }
        if self.line.borrow().len() + jobs.len() > MAX_QUEUED_JOBS {
            return Err(AcceptError::Full);
        }
        let adopt = QueueChange::Adopt { jobs, from, file };
        let changed = self.keeper.change(adopt).await?;
        self.accepted(changed)
    }

    /// Forgets jobs that another queue has taken over. No run may be under way.
    ///
    /// # Errors
    /// [`QueueStoreError`]; then they are known still, and the other queue knows them when they are
    /// handed over again.
    pub async fn forget(&self, ids: Vec<JobId>) -> Result<(), QueueStoreError> {
        for &id in &ids {
            self.line.borrow_mut().remove(id);
        }
        self.keeper.change(QueueChange::Purge(ids)).await.map(drop)
    }

    /// Returns when no job waits or runs.
    pub async fn emptied(&self) {
        while self.line.borrow().len() > 0 {
            self.over.notified().await;
        }
    }
}

fn each(file: &StoreSnapshot, mut take: impl FnMut(JobMeta)) -> Result<(), QueueStoreError> {
    let mut all = |head| {
        take(head);
        true
    };
    file.alive(None, &mut all)?;
    file.dead(None, all)
}
