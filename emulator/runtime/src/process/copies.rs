//! Copies of code for processes, apart from the project.
//!
//! A process sees this machine's files, so its code lies where nothing of the project is above it:
//! no `node_modules` is found by climbing, and no folder of its path begins with a dot, which servers
//! of static files refuse. A copy is read-only and shares no content with the version it is made of.
//! Code that changes its own copy all the same, as root may, changes nothing for others: whatever
//! differs is copied anew before the next instance starts.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fnlocal_engine::identity::random_hex;
use fnlocal_files::OwnPath;
use fnlocal_project::Stamp;

use super::shared_tree::share_tree;
use crate::place::{RunFolder, temporary_base};

/// Rights of folders and of files that are run; other files have none of `EXECUTE`.
const READ_ONLY: u32 = 0o555;
const EXECUTE: u32 = 0o111;

/// Copies of a run's code.
#[derive(Debug)]
pub struct CodeCopies {
    place: RunFolder,
    root: PathBuf,
    copies: Mutex<BTreeMap<PathBuf, CodeCopy>>,
}

/// A copy of one version.
#[derive(Debug)]
struct CodeCopy {
    /// The version's folder in the project's state.
    version: PathBuf,
    /// All in the copy, as it was made.
    stamps: Vec<(PathBuf, Stamp)>,
}

impl CodeCopies {
    /// Makes a folder for the copies of one run.
    ///
    /// # Errors
    /// The folder for temporary files cannot be written.
    pub fn new() -> io::Result<Self> {
        let place = RunFolder::new(&temporary_base(), &random_hex(4))?;
        let root = fs::canonicalize(place.private("code")?)?;
        Ok(Self {
            place,
            root,
            copies: Mutex::default(),
        })
    }

    /// The folder of a package's copies.
    #[must_use]
    pub fn of_package(&self, package: &str) -> PathBuf {
        self.root.join(package)
    }

    /// The folder that holds all of this run's, to be removed with it.
    pub(super) fn folder(&self) -> &Path {
        self.place.folder()
    }

    /// Copies a version, unless a copy is there that is as it was made. Blocks.
    ///
    /// # Errors
    /// The version cannot be read, or the copy cannot be written.
    pub fn bring(&self, package: &str, version: &Path) -> io::Result<()> {
        let Some(name) = version.file_name() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let to = self.of_package(package).join(name);
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        if copies.get(&to).is_some_and(CodeCopy::is_whole) {
            return Ok(());
        }
        copies.insert(to.clone(), CodeCopy::make(version, &to)?);
        Ok(())
    }

    /// Brings installed dependencies to where nothing of the project is above them, as code is: what
    /// a package imports without naming it would be found in the project's own installed packages else.
    /// Returns the folder that holds `modules`, as `installed` does. Blocks.
    ///
    /// # Errors
    /// They cannot be read, or the folder cannot be written.
    pub fn bring_dependencies(&self, installed: &Path, modules: &str) -> io::Result<PathBuf> {
        let Some(name) = installed.file_name() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let all = fs::canonicalize(self.place.private("deps")?)?;
        let to = all.join(name);
        let _one_at_a_time = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        if to.is_dir() {
            return Ok(to);
        }
        let mut beside = to.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        remove(&beside)?;
        fs::create_dir(&beside)?;
        share_tree(&installed.join(modules), &beside.join(modules))?;
        fs::rename(&beside, &to)?;
        Ok(to)
    }

    /// Makes copies of a package anew in which something was changed. Blocks for a look at each file.
    ///
    /// # Errors
    /// A version cannot be read, or a copy cannot be written.
    pub fn mend(&self, package: &Path) -> io::Result<()> {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        let below = copies
            .iter_mut()
            .filter(|(to, _)| to.parent() == Some(package));
        for (to, copy) in below.filter(|(_, copy)| !copy.is_whole()) {
            tracing::warn!(copy = %to.display(), "code was changed by its own process; copied anew");
            *copy = CodeCopy::make(&copy.version.clone(), to)?;
        }
        Ok(())
    }

    /// The same, off the caller's thread.
    ///
    /// # Errors
    /// As [`Self::mend`].
    pub(super) async fn mend_beside(self: Arc<Self>, package: PathBuf) -> io::Result<()> {
        let mended = tokio::task::spawn_blocking(move || self.mend(&package)).await;
        mended.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// Removes a package's copies, but for those of the versions named. Blocks.
    ///
    /// # Errors
    /// A copy cannot be removed.
    pub fn keep(&self, package: &str, kept: &[PathBuf]) -> io::Result<()> {
        let folder = self.of_package(package);
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        let stale: Vec<PathBuf> = copies
            .iter()
            .filter(|(to, copy)| to.starts_with(&folder) && !kept.contains(&copy.version))
            .map(|(to, _)| to.clone())
            .collect();
        for copy in stale {
            copies.remove(&copy);
            OwnPath::new(&copy).remove_all()?;
        }
        Ok(())
    }

    /// Removes all copies, once nothing runs any more.
    pub fn remove(&self) {
        self.place.remove();
    }
}

impl CodeCopy {
    /// Copies beside, then puts the copy in place of what is there.
    fn make(version: &Path, to: &Path) -> io::Result<Self> {
        let mut beside = to.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        remove(&beside)?;
        copy_folder(version, &beside)?;
        remove(to)?;
        // Its own rights say nothing about where it is: the folder it is in does.
        fs::rename(&beside, to)?;
        let mut stamps = Vec::new();
        note(to, &mut stamps)?;
        Ok(Self {
            version: version.to_owned(),
            stamps,
        })
    }

    /// Returns whether all is as it was made. A file that was added changes its folder's stamp.
    fn is_whole(&self) -> bool {
        let same = |(path, stamp): &(PathBuf, Stamp)| {
            fs::symlink_metadata(path).is_ok_and(|now| Stamp::of(&now) == *stamp)
        };
        self.stamps.iter().all(same)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match OwnPath::new(path).remove_all() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Copies a version, which holds folders and files only.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            let mode = entry.metadata()?.permissions().mode();
            fs::copy(entry.path(), &target)?;
            let execute = if mode & 0o100 == 0 { 0 } else { EXECUTE };
            let mode = READ_ONLY & !EXECUTE | execute;
            fs::set_permissions(&target, fs::Permissions::from_mode(mode))?;
        }
    }
    fs::set_permissions(to, fs::Permissions::from_mode(READ_ONLY))
}

fn note(path: &Path, stamps: &mut Vec<(PathBuf, Stamp)>) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    stamps.push((path.to_owned(), Stamp::of(&metadata)));
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            note(&entry?.path(), stamps)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modified_copy_is_recreated_and_its_version_is_unchanged() {
        let state = tempfile::tempdir().unwrap();
        let version = state.path().join("0123");
        fs::create_dir_all(version.join("lib")).unwrap();
        fs::write(version.join("index.js"), "original").unwrap();
        fs::write(version.join("lib/a.js"), "original").unwrap();
        let copies = CodeCopies::new().unwrap();
        let package = copies.of_package("shop");
        fs::create_dir(&package).unwrap();
        copies.bring("shop", &version).unwrap();
        let copy = package.join("0123");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&copy), mode(&copy.join("index.js"))), (0o555, 0o444));
        let hidden = copy.components().any(|part| {
            let name = part.as_os_str().to_string_lossy();
            name.starts_with('.') && !std::env::temp_dir().ends_with(&*name)
        });
        assert!(!hidden, "{}", copy.display());
        // As one may who owns it.
        let unlock = |path: &Path| {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        let changes: [fn(&Path); 4] = [
            |copy| fs::write(copy.join("index.js"), "modified").unwrap(),
            |copy| fs::write(copy.join("lib/more.js"), "").unwrap(),
            |copy| fs::remove_file(copy.join("lib/a.js")).unwrap(),
            |copy| {
                fs::write(copy.join("beside"), "modified").unwrap();
                fs::rename(copy.join("beside"), copy.join("index.js")).unwrap();
            },
        ];
        for change in changes {
            for path in ["", "lib", "index.js", "lib/a.js"] {
                unlock(&copy.join(path));
            }
            change(&copy);
            copies.mend(&package).unwrap();
            assert_eq!(fs::read(copy.join("index.js")).unwrap(), b"original");
            assert_eq!(fs::read(copy.join("lib/a.js")).unwrap(), b"original");
            assert_eq!(fs::read_dir(copy.join("lib")).unwrap().count(), 1);
            assert_eq!(fs::read(version.join("index.js")).unwrap(), b"original");
        }
        copies.keep("shop", &[]).unwrap();
        assert!(!copy.exists() && version.exists());
        copies.bring("shop", &version).unwrap();
        copies.remove();
        assert!(!copies.folder().exists());
    }
}
