//! Jobs on their way into the queue.

use std::rc::Rc;
use std::sync::Arc;

use super::{MAX_QUEUED_JOBS, Queue, Reservation, whole};
use crate::job::{Accepted, NewJob};
use crate::store::{BodyFile, Changed, QueueChange, QueueStoreError};

/// Why jobs are not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// As many wait as may.
    #[error("{MAX_QUEUED_JOBS} jobs are waiting, which is the maximum")]
    Full,
    /// They take as many bytes as they may.
    #[error("the waiting jobs take {0} bytes, which is the maximum")]
    FullOfBytes(u64),
    /// The file cannot be written.
    #[error(transparent)]
    Store(#[from] QueueStoreError),
}

impl Queue {
    /// Accepts jobs, all or none. They are on disk when this returns. A caller that leaves earlier
    /// may have had them accepted.
    ///
    /// # Errors
    /// [`AcceptError`]
    pub async fn accept(
        self: &Rc<Self>,
        jobs: Vec<NewJob>,
        notes: Vec<(String, Option<String>)>,
    ) -> Result<Vec<Accepted>, AcceptError> {
        let accepting = Rc::clone(self).accept_whole(jobs, notes, None);
        whole(accepting).await?
    }

    /// Accepts a job whose room was reserved, with its body in `file` if that is on disk. The job
    /// is on disk when this returns.
    ///
    /// # Errors
    /// [`AcceptError`]
    pub async fn accept_reserved(
        self: &Rc<Self>,
        job: NewJob,
        file: Option<Arc<BodyFile>>,
        reserved: Reservation,
    ) -> Result<Accepted, AcceptError> {
        let queue = Rc::clone(self);
        let accepting = async move {
            let accepted = queue.accept_whole(vec![job], Vec::new(), file).await;
            drop(reserved);
            accepted
        };
        let mut accepted = whole(accepting).await??;
        accepted
            .pop()
            .ok_or(AcceptError::Store(QueueStoreError::Closed))
    }

    async fn accept_whole(
        self: Rc<Self>,
        jobs: Vec<NewJob>,
        notes: Vec<(String, Option<String>)>,
        file: Option<Arc<BodyFile>>,
    ) -> Result<Vec<Accepted>, AcceptError> {
        if self.line.borrow().len() + jobs.len() > MAX_QUEUED_JOBS {
            return Err(AcceptError::Full);
        }
        let accept = QueueChange::Accept { jobs, notes, file };
        let changed = self.keeper.change(accept).await?;
        self.accepted(changed)
    }

    /// Puts jobs that are on disk now into the ready queue.
    pub(super) fn accepted(&self, changed: Changed) -> Result<Vec<Accepted>, AcceptError> {
        let Changed::Accepted(accepted) = changed else {
            return Err(QueueStoreError::Closed.into());
        };
        let now = self.time.now_ms();
        for one in &accepted {
            match one {
                Accepted::New(head) if head.died_ms.is_some() => self.dead.update(|n| n + 1),
                Accepted::New(head) => self.line.borrow_mut().add(head, now),
                Accepted::Known(_) => {}
            }
        }
        self.work.notify_one();
        Ok(accepted)
    }
}
