//! The file at a moment.

use bytes::Bytes;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition};

use super::StoreError;
use super::apply::head;
use super::tables::{BODIES, DEAD, HEADS, NOTES};
use crate::job::{Head, Job, JobId};

/// The file at a moment.
pub struct Snapshot(ReadTransaction);

impl Snapshot {
    pub(super) fn of(db: &Database) -> Result<Self, StoreError> {
        Ok(Self(db.begin_read()?))
    }

    /// Jobs that are to run, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn alive(&self) -> Result<Vec<Head>, StoreError> {
        self.heads(HEADS)
    }

    /// Dead letters, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn dead(&self) -> Result<Vec<Head>, StoreError> {
        self.heads(DEAD)
    }

    /// A job, alive or dead.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let mut found = None;
        for table in [HEADS, DEAD] {
            let table = self.0.open_table(table)?;
            if let Some(text) = table.get(id.0)? {
                found = Some(head(id, text.value())?);
            }
        }
        let Some(head) = found else {
            return Ok(None);
        };
        let bodies = self.0.open_table(BODIES)?;
        let body = bodies.get(id.0)?;
        let body = body.map_or_else(Bytes::new, |body| Bytes::copy_from_slice(body.value()));
        Ok(Some(Job { head, body }))
    }

    /// What was noted by a name.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn note(&self, name: &str) -> Result<Option<String>, StoreError> {
        let notes = self.0.open_table(NOTES)?;
        Ok(notes.get(name)?.map(|note| note.value().to_owned()))
    }

    /// What was noted by names that begin with `prefix`, without it.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn notes(&self, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
        let notes = self.0.open_table(NOTES)?;
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

    fn heads(&self, table: TableDefinition<u64, &'static [u8]>) -> Result<Vec<Head>, StoreError> {
        let table = self.0.open_table(table)?;
        let mut heads = Vec::new();
        for entry in table.iter()? {
            let (id, text) = entry?;
            heads.push(head(JobId(id.value()), text.value())?);
        }
        Ok(heads)
    }
}
