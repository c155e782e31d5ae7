//! Why nothing was simulated.

use std::path::PathBuf;

use fnlocal_project::{FileError, PrescaleError, ProjectError};
use fnlocal_sim::SimError;
use fnlocal_sim::calibrate::CalibrationError;
use fnlocal_sim::replay::ReplayError;
use fnlocal_sim::search::{BadSweep, SearchError};
use fnlocal_sim::trace::TraceError;

use super::begin::BadTime;

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    Config(#[from] FileError),
    #[error("there is no [env.{name}] in fnlocal.toml")]
    UnknownEnv { name: String, known: Vec<String> },
    #[error("`{0}` is not a known instance type")]
    UnknownType(String),
    #[error(transparent)]
    Schedule(#[from] PrescaleError),
    #[error(transparent)]
    Cron(fnlocal_gateway::triggers::schedule::ScheduleError),
    #[error("there is no function `{0}` to be called at a rate")]
    UnknownFunction(String),
    #[error(transparent)]
    Begin(#[from] BadTime),
    #[error("{what} {} cannot be used", path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the trace {}", path.display())]
    Trace { path: PathBuf, source: TraceError },
    #[error("the calibration {}", path.display())]
    Calibration {
        path: PathBuf,
        source: CalibrationError,
    },
    #[error("the recording {}", path.display())]
    Replay { path: PathBuf, source: ReplayError },
    #[error(transparent)]
    Sweep(#[from] BadSweep),
    #[error(transparent)]
    Sim(#[from] SimError),
    #[error(transparent)]
    Search(#[from] SearchError),
    #[error("the report cannot be written as JSON")]
    Json(#[source] serde_json::Error),
}

fnlocal_api::user_error!(SimulateError [Project, Config, Schedule, Cron, Sweep, Sim] {
    Self::UnknownEnv { known, .. } if known.is_empty() =>
        "add one to fnlocal.toml, or use --nodes and --instance-type", Config;
    Self::UnknownEnv { known, .. } => format!("known are {}", known.join(", ")), Config;
    Self::UnknownType(_) => {
        let names = fnlocal_sim::price::TYPES.map(|kind| kind.name);
        format!("known are {}", names.join(", "))
    }, Usage;
    Self::UnknownFunction(_) =>
        "name a function of fnlocal.toml or of the trace, or give the rate alone", Usage;
    Self::Begin(_) => "write --at 2026-11-27T17:00[Asia/Kolkata]", Usage;
    Self::Trace { source, .. } => source.hint();
    Self::Calibration { .. } => "write one with `fnlocal loadtest --calibration FILE`";
    Self::Replay { source, .. } => source.hint();
    Self::Search(error) => error.hint();
    Self::File { .. } => None;
    Self::Json(_) => None, Bug;
});
