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
    Queue(#[from] fnlocal_triggers::store::QueueStoreError),
    /// A part of fnlocal itself broke down.
    #[error(transparent)]
    Bug(#[from] Broken),
    /// Not one package can be served.
    #[error("no package can be served")]
    NothingToServe,
}

fnlocal_api::user_error!(DevError [Project, State, Env, Fleet, Runtime, Watch, Listen, Queue, Bug] {
    Self::Record { .. } => "name a file that can be written with --record";
    Self::NothingToServe => "the reasons stand above";
});
