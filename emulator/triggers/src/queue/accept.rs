//! Jobs on their way into the queue.

use std::rc::Rc;

use super::{MAX_QUEUED_JOBS, Queue};
use crate::job::Accepted;
use crate::job_queue::NewJobs;
use crate::store::{Changed, QueueChange, QueueStoreError};

/// Why jobs are not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// As many wait as may.
    #[error("{MAX_QUEUED_JOBS} jobs are waiting, which is the maximum")]
    Full,
    /// They take as many bytes as they may.
    #[error("the waiting jobs take {0} bytes, which is the maximum")]
    FullOfBytes(u64),
    /// A job takes more bytes than the queue takes in one.
    #[error("a job may have {0} bytes in the queue, headers included")]
    TooLarge(u64),
    /// The file cannot be written.
    #[error(transparent)]
    Store(#[from] QueueStoreError),
}

impl Queue {
    pub(super) async fn accept_whole(
        self: Rc<Self>,
        new: NewJobs,
    ) -> Result<Vec<Accepted>, AcceptError> {
        let NewJobs {
            jobs,
            notes,
            file,
            room,
        } = new;
        if self.line.borrow().len() + jobs.len() > MAX_QUEUED_JOBS {
            return Err(AcceptError::Full);
        }
        let accept = QueueChange::Accept { jobs, notes, file };
        let changed = self.keeper.change(accept).await?;
        let accepted = self.accepted(changed);
        drop(room);
        accepted
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
