//! Telling without reading that something is as before.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

/// The facts that show, without reading, that a file or a folder is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    modified: (i64, i64),
    changed: (i64, i64),
    /// Its bytes.
    pub size: u64,
    inode: (u64, u64),
    /// `true` if its owner may execute it.
    pub executable: bool,
}

impl Stamp {
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            size: metadata.size(),
            inode: (metadata.dev(), metadata.ino()),
            executable: metadata.mode() & 0o100 != 0,
        }
    }

    /// Returns whether a change after `now` would show: the change before is long enough ago for
    /// the file system's clock to have moved on.
    pub fn would_show(&self, now: SystemTime) -> bool {
        let (seconds, nanos) = self.changed;
        let whole = nanos == 0 && self.modified.1 == 0;
        let tick = if whole { 2_000_000_000 } else { 50_000_000 };
        let now = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos() as i128);
        now - (i128::from(seconds) * 1_000_000_000 + i128::from(nanos)) > tick
    }
}
