//! The program that runs the code, and what it is given of the person's environment.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use fnlocal_project::programs;
use tokio::process::Command;

use super::ProcessError;

/// The little of the person's environment that a program needs to work at all.
pub(super) fn inherited() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    let needed = ["PATH", "HOME", "LANG", "SystemRoot", "TEMP"];
    needed
        .into_iter()
        .filter_map(|key| Some((key, std::env::var_os(key)?)))
}

/// Finds Node.js, and returns its path and version.
pub(super) async fn find_node(given: Option<&Path>) -> Result<(PathBuf, String), ProcessError> {
    let found = given.map(Path::to_owned).or_else(|| programs::find("node"));
    let program = found.clone().unwrap_or_else(|| PathBuf::from("node"));
    let fail = |why: String| ProcessError::NoNode {
        program: program.clone(),
        why,
    };
    let Some(found) = found else {
        return Err(fail("no folder of PATH has it".to_owned()));
    };
    // Version managers put a shim in the path; started once, it tells what it starts.
    let asked = Command::new(&found)
        .args(["-p", "process.execPath + '\\n' + process.version"])
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| fail(error.to_string()))?;
    let text = String::from_utf8_lossy(&asked.stdout);
    let mut lines = text.lines();
    match (lines.next(), lines.next()) {
        (Some(path), Some(version)) => Ok((path.into(), version.to_owned())),
        _ => Err(fail(
            String::from_utf8_lossy(&asked.stderr).trim().to_owned(),
        )),
    }
}
