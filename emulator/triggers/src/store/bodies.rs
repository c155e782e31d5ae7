//! Bodies that are too large for the queue's file: a file each, in a folder beside it.
//!
//! A body's file is synced before its job is committed, so a job on disk has its body. A file that
//! no job has is what a crash left behind, and is removed when the queue is opened.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, fstat, fsync, mkdir, open, openat, unlinkat};
use rustix::process::geteuid;

/// The folder's name, beside the queue's file.
const FOLDER: &str = "queue-bodies";
/// The beginning of the names of bodies' files; no other file is ever removed.
const PREFIX: &str = "body-";

/// The folder of bodies. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bodies(Arc<BodiesFolder>);

#[derive(Debug)]
struct BodiesFolder {
    dir: OwnedFd,
    /// Names of files that somebody in this process has in hand.
    in_hand: Mutex<BTreeSet<String>>,
}

/// A body's file. The file is removed when the last clone of its handle is dropped, unless a job
/// has it.
#[derive(Debug)]
pub struct BodyFile {
    bodies: Bodies,
    name: String,
    /// `true` once the file was created.
    made: AtomicBool,
    /// Its bytes, once it is on disk.
    size: AtomicU64,
    kept: AtomicBool,
}

impl Bodies {
    /// Opens the folder below `beside`, and makes it if it is not there. Links are not followed.
    ///
    /// # Errors
    /// Fails if the folder cannot be created or opened, or is another user's.
    pub fn open(beside: &Path) -> io::Result<Self> {
        let path = beside.join(FOLDER);
        match mkdir(&path, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = open(&path, flags, Mode::empty())?;
        if fstat(&dir)?.st_uid != geteuid().as_raw() {
            let what = format!("{} belongs to another user", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
        }
        let in_hand = Mutex::default();
        Ok(Self(Arc::new(BodiesFolder { dir, in_hand })))
    }

    /// Names a new file, which is not made yet.
    #[must_use]
    pub fn reserve(&self) -> Arc<BodyFile> {
        let name = format!("{PREFIX}{:032x}", rand::random::<u128>());
        self.in_hand().insert(name.clone());
        Arc::new(BodyFile {
            bodies: self.clone(),
            name,
            made: AtomicBool::new(false),
            size: AtomicU64::new(0),
            kept: AtomicBool::new(false),
        })
    }

    /// Opens a job's body.
    ///
    /// # Errors
    /// Fails if the file is missing, or is no file.
    pub fn read(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&self.0.dir, name, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(file)
    }

    /// Removes the body of a job that is over.
    pub(super) fn remove(&self, name: &str) {
        // A file that cannot be removed now is removed when the queue is opened again.
        let _left = unlinkat(&self.0.dir, name, AtFlags::empty());
    }

    /// Removes the files that no job has, and that are not in hand.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn remove_orphans(&self, kept: &BTreeSet<String>) -> io::Result<()> {
        for entry in Dir::read_from(&self.0.dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            let ours = name.starts_with(PREFIX) && !kept.contains(name);
            if ours && !self.in_hand().contains(name) {
                self.remove(name);
            }
        }
        Ok(())
    }

    /// Returns whether the folder is still where it was opened.
    pub(super) fn is_there(&self) -> bool {
        fstat(&self.0.dir).is_ok_and(|found| found.st_nlink > 0)
    }

    fn in_hand(&self) -> MutexGuard<'_, BTreeSet<String>> {
        let names = self.0.in_hand.lock();
        names.unwrap_or_else(PoisonError::into_inner)
    }
}

impl BodyFile {
    /// Makes the file, for this user only.
    ///
    /// # Errors
    /// The disk is full, or its folder is gone.
    pub fn create(&self) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let dir = &self.bodies.0.dir;
        let file = openat(dir, &*self.name, flags | OFlags::CLOEXEC, mode)?;
        self.made.store(true, Ordering::Release);
        Ok(file.into())
    }

    /// Puts the file and its name on disk; to be called once all of it is written.
    ///
    /// # Errors
    /// The disk is full or broken.
    pub fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()?;
        self.size.store(file.metadata()?.len(), Ordering::Release);
        Ok(fsync(&self.bodies.0.dir)?)
    }

    /// Returns its name in the folder.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the number of its bytes; 0 before it is on disk.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// A job has it, or may have it: it stays.
    pub(super) fn keep(&self) {
        self.kept.store(true, Ordering::Release);
    }
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        let (bodies, name) = (self.bodies.clone(), std::mem::take(&mut self.name));
        if self.kept.load(Ordering::Acquire) || !self.made.load(Ordering::Acquire) {
            bodies.in_hand().remove(&name);
            return;
        }
        let remove = move || {
            bodies.remove(&name);
            bodies.in_hand().remove(&name);
        };
        // Removing a large file takes a while, and this may be the gateway's thread.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(folder: &Path) -> BTreeSet<String> {
        let entries = std::fs::read_dir(folder.join(FOLDER)).unwrap();
        let name = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect()
    }

    #[test]
    fn body_files_are_private_to_the_user() {
        let folder = tempfile::tempdir().unwrap();
        let bodies = Bodies::open(folder.path()).unwrap();
        let body = bodies.reserve();
        let file = body.create().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(mode(&folder.path().join(FOLDER)), 0o700);
    }

    #[test]
    fn a_body_without_a_job_is_removed_with_its_last_handle() {
        let folder = tempfile::tempdir().unwrap();
        let bodies = Bodies::open(folder.path()).unwrap();
        let (left, kept) = (bodies.reserve(), bodies.reserve());
        drop((left.create().unwrap(), kept.create().unwrap()));
        kept.keep();
        let name = kept.name().to_owned();
        drop((left, kept));
        assert_eq!(names(folder.path()), BTreeSet::from([name]));
    }

    #[test]
    fn only_orphaned_body_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let bodies = Bodies::open(folder.path()).unwrap();
        let path = folder.path().join(FOLDER);
        for name in ["body-orphan", "body-kept", "a user's own file"] {
            std::fs::write(path.join(name), "x").unwrap();
        }
        let in_hand = bodies.reserve();
        drop(in_hand.create().unwrap());
        bodies
            .remove_orphans(&BTreeSet::from(["body-kept".to_owned()]))
            .unwrap();
        let left = ["body-kept", "a user's own file", in_hand.name()];
        assert_eq!(names(folder.path()), left.map(str::to_owned).into());
    }

    #[test]
    fn a_link_in_place_of_the_folder_is_not_followed() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(other.path(), folder.path().join(FOLDER)).unwrap();
        assert!(Bodies::open(folder.path()).is_err());
    }

    #[test]
    fn a_link_in_place_of_a_body_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let bodies = Bodies::open(folder.path()).unwrap();
        symlink("/etc/passwd", folder.path().join(FOLDER).join("body-x")).unwrap();
        assert!(bodies.read("body-x").is_err());
    }
}
