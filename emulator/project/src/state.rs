//! `.fnlocal`: what fnlocal keeps in a project's folder, for one process at a time.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fnlocal_files::OwnPath;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::Package;
use super::running::RUNNING_FILE;

/// The folder's name.
pub use fnlocal_files::STATE_DIR;

/// How long the lock of a process that was killed may outlive it: a child that it was about to
/// start has it until that child is another program.
const LOCK_AFTER_DEATH: Duration = Duration::from_secs(2);
/// The longest number of a process, and its line's end.
const PID_CHARS: u64 = 11;
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A project's `.fnlocal`, held until dropped.
#[derive(Debug)]
pub struct StateDir {
    folder: OwnPath,
    /// Its lock ends with the file, also when the process dies.
    _lock: File,
}

impl StateDir {
    /// Makes the folder in `project` if needed and takes it.
    ///
    /// # Errors
    /// [`StateError::Taken`] when another process has it.
    pub fn lock(project: &Path) -> Result<Self, StateError> {
        let state = Self::take(project, "lock", "running on")?;
        // Left by a run that was killed, or brought along by a repository: of no run that lives.
        let _none = state.folder.join(RUNNING_FILE).remove();
        Ok(state)
    }

    /// Takes it for a build only, which goes well with one who has taken all else.
    ///
    /// # Errors
    /// [`StateError::Taken`] when another process builds.
    pub fn lock_build(project: &Path) -> Result<Self, StateError> {
        Self::take(project, "build.lock", "building")
    }

    /// Takes it for a run and a build, to remove what is in it. So links in it are no reason to
    /// refuse it: they go, and what they lead to stays.
    ///
    /// # Errors
    /// [`StateError::Taken`] when another process has it.
    pub fn lock_to_remove(project: &Path) -> Result<[Self; 2], StateError> {
        let run = Self::take_unchecked(project, "lock", "running on")?;
        Ok([
            run,
            Self::take_unchecked(project, "build.lock", "building")?,
        ])
    }

    /// Makes the folder in `project` if needed, closed to other users, without taking it.
    ///
    /// # Errors
    /// Fails if the folder cannot be created, or is a link or another user's.
    pub fn make(project: &Path) -> io::Result<OwnPath> {
        let folder = OwnPath::new(&project.join(STATE_DIR));
        make(&folder)?;
        Ok(folder)
    }

    fn take(project: &Path, name: &str, doing: &'static str) -> Result<Self, StateError> {
        let taken = Self::take_unchecked(project, name, doing)?;
        let checked = taken.folder.check_children();
        checked.map_err(|source| StateError::Io {
            path: taken.path().to_owned(),
            source,
        })?;
        Ok(taken)
    }

    fn take_unchecked(project: &Path, name: &str, doing: &'static str) -> Result<Self, StateError> {
        let folder = OwnPath::new(&project.join(STATE_DIR));
        let fail = |source| StateError::Io {
            path: folder.path().to_owned(),
            source,
        };
        make(&folder).map_err(fail)?;
        let mut lock = folder.join(name).open_or_create().map_err(fail)?;
        let deadline = Instant::now() + LOCK_AFTER_DEATH;
        while let Err(error) = lock.try_lock() {
            if let TryLockError::Error(source) = error {
                return Err(fail(source));
            }
            let pid = read_pid(&mut lock).map_err(fail)?;
            if pid.is_some_and(is_gone) && Instant::now() < deadline {
                sleep(LOOK_AGAIN);
                continue;
            }
            return Err(StateError::Taken {
                project: project.to_owned(),
                pid: pid.filter(|pid| !is_gone(*pid)),
                doing,
            });
        }
        lock.set_len(0).and_then(|()| lock.rewind()).map_err(fail)?;
        writeln!(lock, "{}", std::process::id()).map_err(fail)?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder, to reach what is in it without following links.
    #[must_use]
    pub fn folder(&self) -> &OwnPath {
        &self.folder
    }

    /// The folder of a package's code versions, which its instances see.
    #[must_use]
    pub fn code_root(&self, package: &Package) -> PathBuf {
        self.path().join("code").join(&package.name)
    }
}

fn read_pid(lock: &mut File) -> io::Result<Option<u32>> {
    let mut pid = String::new();
    lock.rewind()?;
    lock.take(PID_CHARS).read_to_string(&mut pid)?;
    Ok(pid.trim().parse().ok())
}

fn is_gone(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_none_or(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

/// Makes the folder, closed to other users.
fn make(folder: &OwnPath) -> io::Result<()> {
    folder.make_folder()?;
    match folder.join(".gitignore").create_new() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made?.write_all(b"*\n"),
    }
}

/// Returns whether a process holds a `.fnlocal` folder.
pub(super) fn is_held(state: &Path) -> bool {
    let Ok(lock) = OwnPath::new(state).join("lock").open() else {
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
        /// Its activity.
        doing: &'static str,
    },
    /// The folder cannot be created or written.
    #[error("could not write {}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        source: io::Error,
    },
}

fnlocal_api::user_error!(StateError {
    Self::Taken { pid: Some(pid), .. } => format!("use that one, or stop it: kill {pid}"), TryAgain;
    Self::Taken { pid: None, .. } => "use that one, or stop it", TryAgain;
    Self::Io { source, .. } => fnlocal_files::hint(source).unwrap_or_else(|| {
        "fnlocal keeps code versions and its lock there; make it writable".to_owned()
    });
});
