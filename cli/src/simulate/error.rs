//! Why nothing was simulated.

use std::path::PathBuf;

use fnlocal_project::{FileError, ProjectError, ScheduleError};
use fnlocal_sim::SimError;
use fnlocal_sim::calibrate::CalibrationError;
use fnlocal_sim::replay::ReplayError;
use fnlocal_sim::search::{BadSweep, SearchError};
use fnlocal_sim::trace::TraceError;

use super::begin::BadTime;
use crate::exit::Exit;

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    Config(#[from] FileError),
    #[error("there is no [env.{name}] in fnlocal.toml")]
    UnknownEnv { name: String, known: Vec<String> },
    #[error("`{0}` is no instance type whose size is known here")]
    UnknownType(String),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
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

impl SimulateError {
    /// How the command ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Project(_)
            | Self::Config(_)
            | Self::UnknownEnv { .. }
            | Self::Schedule(_)
            | Self::Cron(_) => Exit::Config,
            Self::UnknownType(_) | Self::UnknownFunction(_) | Self::Begin(_) | Self::Sweep(_) => {
                Exit::Usage
            }
            Self::Sim(SimError::TooLarge { .. } | SimError::Limits(_)) => Exit::Config,
            Self::Sim(SimError::Workload(_)) => Exit::Usage,
            Self::Json(_) => Exit::Bug,
            _ => Exit::Failed,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Project(error) => error.hint(),
            Self::Config(error) => error.hint(),
            Self::UnknownEnv { known, .. } if known.is_empty() => {
                Some("write one, or say --nodes and --instance-type instead".to_owned())
            }
            Self::UnknownEnv { known, .. } => Some(format!("known are {}", known.join(", "))),
            Self::UnknownType(_) => {
                let names = fnlocal_sim::price::TYPES.map(|kind| kind.name);
                Some(format!("known are {}", names.join(", ")))
            }
            Self::Schedule(error) => Some(error.hint()),
            Self::Cron(error) => Some(error.hint().to_owned()),
            Self::UnknownFunction(_) => {
                Some("name one of fnlocal.toml, or of the trace, or say the rate alone".to_owned())
            }
            Self::Begin(_) => Some("write --at 2026-11-27T17:00[Asia/Kolkata]".to_owned()),
            Self::Trace { source, .. } => Some(source.hint.to_owned()),
            Self::Calibration { .. } => Some(
                "it is what `fnlocal loadtest` writes; see its format in the README".to_owned(),
            ),
            Self::Replay { source, .. } => source.hint().map(str::to_owned),
            Self::Sweep(error) => Some(error.hint()),
            Self::Sim(error) => error.hint(),
            Self::Search(error) => error.hint(),
            Self::File { .. } | Self::Json(_) => None,
        }
    }
}
