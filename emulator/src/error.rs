//! Why `fnlocal dev` or `fnlocal up` could not begin or go on.

use std::path::PathBuf;

use crate::fleet::FleetError;
use crate::listeners::ListenError;
use crate::select::SelectError;
use crate::workload::release::UnknownLanguage;
use fnlocal_engine::connect::ConnectError;
use fnlocal_faults::Broken;
use fnlocal_image::ImageError;
use fnlocal_image::release::{MakeError, ReleaseStoreError};
use fnlocal_project::watch::WatchError;
use fnlocal_project::{EnvError, ProjectError, StateError};
use fnlocal_runtime::open::OpenError;

/// Why `fnlocal dev` or `fnlocal up` could not begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The folder is no project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The project's state folder cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The project's variables cannot be read.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// The fleet makes no sense.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// Nothing runs instances.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// The project's files cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// A port is taken, or not allowed.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The recording cannot be made.
    #[error("could not record to {}", path.display())]
    Record {
        path: PathBuf,
        source: std::io::Error,
    },
    /// No release could be built.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// The release that was asked for cannot be read.
    #[error(transparent)]
    Release(#[from] ReleaseStoreError),
    /// The release is of another project.
    #[error("the release is of project `{release}`, and this is `{project}`")]
    Foreign {
        /// The release's project.
        release: String,
        /// This one.
        project: String,
    },
    /// A package of the release is in an unknown language.
    #[error(transparent)]
    Language(#[from] UnknownLanguage),
    /// The registry cannot be read.
    #[error(transparent)]
    Store(#[from] fnlocal_registry::StoreError),
    /// The registry does not hold an image of the release.
    #[error("the registry does not hold {digest}, the image of {package}")]
    Lost {
        /// The package.
        package: String,
        /// Its image.
        digest: String,
    },
    /// An image is not for this machine.
    #[error("{image} is not for this kind of machine, or is damaged")]
    Platform {
        /// The image.
        image: String,
    },
    /// An image cannot be given to the engine.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The engine does not answer.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The engine answers, but not as needed.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The queue's file cannot be used.
    #[error(transparent)]
    Queue(#[from] fnlocal_triggers::store::QueueStoreError),
    /// A part of fnlocal itself broke down.
    #[error(transparent)]
    Bug(#[from] Broken),
    /// Not one package can be served.
    #[error("no package can be served")]
    NothingToServe,
    /// Functions of the release do not run here.
    #[error("the release cannot be served:\n  {}", .0.join("\n  "))]
    Unserved(Vec<String>),
}

fnlocal_api::user_error!(ServeError [
    Project, State, Env, Fleet, Select, Watch, Listen, Make, Release, Store, Image, Connect, Open,
    Language, Queue, Bug
] {
    Self::Record { .. } => "name a writable file with --record";
    Self::Foreign { .. } => "run it from its own project's folder", Config;
    Self::Lost { .. } | Self::Platform { .. } => "build it again with `fnlocal build`";
    Self::NothingToServe | Self::Unserved(_) => "see the errors above";
});
