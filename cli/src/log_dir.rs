//! Where a project's log is, for the commands that read it.

use std::path::{Path, PathBuf};

/// No log is kept in a folder or above it.
#[derive(Debug, thiserror::Error)]
#[error("there is no log of {}", .0.display())]
pub struct NoLog(PathBuf);

fnlocal_api::user_error!(NoLog {
    _ => "`fnlocal dev` and `fnlocal up` keep a log; name their folder with --folder";
});

/// The log of the nearest project at or above a folder.
pub fn find(folder: &Path) -> Result<PathBuf, NoLog> {
    let start = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let found = start.ancestors().map(|above| above.join(".fnlocal/logs"));
    let mut found = found.filter(|log| log.is_dir());
    found.next().ok_or_else(|| NoLog(start.clone()))
}
