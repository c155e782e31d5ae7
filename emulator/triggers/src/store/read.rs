//! The file at a moment.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition,
};

use super::QueueStoreError;
use super::apply::head;
use super::bodies::Bodies;
use super::tables::{BODIES, COMMITTED, DEAD, FILES, HEADS, NOTES, NUMBERS};
use crate::job::{Job, JobId, JobMeta};

/// The file at a moment.
pub struct StoreSnapshot {
    reading: ReadTransaction,
    bodies: Bodies,
}

impl StoreSnapshot {
    pub(super) fn begin(db: &Database, bodies: Bodies) -> Result<Self, QueueStoreError> {
        let reading = db.begin_read()?;
        Ok(Self { reading, bodies })
    }

    /// Hands out the heads of jobs that are to run, those after `after`, the oldest first, for as
    /// long as `each` returns true.
    ///
    /// # Errors
    /// [`QueueStoreError`]
    pub fn alive(
        &self,
        after: Option<JobId>,
        each: impl FnMut(JobMeta) -> bool,
    ) -> Result<(), QueueStoreError> {
        self.heads(HEADS, after, each)
    }

    /// As [`StoreSnapshot::alive`], of dead letters.
    ///
    /// # Errors
    /// [`QueueStoreError`]
    pub fn dead(
        &self,
        after: Option<JobId>,
        each: impl FnMut(JobMeta) -> bool,
    ) -> Result<(), QueueStoreError> {
        self.heads(DEAD, after, each)
    }

    /// A job, alive or dead.
    ///
    /// # Errors
    /// [`QueueStoreError`]
    pub fn job(&self, id: JobId) -> Result<Option<Job>, QueueStoreError> {
        let Some(head) = self.head(id)? else {
            return Ok(None);
        };
        if let Some(name) = self.reading.open_table(FILES)?.get(id.0)? {
            let file = self.bodies.read(name.value());
            let file = file.map_err(|source| QueueStoreError::Body { id, source })?;
            return Ok(Some(Job {
                head,
                body: Bytes::new(),
                file: Some(Arc::new(file)),
            }));
        }
        let bodies = self.reading.open_table(BODIES)?;
        let body = bodies.get(id.0)?;
        let body = body.map_or_else(Bytes::new, |body| Bytes::copy_from_slice(body.value()));
        let file = None;
        Ok(Some(Job { head, body, file }))
    }

    /// All of a job, alive or dead, but its body.
    ///
    /// # Errors
    /// [`QueueStoreError`]
    pub fn head(&self, id: JobId) -> Result<Option<JobMeta>, QueueStoreError> {
        let mut found = None;
        for table in [HEADS, DEAD] {
            let table = self.reading.open_table(table)?;
            if let Some(text) = table.get(id.0)? {
                found = Some(head(id, text.value())?);
            }
        }
        Ok(found)
    }

    /// The time from which a queue's clock goes on: while jobs are there, not before the newest
    /// commit, however far the time of day was set back since. Their times are of that clock.
    ///
    /// # Errors
    /// [`QueueStoreError`]
    pub fn least_time(&self) -> Result<u64, QueueStoreError> {
        if self.reading.open_table(HEADS)?.is_empty()? {
            return Ok(0);
        }
        let numbers = self.reading.open_table(NUMBERS)?;
        Ok(numbers.get(COMMITTED)?.map_or(0, |at| at.value()))
    }

    /// Returns the note of a name. `None` if there is none.
    ///
    /// # Errors
    /// [`QueueStoreError`]
    pub fn note(&self, name: &str) -> Result<Option<String>, QueueStoreError> {
        let notes = self.reading.open_table(NOTES)?;
        Ok(notes.get(name)?.map(|note| note.value().to_owned()))
    }

    /// Returns the notes whose names begin with `prefix`, without it.
    ///
    /// # Errors
    /// [`QueueStoreError`]
    pub fn notes(&self, prefix: &str) -> Result<Vec<(String, String)>, QueueStoreError> {
        let notes = self.reading.open_table(NOTES)?;
        let mut found = Vec::new();
        for entry in notes.range(prefix..)? {
            let (name, note) = entry?;
            let Some(rest) = name.value().strip_prefix(prefix) else {
                break;
            };
            found.push((rest.to_owned(), note.value().to_owned()));
        }
        Ok(found)
    }

    /// The names of all bodies' files.
    pub(super) fn files(&self) -> Result<BTreeSet<String>, QueueStoreError> {
        let files = self.reading.open_table(FILES)?;
        let mut names = BTreeSet::new();
        for entry in files.iter()? {
            names.insert(entry?.1.value().to_owned());
        }
        Ok(names)
    }

    fn heads(
        &self,
        table: TableDefinition<u64, &'static [u8]>,
        after: Option<JobId>,
        mut each: impl FnMut(JobMeta) -> bool,
    ) -> Result<(), QueueStoreError> {
        let table = self.reading.open_table(table)?;
        let first = after.map_or(0, |after| after.0.saturating_add(1));
        for entry in table.range(first..)? {
            let (id, text) = entry?;
            if !each(head(JobId(id.value()), text.value())?) {
                break;
            }
        }
        Ok(())
    }
}
