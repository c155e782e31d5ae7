//! `.fnlocal/running.json`: where a running fnlocal is, for other commands on the same project.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fnlocal_files::OwnPath;
use serde::{Deserialize, Serialize};

use super::state::{STATE_DIR, StateDir, is_held};

/// The file's name.
pub(super) const RUNNING_FILE: &str = "running.json";

/// A fnlocal that serves a project on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Where it answers, such as `http://127.0.0.1:9000`.
    pub url: String,
    /// Where the platform's own pages and data are, such as `http://127.0.0.1:9001`.
    pub platform: String,
    /// Its process.
    pub pid: u32,
    /// What runs its instances.
    pub runtime: String,
    /// Its version.
    pub version: String,
    /// The run's token: the platform shows and changes nothing without it.
    pub token: String,
}

/// The file, removed when dropped.
#[derive(Debug)]
pub struct RunningFile(OwnPath);

impl Running {
    /// Writes the file, whole or not at all, readable by its owner only.
    ///
    /// # Errors
    /// When `.fnlocal` cannot be written.
    pub fn write(&self, state: &StateDir) -> io::Result<RunningFile> {
        let file = state.folder().join(RUNNING_FILE);
        file.write(&serde_json::to_vec_pretty(self)?)?;
        Ok(RunningFile(file))
    }

    /// The fnlocal that serves `folder` or the nearest folder above it. A file left behind by one
    /// that was killed does not count: the lock on `.fnlocal` ended with it.
    ///
    /// # Errors
    /// [`NotRunning`], for people.
    pub fn find(folder: &Path) -> Result<Self, NotRunning> {
        let start = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let mut stale = None;
        for folder in start.ancestors() {
            let state = folder.join(STATE_DIR);
            let Ok(text) = OwnPath::new(&state).join(RUNNING_FILE).read_to_string() else {
                continue;
            };
            let Ok(running) = serde_json::from_str::<Self>(&text) else {
                continue;
            };
            if is_held(&state) {
                return Ok(running);
            }
            stale.get_or_insert(running.pid);
        }
        Err(NotRunning {
            folder: start,
            stale,
        })
    }
}

impl Drop for RunningFile {
    fn drop(&mut self) {
        // What is left behind is known to be stale by the lock.
        let _left = self.0.remove();
    }
}

/// No fnlocal serves a folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no fnlocal is running on {}{}", folder.display(), stale.map_or_else(String::new, |pid| format!(" (process {pid} left its file behind)")))]
pub struct NotRunning {
    /// The folder.
    pub folder: PathBuf,
    /// A process that wrote its file and is gone.
    pub stale: Option<u32>,
}
