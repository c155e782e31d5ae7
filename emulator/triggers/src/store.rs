//! The queue on disk: jobs, dead letters, idempotency keys, and what sources have seen.
//!
//! One file of redb, a B-tree whose commits are atomic and synced, written copy on write: whoever
//! is killed leaves the last commit. Of the embedded databases in Rust it is the one with a stable
//! format, one file, and no thread of its own; what a log-structured one (fjall) gains in writes a
//! second, committing in groups gains here. One process has the file at a time.

mod apply;
mod bodies;
mod handle;
mod read;
mod tables;

use std::path::PathBuf;
use std::sync::Arc;

use crate::job::{Accepted, Job, JobId, JobMeta, NewJob};

pub use apply::{MAX_DEAD_BYTES, MAX_DEAD_LETTERS};
pub use bodies::{Bodies, BodyFile};
pub use handle::QueueStore;
pub use read::StoreSnapshot;

/// The file's name, in a project's `.fnlocal`.
pub const FILE: &str = "queue.redb";

/// One change. Those of one commit are made in order, all or none.
#[derive(Clone, Debug)]
pub enum QueueChange {
    /// Jobs are accepted, and what their source has seen is noted with them.
    Accept {
        /// The jobs.
        jobs: Vec<NewJob>,
        /// Notes by name; `None` removes one.
        notes: Vec<(String, Option<String>)>,
        /// The body of the last job, if that is a file. The file is on disk.
        file: Option<Arc<BodyFile>>,
    },
    /// Jobs of another queue are this one's from now on.
    Adopt {
        /// The jobs, with their numbers there.
        jobs: Vec<Job>,
        /// The name of that queue, to recognise jobs that are handed over twice.
        from: String,
        /// The body of the only job, if that is a file. The file is on disk.
        file: Option<Arc<BodyFile>>,
    },
    /// A job has run: nothing of it stays but its key.
    Done(JobId),
    /// A job's head is another.
    Rewrite(JobMeta),
    /// A job is given up: it stays among the dead letters, of which the oldest make room.
    Kill(JobMeta),
    /// A dead letter is to run again, as if it were new.
    Revive(JobId),
    /// Jobs, alive or dead, are removed.
    Purge(Vec<JobId>),
}

/// The result of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Of each job that was to be accepted.
    Accepted(Vec<Accepted>),
    /// The job that lives again; none if it was not among the dead.
    Revived(Option<JobMeta>),
    /// How many were there to be removed.
    Purged(usize),
    /// The job is among the dead letters; how many older ones had to make room.
    Killed(usize),
    /// The change was made.
    Made,
}

/// The queue's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum QueueStoreError {
    /// Another process has it.
    #[error("another process has the queue's file {}", .0.display())]
    Taken(PathBuf),
    /// The file cannot be opened.
    #[error("the queue's file {} cannot be opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The error of the database.
        source: Box<redb::DatabaseError>,
    },
    /// The file cannot be read or written.
    #[error("the queue's file cannot be used")]
    Use(#[source] Box<redb::Error>),
    /// The contents were not written by this version.
    #[error("job {id} in the queue's file cannot be understood")]
    Foreign {
        /// The job's id.
        id: JobId,
        /// The error of the JSON.
        source: serde_json::Error,
    },
    /// The file with a job's body cannot be read.
    #[error("the body of job {id} cannot be read")]
    Body {
        /// The job's id.
        id: JobId,
        /// The error of the file system.
        source: std::io::Error,
    },
    /// The file broke, and is opened again as soon as possible.
    #[error("the queue's file cannot be used: {0}")]
    Down(Arc<str>),
    /// The file, or the folder with bodies, is not where it was.
    #[error("the queue's file {} is not there any more", .0.display())]
    Removed(PathBuf),
    /// The writer has ended.
    #[error("the queue is closed")]
    Closed,
    /// The queue is at a service, which did not do what was asked.
    #[error("the queue cannot be used: {0}")]
    Service(String, Option<String>),
}

fnlocal_api::user_error!(QueueStoreError {
    Self::Taken(_) => "use the fnlocal that runs on this folder, or stop it", TryAgain;
    Self::Open { path, .. } => format!(
        "check the disk and the permissions of {}; without the file, a new queue is created",
        path.display()
    );
    Self::Use(_) | Self::Down(_) => "see to the disk; the queue goes on by itself once it can be \
        written";
    Self::Removed(path) => format!("leave {} alone while fnlocal runs", path.display());
    Self::Body { id, .. } => format!("`fnlocal queue purge {id}` removes the job");
    Self::Foreign { .. } => "it may be another version's; `fnlocal queue purge` removes it";
    Self::Closed => "fnlocal is ending; start it again";
    Self::Service(_, hint) => hint.clone();
});

impl From<redb::TransactionError> for QueueStoreError {
    fn from(error: redb::TransactionError) -> Self {
        Self::Use(Box::new(error.into()))
    }
}

impl From<redb::TableError> for QueueStoreError {
    fn from(error: redb::TableError) -> Self {
        Self::Use(Box::new(error.into()))
    }
}

impl From<redb::StorageError> for QueueStoreError {
    fn from(error: redb::StorageError) -> Self {
        Self::Use(Box::new(error.into()))
    }
}

impl From<redb::CommitError> for QueueStoreError {
    fn from(error: redb::CommitError) -> Self {
        Self::Use(Box::new(error.into()))
    }
}

impl QueueStoreError {
    /// Returns whether nothing can be read or written before the file is opened again.
    #[must_use]
    pub fn breaks_store(&self) -> bool {
        matches!(
            self,
            Self::Use(_) | Self::Open { .. } | Self::Taken(_) | Self::Down(_) | Self::Removed(_)
        )
    }

    /// Returns all that is known of it, in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        fnlocal_api::chain(self)
    }
}
