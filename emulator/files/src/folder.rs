//! Folders: making, listing, removing.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;

use rustix::fs::{AtFlags, Dir, Mode};
use rustix::io::Errno;

use crate::lookup::own_file;
use crate::{OwnPath, PathRefused, Reason};

/// Mode of a folder with what is this user's.
const PRIVATE: u32 = 0o700;

impl OwnPath {
    /// Makes a folder of mode 0700, and those that are missing above it. Every folder it makes has
    /// that mode from its creation. Takes other users' rights from the folder itself if it is there
    /// already; those above keep theirs.
    ///
    /// # Errors
    /// A [`PathRefused`] for a link or another user's folder.
    pub fn make_folder(&self) -> io::Result<()> {
        self.make_folder_with_mode(PRIVATE)
    }

    /// The same with exactly these rights for the innermost.
    ///
    /// # Errors
    /// As [`OwnPath::make_folder`].
    pub fn make_folder_with_mode(&self, mode: u32) -> io::Result<()> {
        match self.make_one_folder(mode) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            made => return made,
        }
        match self.parent() {
            Some(parent) => parent.make_folder()?,
            // Above the outermost, links are the user's affair.
            None => {
                let mut above = fs::DirBuilder::new();
                above.recursive(true).mode(PRIVATE);
                self.full
                    .parent()
                    .map_or(Ok(()), |path| above.create(path))?;
            }
        }
        self.make_one_folder(mode)
    }

    /// Makes a folder with exactly these rights in one that is there, or gives it those.
    ///
    /// # Errors
    /// As [`OwnPath::make_folder`]; `NotFound` if the folder above is missing.
    pub fn make_one_folder(&self, mode: u32) -> io::Result<()> {
        let mode = Mode::from_raw_mode(mode);
        let (parent, name) = self.open_parent()?;
        match rustix::fs::mkdirat(&parent, name, mode) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let folder = self.open_as_folder()?;
        // Also after making it, since the umask may have taken rights.
        if Mode::from_raw_mode(rustix::fs::fstat(&folder)?.st_mode) != mode {
            rustix::fs::fchmod(&folder, mode)?;
        }
        Ok(())
    }

    /// Checks that a folder of this user's is there and that no link leads to it, for a program that
    /// would follow one.
    ///
    /// # Errors
    /// A [`PathRefused`] for a link or another user's folder; `NotFound`.
    pub fn check_folder(&self) -> io::Result<()> {
        self.open_as_folder().map(drop)
    }

    /// Opens a folder, to lock it.
    ///
    /// # Errors
    /// A [`PathRefused`] for a link or another user's folder; `NotFound`.
    pub fn open_folder(&self) -> io::Result<fs::File> {
        self.open_as_folder().map(fs::File::from)
    }

    /// The names in a folder, sorted.
    ///
    /// # Errors
    /// A [`PathRefused`] for a link or another user's folder; `NotFound`.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = names(self.open_as_folder()?)?;
        names.sort();
        Ok(names)
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// `DirectoryNotEmpty`; a [`PathRefused`] for a link on the way.
    pub fn remove_folder(&self) -> io::Result<()> {
        let (parent, name) = self.open_parent()?;
        Ok(rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)?)
    }

    /// Removes a folder with all in it, a file, or a link itself. Never what a link leads to.
    ///
    /// # Errors
    /// A [`PathRefused`] for a link on the way; whatever cannot be removed.
    pub fn remove_all(&self) -> io::Result<()> {
        if !self.metadata()?.is_folder {
            return self.remove();
        }
        // `remove_dir_all` removes links themselves, inside and at its start.
        match fs::remove_dir_all(self.path()) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.make_removable()?;
                fs::remove_dir_all(self.path())
            }
            removed => removed,
        }
    }

    /// Gives the folder and those in it the rights without which nothing in them can be removed.
    fn make_removable(&self) -> io::Result<()> {
        self.make_one_folder(PRIVATE)?;
        for name in self.names()? {
            let child = self.join(name);
            if child.metadata()?.is_folder {
                child.make_removable()?;
            }
        }
        Ok(())
    }

    /// Flushes a folder's names to the disk.
    ///
    /// # Errors
    /// A [`PathRefused`] for a link or another user's folder.
    pub fn sync_folder(&self) -> io::Result<()> {
        self.open_folder()?.sync_all()
    }

    /// Checks that this folder, and each file and folder directly in it, is this user's and neither
    /// a link nor special.
    ///
    /// # Errors
    /// A [`PathRefused`] that names the first which is not.
    pub fn check_children(&self) -> io::Result<()> {
        for name in self.names()? {
            let child = self.join(&name);
            let found = match child.stat() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                found => found?,
            };
            match own_file(&found, child.path()) {
                Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                    if found.st_uid != rustix::process::geteuid().as_raw() {
                        return Err(PathRefused::error(child.path(), Reason::Owner));
                    }
                }
                checked => checked?,
            }
        }
        Ok(())
    }
}

fn names(folder: OwnedFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::new(folder)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}
