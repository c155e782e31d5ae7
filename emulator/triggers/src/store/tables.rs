//! What the file holds.

use redb::{Database, TableDefinition};

use super::StoreError;

/// Heads of jobs that are to run, as JSON, by number.
pub(super) const HEADS: TableDefinition<u64, &[u8]> = TableDefinition::new("heads");
/// Heads of dead letters.
pub(super) const DEAD: TableDefinition<u64, &[u8]> = TableDefinition::new("dead");
/// Bodies of both.
pub(super) const BODIES: TableDefinition<u64, &[u8]> = TableDefinition::new("bodies");
/// Idempotency keys: function, a zero, key; to the job's number and when it is forgotten, in
/// milliseconds since 1970.
pub(super) const KEYS: TableDefinition<&str, (u64, u64)> = TableDefinition::new("keys");
/// The same keys by when they are forgotten.
pub(super) const EXPIRIES: TableDefinition<(u64, &str), ()> = TableDefinition::new("expiries");
/// What sources and schedules have seen, by name.
pub(super) const NOTES: TableDefinition<&str, &str> = TableDefinition::new("notes");
/// Numbers by name: `last` is that of the newest job there ever was.
pub(super) const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");

/// Makes the tables, so that readers find them.
pub(super) fn make(db: &Database) -> Result<(), StoreError> {
    let writing = db.begin_write()?;
    writing.open_table(HEADS)?;
    writing.open_table(DEAD)?;
    writing.open_table(BODIES)?;
    writing.open_table(KEYS)?;
    writing.open_table(EXPIRIES)?;
    writing.open_table(NOTES)?;
    writing.open_table(NUMBERS)?;
    writing.commit()?;
    Ok(())
}
