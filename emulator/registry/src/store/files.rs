//! Files that appear whole or not at all, and stay.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use fnlocal_files::OwnPath;

use crate::error::{StoreError, io};

/// A file under a name of its own until it is renamed; removed when dropped before.
#[derive(Debug)]
pub struct Temporary {
    pub file: File,
    pub path: OwnPath,
    keep: bool,
}

impl Temporary {
    /// A new file, which must not exist.
    pub fn new(path: OwnPath) -> Result<Self, StoreError> {
        let file = path.create_new().map_err(io(&path))?;
        Ok(Self::from_open(file, path))
    }

    /// Takes over a file.
    pub fn from_open(file: File, path: OwnPath) -> Self {
        Self {
            file,
            path,
            keep: false,
        }
    }

    /// Sets whether the file stays when this is dropped.
    pub fn keep(&mut self, keep: bool) {
        self.keep = keep;
    }

    /// To be called before [`Temporary::rename`]: what is renamed has reached the disk.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_all().map_err(io(&self.path))
    }

    /// Gives a synced file its name, in place of what had it.
    pub fn rename(mut self, to: &OwnPath) -> Result<(), StoreError> {
        self.path.rename(to).map_err(io(to))?;
        self.keep = true;
        sync_parent(to)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.keep {
            // A later collection removes a file that cannot be removed now.
            let _left = self.path.remove();
        }
    }
}

/// Writes a small file by way of `temporary`.
pub fn write(temporary: OwnPath, to: &OwnPath, bytes: &[u8]) -> Result<(), StoreError> {
    let mut temporary = Temporary::new(temporary)?;
    temporary
        .file
        .write_all(bytes)
        .map_err(io(&temporary.path))?;
    temporary.sync()?;
    temporary.rename(to)
}

/// Makes an empty file, or makes one that is there young again.
pub fn mark(path: &OwnPath) -> Result<(), StoreError> {
    if refresh(path)? {
        return Ok(());
    }
    path.open_or_create().map_err(io(path))?;
    sync_parent(path)
}

/// Makes a file young again. Returns whether it is there.
pub fn refresh(path: &OwnPath) -> Result<bool, StoreError> {
    let Some(file) = present(path, path.open_to_write())? else {
        return Ok(false);
    };
    file.set_modified(SystemTime::now()).map_err(io(path))?;
    Ok(true)
}

/// Makes a folder and those above it, durably.
pub fn make_folder(path: &OwnPath) -> Result<(), StoreError> {
    if path.is_folder() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_folder(&parent)?;
    }
    path.make_folder().map_err(io(path))?;
    sync_parent(path)
}

/// Removes a file. Returns whether it was there.
pub fn remove(path: &OwnPath) -> Result<bool, StoreError> {
    Ok(present(path, path.remove())?.is_some())
}

/// Removes a file for good. Returns whether it was there.
pub fn delete(path: &OwnPath) -> Result<bool, StoreError> {
    let there = remove(path)?;
    if there {
        sync_parent(path)?;
    }
    Ok(there)
}

/// The names in a folder, sorted; none when there is no such folder.
pub fn names(folder: &OwnPath) -> Result<Vec<OsString>, StoreError> {
    Ok(present(folder, folder.names())?.unwrap_or_default())
}

/// Returns the meanings of names in a folder, by `read`, which skips names that are not ours.
pub fn list<T>(folder: &OwnPath, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, StoreError> {
    let names = names(folder)?;
    let read = names.iter().filter_map(|name| read(name.to_str()?));
    Ok(read.collect())
}

/// Nothing instead of an error where a file is missing.
pub fn present<T>(path: &OwnPath, result: io::Result<T>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(path)(error)),
    }
}

/// Returns whether a file was last changed at least `grace` ago. One from the future is not old.
pub fn is_old(path: &OwnPath, grace: Duration) -> Result<bool, StoreError> {
    let changed = present(path, path.modified())?;
    Ok(changed.is_some_and(|changed| changed.elapsed().is_ok_and(|age| age >= grace)))
}

pub fn sync_parent(path: &OwnPath) -> Result<(), StoreError> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    parent.sync_folder().map_err(io(&parent))
}
