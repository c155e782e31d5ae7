//! Why `fnlocal dev` could not begin or go on.

use std::path::PathBuf;

use crate::fleet::FleetError;
use crate::select::SelectError;
use crate::serve::ListenError;
use fnlocal_faults::Broken;
use fnlocal_project::watch::WatchError;
use fnlocal_project::{EnvError, ProjectError, StateError};

/// Why `fnlocal dev` could not begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevError {
    /// The folder is no project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// Its state folder cannot be had.
    #[error(transparent)]
    State(#[from] StateError),
    /// Its variables cannot be read.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// The fleet makes no sense.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// Nothing runs instances.
    #[error(transparent)]
    Runtime(#[from] SelectError),
    /// Its files cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The port is taken, or not allowed.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The recording cannot be made.
    #[error("could not record to {}", path.display())]
    Record {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The queue's file cannot be used.
    #[error(transparent)]
    Queue(#[from] fnlocal_triggers::store::StoreError),
    /// A part of fnlocal itself broke down.
    #[error(transparent)]
    Bug(#[from] Broken),
    /// Not one package can be served.
    #[error("no package can be served")]
    NothingToServe,
}

impl DevError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Project(error) => error.hint(),
            Self::State(error) => error.hint(),
            Self::Env(error) => error.hint(),
            Self::Fleet(error) => error.hint(),
            Self::Runtime(error) => error.hint(),
            Self::Watch(error) => error.hint(),
            Self::Listen(error) => Some(error.hint()),
            Self::Record { .. } => Some("name a file that can be written with --record".to_owned()),
            Self::Queue(error) => Some(error.hint()),
            Self::Bug(error) => Some(error.hint()),
            Self::NothingToServe => Some("the reasons stand above".to_owned()),
        }
    }
}
