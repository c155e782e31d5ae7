//! `.fnlocal/running.json` of a run, by which other commands find it.

use crate::accept::FrontSettings;
use crate::listeners::{Addresses, reachable};
use fnlocal_logs::Logs;
use fnlocal_project::{Running, RunningFile, StateDir};

/// Says where the run answers in the project's `.fnlocal`, until what it returns is dropped. A failure
/// is logged, and no reason to stop.
pub(super) fn announce(
    state: &StateDir,
    at: Addresses,
    front: &FrontSettings,
    logs: &Logs,
) -> Option<RunningFile> {
    let running = Running {
        url: reachable(at.functions),
        platform: reachable(at.platform),
        pid: std::process::id(),
        runtime: front.about.runtime.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        token: front.token.clone(),
    };
    let file = running.write(state);
    if let Err(error) = &file {
        logs.warn(format!("other commands will not find this one: {error}"));
    }
    file.ok()
}
