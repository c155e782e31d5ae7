//! The queue on disk: jobs, dead letters, idempotency keys, and what sources have seen.
//!
//! One file of redb, a B-tree whose commits are atomic and synced, written copy on write: whoever
//! is killed leaves the last commit. Of the embedded databases in Rust it is the one with a stable
//! format, one file, and no thread of its own; what a log-structured one (fjall) gains in writes a
//! second, committing in groups gains here. One process has the file at a time.

mod apply;
mod read;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fnlocal_files::OwnPath;
use redb::{Builder, Database};

use crate::job::{Accepted, Head, Job, JobId, NewJob};

pub use read::Snapshot;

/// The file's name, in a project's `.fnlocal`.
pub const FILE: &str = "queue.redb";

/// The queue's file, open. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    db: Arc<Database>,
}

/// One change. Those of one commit are made in order, all or none.
#[derive(Clone, Debug)]
pub enum Change {
    /// Jobs are accepted, and what their source has seen is noted with them.
    Accept {
        /// The jobs.
        jobs: Vec<NewJob>,
        /// What is noted by name; none forgets it.
        notes: Vec<(String, Option<String>)>,
    },
    /// Jobs of another queue are this one's from now on.
    Adopt {
        /// The jobs, with their numbers there.
        jobs: Vec<Job>,
        /// What that queue is called, so that what is handed over twice is known.
        from: String,
    },
    /// A job has run: nothing of it stays but its key.
    Done(JobId),
    /// A job's head is another.
    Rewrite(Head),
    /// A job is given up: it stays among the dead letters.
    Kill(Head),
    /// A dead letter is to run again, as if it were new.
    Revive(JobId),
    /// Jobs, alive or dead, are removed.
    Purge(Vec<JobId>),
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Of each job that was to be accepted.
    Accepted(Vec<Accepted>),
    /// The job that lives again; none if it was not among the dead.
    Revived(Option<Head>),
    /// How many were there to be removed.
    Purged(usize),
    /// It was made.
    Made,
}

/// The queue's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it.
    #[error("another process has the queue's file {}", .0.display())]
    Taken(PathBuf),
    /// It cannot be opened.
    #[error("the queue's file {} cannot be opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<redb::DatabaseError>,
    },
    /// It cannot be read or written.
    #[error("the queue's file cannot be used")]
    Use(#[source] Box<redb::Error>),
    /// What is in it was not written by this version.
    #[error("job {id} in the queue's file cannot be understood")]
    Foreign {
        /// Which.
        id: JobId,
        /// Why.
        source: serde_json::Error,
    },
    /// Whoever writes it has ended.
    #[error("the queue is closed")]
    Closed,
}

impl StoreError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Taken(_) => "use the fnlocal that runs on this folder, or end it".to_owned(),
            Self::Open { path, source } => refused(source).unwrap_or_else(|| {
                format!(
                    "see to the disk and the rights of {}; moved away, a new queue is begun",
                    path.display()
                )
            }),
            Self::Use(_) => "is the disk full?".to_owned(),
            Self::Foreign { .. } => {
                "it may be another version's; `fnlocal queue purge` removes it".to_owned()
            }
            Self::Closed => "fnlocal is ending; start it again".to_owned(),
        }
    }
}

/// What to do about a file that is none of this user's, or a link.
fn refused(error: &redb::DatabaseError) -> Option<String> {
    match error {
        redb::DatabaseError::Storage(redb::StorageError::Io(error)) => fnlocal_files::hint(error),
        _ => None,
    }
}

impl From<redb::TransactionError> for StoreError {
    fn from(error: redb::TransactionError) -> Self {
        Self::Use(Box::new(error.into()))
    }
}

impl From<redb::TableError> for StoreError {
    fn from(error: redb::TableError) -> Self {
        Self::Use(Box::new(error.into()))
    }
}

impl From<redb::StorageError> for StoreError {
    fn from(error: redb::StorageError) -> Self {
        Self::Use(Box::new(error.into()))
    }
}

impl From<redb::CommitError> for StoreError {
    fn from(error: redb::CommitError) -> Self {
        Self::Use(Box::new(error.into()))
    }
}

impl Store {
    /// Opens the file of a folder, and makes it if it is not there.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when another process has it, [`StoreError::Open`].
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let file = OwnPath::new(folder).join(FILE).open_or_create();
        let opened = file.map_err(|error| redb::DatabaseError::Storage(error.into()));
        let db = match opened.and_then(|file| Builder::new().create_file(file)) {
            Ok(db) => db,
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => return Err(StoreError::Taken(path)),
            Err(source) => {
                let source = Box::new(source);
                return Err(StoreError::Open { path, source });
            }
        };
        let store = Self { db: Arc::new(db) };
        tables::make(&store.db)?;
        Ok(store)
    }

    /// Makes changes in one commit, which is on disk when this returns. `now` is in milliseconds
    /// since 1970.
    ///
    /// # Errors
    /// [`StoreError`]; then none of them was made.
    pub fn commit(&self, changes: Vec<Change>, now: u64) -> Result<Vec<Changed>, StoreError> {
        apply::commit(&self.db, changes, now)
    }

    /// What is in it now; later commits do not change what was read.
    ///
    /// # Errors
    /// [`StoreError::Use`]
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Snapshot::of(&self.db)
    }
}
