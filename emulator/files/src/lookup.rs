//! From a path to descriptors: one component after the other.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::{OwnPath, PathRefused, Reason};

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl OwnPath {
    /// The folder this path is in, open, and the name in it.
    ///
    /// # Errors
    /// A [`PathRefused`] for a link or another user's folder on the way; `NotFound`.
    pub(crate) fn open_parent(&self) -> io::Result<(OwnedFd, &OsStr)> {
        let below = self.full.strip_prefix(&self.root).map_err(|_| self.out())?;
        let Some(name) = below.file_name() else {
            return self.open_above();
        };
        let mut folder = open_folder(rustix::fs::CWD, self.root.as_os_str(), &self.root)?;
        let mut path = self.root.to_path_buf();
        for component in below.parent().into_iter().flat_map(Path::components) {
            let Component::Normal(name) = component else {
                return Err(self.out());
            };
            path.push(name);
            folder = open_folder(&folder, name, &path)?;
        }
        Ok((folder, name))
    }

    /// The same of the outermost folder: what is above it need not be this user's.
    fn open_above(&self) -> io::Result<(OwnedFd, &OsStr)> {
        let name = self.full.file_name().ok_or_else(|| self.out())?;
        let above = self.full.parent().filter(|at| !at.as_os_str().is_empty());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let above = rustix::fs::open(above.unwrap_or(Path::new(".")), flags, Mode::empty())?;
        Ok((above, name))
    }

    /// This path as a folder, open.
    pub(crate) fn open_as_folder(&self) -> io::Result<OwnedFd> {
        let (parent, name) = self.open_parent()?;
        open_folder(&parent, name, &self.full)
    }

    /// Returns the facts about the entry at this path itself, not about a link's target.
    pub(crate) fn stat(&self) -> io::Result<Stat> {
        let (parent, name) = self.open_parent()?;
        Ok(rustix::fs::statat(
            &parent,
            name,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    fn out(&self) -> io::Error {
        PathRefused::error(&self.full, Reason::Outside)
    }
}

fn open_folder(above: impl AsFd, name: &OsStr, path: &Path) -> io::Result<OwnedFd> {
    match rustix::fs::openat(above.as_fd(), name, FOLDER, Mode::empty()) {
        Ok(folder) => {
            own(&rustix::fs::fstat(&folder)?, path)?;
            Ok(folder)
        }
        Err(error) => Err(explain(above, name, path, error)),
    }
}

/// An error of opening, as a [`PathRefused`] if what is there is a link or no file.
pub(crate) fn explain(above: impl AsFd, name: &OsStr, path: &Path, error: Errno) -> io::Error {
    if ![Errno::LOOP, Errno::NOTDIR, Errno::MLINK, Errno::NXIO].contains(&error) {
        return error.into();
    }
    let found = rustix::fs::statat(above, name, AtFlags::SYMLINK_NOFOLLOW);
    match found.map(|found| FileType::from_raw_mode(found.st_mode)) {
        Ok(FileType::Symlink) => PathRefused::error(path, Reason::Link),
        Ok(FileType::RegularFile | FileType::Directory) | Err(_) => error.into(),
        Ok(_) => PathRefused::error(path, Reason::Special),
    }
}

/// Refuses what another user owns.
pub(crate) fn own(found: &Stat, path: &Path) -> io::Result<()> {
    if found.st_uid == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(PathRefused::error(path, Reason::Owner))
}

/// Refuses what is no plain file of this user's.
pub(crate) fn own_file(found: &Stat, path: &Path) -> io::Result<()> {
    match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => own(found, path),
        FileType::Symlink => Err(PathRefused::error(path, Reason::Link)),
        FileType::Directory => Err(io::ErrorKind::IsADirectory.into()),
        _ => Err(PathRefused::error(path, Reason::Special)),
    }
}

/// A name for a file that is renamed once it is whole.
pub(crate) fn beside(path: &OwnPath) -> OwnPath {
    let name = path.full.file_name().unwrap_or_default();
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{:08x}", rand::random::<u32>()));
    let full: PathBuf = path.full.with_file_name(temporary);
    OwnPath {
        root: path.root.clone(),
        full,
    }
}
