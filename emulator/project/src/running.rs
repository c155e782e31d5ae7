//! `.fnlocal/running.json`: where a running fnlocal is, for other commands on the same project.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fnlocal_files::OwnPath;
use serde::{Deserialize, Serialize};

use super::state::{STATE_DIR, StateDir, is_held};

/// The file's name.
pub(super) const RUNNING_FILE: &str = "running.json";
/// A page that leads a browser to the dashboard. The page holds the token, as [`RUNNING_FILE`]
/// does.
const OPEN_FILE: &str = "open.html";

/// A fnlocal that serves a project on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Where it answers, such as `http://127.0.0.1:9000`.
    pub url: String,
    /// Where the platform's own pages and data are, such as `http://127.0.0.1:9001`.
    pub platform: String,
    /// Its process.
    pub pid: u32,
    /// The runtime of its instances.
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
        Self::find_with_state(folder).map(|(running, _)| running)
    }

    /// As [`Running::find`], with the folder `.fnlocal` of the run.
    ///
    /// # Errors
    /// [`NotRunning`], for people.
    pub fn find_with_state(folder: &Path) -> Result<(Self, OwnPath), NotRunning> {
        let start = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let mut stale = None;
        for folder in start.ancestors() {
            let state = folder.join(STATE_DIR);
            let own = OwnPath::new(&state);
            let Ok(text) = own.join(RUNNING_FILE).read_to_string() else {
                continue;
            };
            let Ok(running) = serde_json::from_str::<Self>(&text) else {
                continue;
            };
            if is_held(&state) {
                return Ok((running, own));
            }
            stale.get_or_insert(running.pid);
        }
        Err(NotRunning {
            folder: start,
            stale,
        })
    }

    /// Writes a page, readable by its owner only, that leads to `address`. The page is removed when
    /// the run ends.
    ///
    /// # Errors
    /// When `.fnlocal` cannot be written.
    pub fn write_page(state: &OwnPath, address: &str) -> io::Result<PathBuf> {
        let page = state.join(OPEN_FILE);
        let address = address.replace('&', "&amp;").replace('"', "&quot;");
        let text = format!(
            "<!doctype html><meta charset=\"utf-8\"><title>fnlocal</title>\
             <meta http-equiv=\"refresh\" content=\"0;url={address}\">\n"
        );
        page.write(text.as_bytes())?;
        Ok(page.path().to_owned())
    }
}

impl Drop for RunningFile {
    fn drop(&mut self) {
        if let Some(state) = self.0.parent() {
            let _none = state.join(OPEN_FILE).remove();
        }
        // The lock shows that a remaining file is stale.
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

fnlocal_api::user_error!(NotRunning: Unreachable {
    _ => "start `fnlocal dev` there, or name its folder with --folder";
});
