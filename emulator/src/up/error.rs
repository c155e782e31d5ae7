//! Why `fnlocal up` could not begin or go on.

use fnlocal_registry::StoreError;

use crate::fleet::FleetError;
use crate::serve::ListenError;
use fnlocal_engine::connect::ConnectError;
use fnlocal_faults::Broken;
use fnlocal_image::ImageError;
use fnlocal_image::release::{MakeError, ReleaseStoreError};
use fnlocal_project::{EnvError, ProjectError, StateError};
use fnlocal_runtime::open::OpenError;

/// Why `fnlocal up` could not begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpError {
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
    /// No release could be built.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// The release that was asked for cannot be had.
    #[error(transparent)]
    Release(#[from] ReleaseStoreError),
    /// It is of another project.
    #[error("the release is of project `{release}`, and this is `{project}`")]
    Foreign {
        /// The release's project.
        release: String,
        /// This one.
        project: String,
    },
    /// The registry cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It does not hold an image of the release.
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
    /// It answers, but not as needed.
    #[error(transparent)]
    Runtime(#[from] OpenError),
    /// A port is taken, or not allowed.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Functions of the release do not run here.
    #[error("the release cannot be served:\n  {}", .0.join("\n  "))]
    Unserved(Vec<String>),
    /// The queue's file cannot be used.
    #[error(transparent)]
    Queue(#[from] fnlocal_triggers::store::QueueStoreError),
    /// A part of fnlocal itself broke down.
    #[error(transparent)]
    Bug(#[from] Broken),
}

impl UpError {
    /// The engine lost an image right after it took it.
    pub(super) fn gone(name: &str) -> Self {
        Self::Platform {
            image: name.to_owned(),
        }
    }
}

fnlocal_api::user_error!(UpError [
    Project, State, Env, Fleet, Make, Release, Store, Image, Connect, Runtime, Listen, Queue, Bug
] {
    Self::Foreign { .. } => "run it from its own project's folder", Config;
    Self::Lost { .. } | Self::Platform { .. } => "`fnlocal build` builds it anew";
    Self::Unserved(_) => "the reasons stand above";
});
