//! `.fnlocal`: what fnlocal keeps in a project's folder, for one process at a time.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::Package;

/// The folder's name.
pub(crate) const STATE_DIR: &str = ".fnlocal";

/// A project's `.fnlocal`, held until dropped.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    /// Its lock ends with the file, also when the process dies.
    _lock: File,
}

impl StateDir {
    /// Makes the folder in `project` if needed and takes it.
    ///
    /// # Errors
    /// [`StateError::Taken`] when another process has it.
    pub fn lock(project: &Path) -> Result<Self, StateError> {
        Self::take(project, "lock", "running on")
    }

    /// Takes it for a build only, which goes well with one who has taken all else.
    ///
    /// # Errors
    /// [`StateError::Taken`] when another process builds.
    pub fn lock_build(project: &Path) -> Result<Self, StateError> {
        Self::take(project, "build.lock", "building")
    }

    fn take(project: &Path, name: &str, doing: &'static str) -> Result<Self, StateError> {
        let path = project.join(STATE_DIR);
        let fail = |source| StateError::Io {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(&path).map_err(fail)?;
        let ignore = path.join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").map_err(fail)?;
        }
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut lock = options.open(path.join(name)).map_err(fail)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                lock.read_to_string(&mut pid).map_err(fail)?;
                return Err(StateError::Taken {
                    project: project.to_owned(),
                    pid: pid.trim().parse().ok(),
                    doing,
                });
            }
            Err(TryLockError::Error(source)) => return Err(fail(source)),
        }
        lock.set_len(0).and_then(|()| lock.rewind()).map_err(fail)?;
        writeln!(lock, "{}", std::process::id()).map_err(fail)?;
        Ok(Self { path, _lock: lock })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a package's code versions are: [`crate::runtime::PackageRun::code_root`].
    #[must_use]
    pub fn code_root(&self, package: &Package) -> PathBuf {
        self.path.join("code").join(&package.name)
    }
}

/// Whether a process holds a `.fnlocal` folder.
pub(super) fn is_held(state: &Path) -> bool {
    let Ok(lock) = File::open(state.join("lock")) else {
        return false;
    };
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Why `.fnlocal` cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Another fnlocal runs on this project.
    #[error("another fnlocal{} is {doing} {}", pid.map_or_else(String::new, |pid| format!(" (process {pid})")), project.display())]
    Taken {
        /// The project.
        project: PathBuf,
        /// Its process.
        pid: Option<u32>,
        /// What it does.
        doing: &'static str,
    },
    /// It cannot be made or written.
    #[error("could not write {}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl StateError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Taken { pid: Some(pid), .. } => {
                Some(format!("use that one, or end it: kill {pid}"))
            }
            Self::Taken { pid: None, .. } => Some("use that one, or end it".to_owned()),
            Self::Io { .. } => {
                Some("fnlocal keeps code versions and its lock there; make it writable".to_owned())
            }
        }
    }
}
