//! The contents of the file.

use redb::{Database, ReadableTable, Table, TableDefinition};

use super::QueueStoreError;
use super::apply::head;
use crate::job::JobId;

/// Heads of jobs that are to run, as JSON, by number.
pub(super) const HEADS: TableDefinition<u64, &[u8]> = TableDefinition::new("heads");
/// Heads of dead letters.
pub(super) const DEAD: TableDefinition<u64, &[u8]> = TableDefinition::new("dead");
/// Bodies of both, except those that are files of their own.
pub(super) const BODIES: TableDefinition<u64, &[u8]> = TableDefinition::new("bodies");
/// Names of files with the bodies of both.
pub(super) const FILES: TableDefinition<u64, &str> = TableDefinition::new("files");
/// Idempotency keys: function, a zero, key; to the job's number and when it is forgotten, in
/// milliseconds since 1970.
pub(super) const KEYS: TableDefinition<&str, (u64, u64)> = TableDefinition::new("keys");
/// The same keys by when they are forgotten.
pub(super) const EXPIRIES: TableDefinition<(u64, &str), ()> = TableDefinition::new("expiries");
/// The positions of sources and schedules, by name.
pub(super) const NOTES: TableDefinition<&str, &str> = TableDefinition::new("notes");
/// Numbers by name.
pub(super) const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
/// The number of the newest job there ever was.
pub(super) const LAST: &str = "last";
/// When the newest commit was made, in milliseconds since 1970.
pub(super) const COMMITTED: &str = "committed";
/// Bytes of all dead letters, bodies included.
const DEAD_BYTES: &str = "dead bytes";
/// Bytes of all idempotency keys.
const KEY_BYTES: &str = "key bytes";
/// Bytes of all heads and bodies in the file.
const LIVE_BYTES: &str = "live bytes";

/// About how many bytes a key takes, function included, in both of its tables.
pub(super) fn key_bytes(named: &str) -> u64 {
    2 * named.len() as u64 + 64
}

/// Sums over tables, kept with them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TableTotals {
    /// Bytes of dead letters, bodies included.
    pub dead: u64,
    /// Bytes of idempotency keys.
    pub keys: u64,
    /// Bytes of heads and bodies in the file, of jobs alive or dead.
    pub alive: u64,
}

impl TableTotals {
    pub fn read(numbers: &impl ReadableTable<&'static str, u64>) -> Result<Self, QueueStoreError> {
        let number = |name| -> Result<u64, QueueStoreError> {
            Ok(numbers.get(name)?.map_or(0, |number| number.value()))
        };
        Ok(Self {
            dead: number(DEAD_BYTES)?,
            keys: number(KEY_BYTES)?,
            alive: number(LIVE_BYTES)?,
        })
    }

    pub fn write(&self, numbers: &mut Table<&'static str, u64>) -> Result<(), QueueStoreError> {
        numbers.insert(DEAD_BYTES, self.dead)?;
        numbers.insert(KEY_BYTES, self.keys)?;
        numbers.insert(LIVE_BYTES, self.alive)?;
        Ok(())
    }

    /// Bytes of the file that are in use, about.
    pub fn live(&self) -> u64 {
        self.keys.saturating_add(self.alive)
    }
}

/// Makes the tables, so that readers find them, and returns their sums. Writes also when there is
/// nothing to make, which shows whether the disk takes anything.
pub(super) fn make(db: &Database) -> Result<TableTotals, QueueStoreError> {
    let writing = db.begin_write()?;
    writing.open_table(FILES)?;
    writing.open_table(EXPIRIES)?;
    writing.open_table(NOTES)?;
    let totals = {
        let mut numbers = writing.open_table(NUMBERS)?;
        let (heads, dead) = (writing.open_table(HEADS)?, writing.open_table(DEAD)?);
        let (bodies, keys) = (writing.open_table(BODIES)?, writing.open_table(KEYS)?);
        let known = numbers.get(LIVE_BYTES)?.is_some();
        let totals = if known {
            TableTotals::read(&numbers)?
        } else {
            // A file of an older version has no sums.
            TableTotals {
                dead: sum(&dead, |id, text| Ok(head(JobId(id), text)?.bytes()))?,
                keys: key_sum(&keys)?,
                alive: lengths(&heads)? + lengths(&dead)? + lengths(&bodies)?,
            }
        };
        totals.write(&mut numbers)?;
        totals
    };
    writing.commit()?;
    Ok(totals)
}

type Texts<'t> = Table<'t, u64, &'static [u8]>;

fn sum(
    table: &Texts<'_>,
    each: impl Fn(u64, &[u8]) -> Result<u64, QueueStoreError>,
) -> Result<u64, QueueStoreError> {
    let mut sum = 0u64;
    for entry in table.iter()? {
        let (id, text) = entry?;
        sum = sum.saturating_add(each(id.value(), text.value())?);
    }
    Ok(sum)
}

fn lengths(table: &Texts<'_>) -> Result<u64, QueueStoreError> {
    sum(table, |_, text| Ok(text.len() as u64))
}

fn key_sum(keys: &Table<'_, &'static str, (u64, u64)>) -> Result<u64, QueueStoreError> {
    let mut sum = 0u64;
    for entry in keys.iter()? {
        sum = sum.saturating_add(key_bytes(entry?.0.value()));
    }
    Ok(sum)
}
