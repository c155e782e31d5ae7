//! Why a node could not begin or go on, and why a release could not be loaded.

use std::path::PathBuf;

use fnlocal_triggers::store::QueueStoreError;

use crate::listeners::ListenError;
use crate::workload::release::UnknownLanguage;
use fnlocal_engine::connect::ConnectError;
use fnlocal_faults::Broken;
use fnlocal_image::ImageError;
use fnlocal_runtime::open::OpenError;

/// Why a node could not begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// A port is taken, or not allowed.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The engine does not answer.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The key of the peers cannot be sent.
    #[error("the peers' key cannot stand in a header")]
    Key,
    /// The folder for what must outlive it cannot be made.
    #[error("the node's folder {} cannot be made", path.display())]
    State {
        /// The folder.
        path: PathBuf,
        source: std::io::Error,
    },
    /// Its queue cannot be opened.
    #[error(transparent)]
    Queue(#[from] QueueStoreError),
    /// A part of fnlocal itself broke down.
    #[error(transparent)]
    Bug(#[from] Broken),
}

fnlocal_api::user_error!(NodeError [Listen, Connect, Bug] {
    Self::Key => "delete the SSM parameter and run `fnlocal promote`, which makes one";
    Self::State { .. } => "name a writable folder with --state";
    Self::Queue(error) => error.hint();
});

/// Why a release is not served.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReleaseLoadError {
    /// Its image cannot be had.
    #[error("the image of {package} could not be pulled: {why}")]
    Pull {
        /// The package.
        package: String,
        /// The engine's message.
        why: String,
    },
    /// An image cannot be looked at.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Nothing can be started.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A package is in an unknown language.
    #[error(transparent)]
    Language(#[from] UnknownLanguage),
    /// There is nothing in it.
    #[error("it has no packages")]
    Empty,
    /// Functions of it do not run.
    #[error("{}", .0.join("; "))]
    Unserved(Vec<String>),
}
