//! Files: opening, reading, writing, naming, removing.

use std::fs::File;
use std::io::{self, Read, Write};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use crate::OwnPath;
use crate::lookup::{beside, explain, own_file};

/// Mode of a file with what is this user's.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);
/// Rights of other users.
const OTHERS: Mode = Mode::RWXG.union(Mode::RWXO);

/// The facts about a path that is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Bytes.
    pub len: u64,
    /// `true` for a folder.
    pub is_folder: bool,
    /// `true` for a plain file.
    pub is_file: bool,
    /// How many names it has.
    pub names: u64,
    /// When it was last written to.
    pub modified: SystemTime,
}

impl OwnPath {
    /// Opens a file to read it.
    ///
    /// # Errors
    /// A [`crate::PathRefused`] for what is not a plain file of this user's; `NotFound`.
    pub fn open(&self) -> io::Result<File> {
        self.open_with(OFlags::RDONLY, PRIVATE)
    }

    /// Opens a file that exists to read and write it. Takes other users' rights from it.
    ///
    /// # Errors
    /// As [`OwnPath::open`].
    pub fn open_to_write(&self) -> io::Result<File> {
        tighten(self.open_with(OFlags::RDWR, PRIVATE)?)
    }

    /// Opens a file to read and write it, and makes it with mode 0600 if it is not there. Takes other
    /// users' rights from one that is.
    ///
    /// # Errors
    /// As [`OwnPath::open`].
    pub fn open_or_create(&self) -> io::Result<File> {
        tighten(self.open_with(OFlags::RDWR | OFlags::CREATE, PRIVATE)?)
    }

    /// Makes a file with mode 0600, to read and write it.
    ///
    /// # Errors
    /// `AlreadyExists` if anything has the name, also a link.
    pub fn create_new(&self) -> io::Result<File> {
        self.create_new_with_mode(0o600)
    }

    /// Makes a file with mode 0600, to write at its end whatever becomes of it meanwhile.
    ///
    /// # Errors
    /// As [`OwnPath::create_new`].
    pub fn create_new_to_append(&self) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL;
        self.open_with(flags, PRIVATE)
    }

    /// Opens a file to write at its end, and makes it with mode 0600 if it is not there. Takes other
    /// users' rights from one that is.
    ///
    /// # Errors
    /// As [`OwnPath::open`].
    pub fn open_or_create_to_append(&self) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE;
        tighten(self.open_with(flags, PRIVATE)?)
    }

    /// Makes a file with exactly these rights, to read and write it.
    ///
    /// # Errors
    /// As [`OwnPath::create_new`].
    pub fn create_new_with_mode(&self, mode: u32) -> io::Result<File> {
        let mode = Mode::from_raw_mode(mode);
        let file = self.open_with(OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, mode)?;
        // The umask may have taken some of them.
        if Mode::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != mode {
            rustix::fs::fchmod(&file, mode)?;
        }
        Ok(file)
    }

    /// Never waits: opening a pipe that nothing writes to would.
    fn open_with(&self, flags: OFlags, mode: Mode) -> io::Result<File> {
        let (parent, name) = self.open_parent()?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = rustix::fs::openat(&parent, name, flags, mode)
            .map_err(|error| explain(&parent, name, self.path(), error))?;
        own_file(&rustix::fs::fstat(&file)?, self.path())?;
        Ok(File::from(file))
    }

    /// Reads a file whole.
    ///
    /// # Errors
    /// As [`OwnPath::open`].
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads a file of text whole.
    ///
    /// # Errors
    /// As [`OwnPath::open`]; `InvalidData` if it is no text.
    pub fn read_to_string(&self) -> io::Result<String> {
        io::read_to_string(self.open()?)
    }

    /// Writes a file of mode 0600 so that it appears whole or not at all, in place of what has the
    /// name. Its folder must be there.
    ///
    /// # Errors
    /// A [`crate::PathRefused`] for a link on the way to its folder.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let beside = beside(self);
        let mut file = beside.create_new()?;
        let written = file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            .and_then(|()| beside.rename(self));
        if written.is_err() {
            let _left = beside.remove();
        }
        written
    }

    /// Gives it another name, in place of what had that.
    ///
    /// # Errors
    /// A [`crate::PathRefused`] for a link on the way to either folder.
    pub fn rename(&self, to: &Self) -> io::Result<()> {
        let (from_folder, from) = self.open_parent()?;
        let (to_folder, to) = to.open_parent()?;
        Ok(rustix::fs::renameat(&from_folder, from, &to_folder, to)?)
    }

    /// Gives a file one more name.
    ///
    /// # Errors
    /// `AlreadyExists` if anything has the name; a [`crate::PathRefused`] if this is not a plain file.
    pub fn hard_link(&self, to: &Self) -> io::Result<()> {
        let (from_folder, from) = self.open_parent()?;
        let found = rustix::fs::statat(&from_folder, from, AtFlags::SYMLINK_NOFOLLOW)?;
        own_file(&found, self.path())?;
        let (to_folder, to) = to.open_parent()?;
        let flags = AtFlags::empty();
        Ok(rustix::fs::linkat(
            &from_folder,
            from,
            &to_folder,
            to,
            flags,
        )?)
    }

    /// Removes a file, or a link itself.
    ///
    /// # Errors
    /// `NotFound`; a [`crate::PathRefused`] for a link on the way to its folder.
    pub fn remove(&self) -> io::Result<()> {
        let (parent, name) = self.open_parent()?;
        Ok(rustix::fs::unlinkat(&parent, name, AtFlags::empty())?)
    }

    /// Returns the facts about the entry at this path itself, not about a link's target.
    ///
    /// # Errors
    /// `NotFound`; a [`crate::PathRefused`] for a link on the way.
    #[allow(
        clippy::useless_conversion,
        clippy::unnecessary_fallible_conversions,
        reason = "the types differ by system"
    )]
    pub fn metadata(&self) -> io::Result<Metadata> {
        let found = self.stat()?;
        let kind = FileType::from_raw_mode(found.st_mode);
        let seconds = u64::try_from(found.st_mtime).unwrap_or(0);
        let since_1970 = Duration::new(seconds, u32::try_from(found.st_mtime_nsec).unwrap_or(0));
        Ok(Metadata {
            len: u64::try_from(found.st_size).unwrap_or(0),
            is_folder: kind == FileType::Directory,
            is_file: kind == FileType::RegularFile,
            names: u64::try_from(found.st_nlink).unwrap_or(u64::MAX),
            modified: SystemTime::UNIX_EPOCH
                .checked_add(since_1970)
                .unwrap_or(SystemTime::UNIX_EPOCH),
        })
    }

    /// When what is at this path was last written to.
    ///
    /// # Errors
    /// As [`OwnPath::metadata`].
    pub fn modified(&self) -> io::Result<SystemTime> {
        Ok(self.metadata()?.modified)
    }

    /// Returns whether a plain file of this user's is there.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.stat()
            .is_ok_and(|found| own_file(&found, self.path()).is_ok())
    }

    /// Returns whether a folder is there.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.metadata().is_ok_and(|found| found.is_folder)
    }
}

fn tighten(file: File) -> io::Result<File> {
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
    if mode.intersects(OTHERS) {
        rustix::fs::fchmod(&file, mode & !OTHERS)?;
    }
    Ok(file)
}
