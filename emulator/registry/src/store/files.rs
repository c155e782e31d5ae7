//! Files that appear whole or not at all, and stay.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::{StoreError, io};

/// A file under a name of its own until it is renamed; removed when dropped before.
#[derive(Debug)]
pub struct Temporary {
    pub file: File,
    pub path: PathBuf,
    keep: bool,
}

impl Temporary {
    /// A new file, which must not exist.
    pub fn new(path: PathBuf) -> Result<Self, StoreError> {
        let file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(io(&path))?;
        Ok(Self::of(file, path))
    }

    /// Takes over a file.
    pub fn of(file: File, path: PathBuf) -> Self {
        Self {
            file,
            path,
            keep: false,
        }
    }

    /// Whether the file stays when this is dropped.
    pub fn keep(&mut self, keep: bool) {
        self.keep = keep;
    }

    /// To be called before [`Temporary::rename`]: what is renamed has reached the disk.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_all().map_err(io(&self.path))
    }

    /// Gives a synced file its name, in place of what had it.
    pub fn rename(mut self, to: &Path) -> Result<(), StoreError> {
        fs::rename(&self.path, to).map_err(io(to))?;
        self.keep = true;
        sync_parent(to)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed now, a collection removes later.
            let _left = fs::remove_file(&self.path);
        }
    }
}

/// Writes a small file by way of `temporary`.
pub fn write(temporary: PathBuf, to: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut temporary = Temporary::new(temporary)?;
    temporary
        .file
        .write_all(bytes)
        .map_err(io(&temporary.path))?;
    temporary.sync()?;
    temporary.rename(to)
}

/// Makes an empty file, or makes one that is there young again.
pub fn mark(path: &Path) -> Result<(), StoreError> {
    if refresh(path)? {
        return Ok(());
    }
    File::create(path).map_err(io(path))?;
    sync_parent(path)
}

/// Makes a file young again. Returns whether it is there.
pub fn refresh(path: &Path) -> Result<bool, StoreError> {
    let Some(file) = present(path, File::options().write(true).open(path))? else {
        return Ok(false);
    };
    file.set_modified(SystemTime::now()).map_err(io(path))?;
    Ok(true)
}

/// Makes a folder and those above it, durably.
pub fn make_folder(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io(path)(error)),
        _ => sync_parent(path),
    }
}

/// Removes a file. Returns whether it was there.
pub fn remove(path: &Path) -> Result<bool, StoreError> {
    Ok(present(path, fs::remove_file(path))?.is_some())
}

/// The names in a folder, sorted; none when there is no such folder.
pub fn names(folder: &Path) -> Result<Vec<OsString>, StoreError> {
    let Some(entries) = present(folder, fs::read_dir(folder))? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(io(folder))?.file_name());
    }
    names.sort();
    Ok(names)
}

/// What names in a folder stand for, by `read`, which passes over what is not ours.
pub fn list<T>(folder: &Path, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, StoreError> {
    let names = names(folder)?;
    let read = names.iter().filter_map(|name| read(name.to_str()?));
    Ok(read.collect())
}

/// Nothing instead of an error where a file is missing.
pub fn present<T>(path: &Path, result: io::Result<T>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(path)(error)),
    }
}

/// Whether a file was last changed at least `grace` ago. One from the future is not old.
pub fn is_old(metadata: &fs::Metadata, grace: Duration) -> bool {
    metadata
        .modified()
        .is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age >= grace))
}

pub fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    let synced = File::open(parent).and_then(|folder| folder.sync_all());
    synced.map_err(io(parent))
}
