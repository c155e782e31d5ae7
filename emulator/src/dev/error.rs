//! Why `fnlocal dev` could not begin or go on.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::project::{EnvError, ProjectError, StateError};
use crate::runtime::select::SelectError;
use crate::watch::WatchError;

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
    /// Nothing runs instances.
    #[error(transparent)]
    Runtime(#[from] SelectError),
    /// Its files cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The port is taken, or not allowed.
    #[error("could not listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The recording cannot be made.
    #[error("could not record to {}", path.display())]
    Record {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A part of fnlocal itself broke down.
    #[error("a part of fnlocal broke down: {0}")]
    Bug(String),
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
            Self::Runtime(error) => error.hint(),
            Self::Watch(error) => error.hint(),
            Self::Listen { source, .. } => Some(match source.kind() {
                std::io::ErrorKind::AddrInUse => {
                    "another program listens there; take another port with --port, or 0 for a free one"
                        .to_owned()
                }
                std::io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need special rights; take another with --port".to_owned()
                }
                _ => "see --host and --port".to_owned(),
            }),
            Self::Record { .. } => Some("name a file that can be written with --record".to_owned()),
            Self::Bug(_) => Some(
                "this is a fault of fnlocal; please report it with the lines above".to_owned(),
            ),
            Self::NothingToServe => Some("the reasons stand above".to_owned()),
        }
    }
}
