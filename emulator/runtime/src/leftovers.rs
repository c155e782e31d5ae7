//! The leftovers of a killed run on this machine: folders of sockets and temporary files, and
//! processes that functions started.
//!
//! A run holds a lock in its folder for as long as it lives. A folder whose lock is free is a dead
//! run's; it is removed, with the processes that bear the run's mark.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fnlocal_files::OwnPath;

use super::family;
use fnlocal_engine::identity::is_run_name;

use super::place::{default_base, temporary_base};

/// A run's lock, in its folder.
const LOCK: &str = "lock";

/// The removed leftovers, or those that would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Folders of dead runs.
    pub folders: Vec<PathBuf>,
}

/// A run's lock, until dropped.
#[derive(Clone, Debug)]
pub(super) struct Alive {
    _lock: Arc<File>,
}

/// Removes the leftovers of dead runs of this user, or only lists them. Failures stay for the next
/// time.
#[must_use]
pub fn clear(only_list: bool) -> Leftovers {
    let mut cleared = Leftovers::default();
    let mut bases = vec![default_base(), temporary_base()];
    bases.dedup();
    for base in bases {
        // A base of another user's, or none, has nothing of ours.
        let _unreadable = clear_base(&OwnPath::new(&base), only_list, &mut cleared);
    }
    cleared
}

fn clear_base(base: &OwnPath, only_list: bool, cleared: &mut Leftovers) -> io::Result<()> {
    let names = base.names()?;
    let _held = hold_base(base)?;
    for name in names.iter().filter_map(|name| name.to_str()) {
        let folder = base.join(name);
        if !is_run_name(name) || !is_dead(&folder) {
            continue;
        }
        if !only_list {
            family::end_run(name);
            if folder.remove_all().is_err() {
                continue;
            }
        }
        cleared.folders.push(folder.path().to_owned());
    }
    Ok(())
}

/// Makes a run's folder, closed to other users, and holds its lock.
pub(super) fn begin(base: &Path, run: &str) -> io::Result<Alive> {
    let base = OwnPath::new(base);
    base.make_folder()?;
    let _held = hold_base(&base)?;
    let folder = base.join(run);
    folder.make_folder()?;
    let lock = folder.join(LOCK).open_or_create()?;
    match lock.try_lock() {
        Ok(()) => Ok(Alive {
            _lock: Arc::new(lock),
        }),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Held while a run's folder is made, and while dead runs' are looked for.
fn hold_base(base: &OwnPath) -> io::Result<File> {
    let folder = base.open_folder()?;
    folder.lock()?;
    Ok(folder)
}

/// Returns whether a folder belongs to a run that has ended. One without a lock is none of ours, or
/// older.
fn is_dead(folder: &OwnPath) -> bool {
    let lock = folder.join(LOCK).open();
    lock.is_ok_and(|lock| lock.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleared(base: &Path, only_list: bool) -> Vec<PathBuf> {
        let mut cleared = Leftovers::default();
        clear_base(&OwnPath::new(base), only_list, &mut cleared).unwrap();
        cleared.folders
    }

    #[test]
    fn the_folder_of_a_dead_run_is_removed_and_that_of_a_live_run_is_kept() {
        let base = tempfile::tempdir().unwrap();
        let dead = begin(base.path(), "dead").unwrap();
        let _alive = begin(base.path(), "alive").unwrap();
        std::fs::create_dir(base.path().join("another")).unwrap();
        std::fs::write(base.path().join("dead/x"), "x").unwrap();
        assert!(cleared(base.path(), false).is_empty());
        drop(dead);
        let folder = base.path().join("dead");
        assert_eq!(cleared(base.path(), true), std::slice::from_ref(&folder));
        assert!(folder.exists());
        assert_eq!(cleared(base.path(), false), std::slice::from_ref(&folder));
        assert!(!folder.exists());
        assert!(base.path().join("alive").exists());
        assert!(base.path().join("another").exists());
    }

    #[test]
    fn a_symlink_among_the_run_folders_is_left_alone() {
        let base = tempfile::tempdir().unwrap();
        let victim = tempfile::tempdir().unwrap();
        std::fs::write(victim.path().join(LOCK), "").unwrap();
        std::os::unix::fs::symlink(victim.path(), base.path().join("run")).unwrap();
        assert!(cleared(base.path(), false).is_empty());
        assert!(victim.path().join(LOCK).exists());
    }
}
