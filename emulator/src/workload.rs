//! The workload: a folder that changes, or a release.

pub(crate) mod folder;
pub(crate) mod release;

use std::future::pending;
use std::path::Path;
use std::rc::Rc;

use fnlocal_core::release::ReleaseLimits;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use crate::error::ServeError;
use crate::session::NodeFactory;
use fnlocal_driver::DriverGroup;
use fnlocal_gateway::triggers::Triggers;
use fnlocal_image::release::project_limits;
use fnlocal_logs::Logs;
use fnlocal_project::{Environment, Project, StateDir};

use folder::FolderWorkload;
use release::ReleaseWorkload;

pub use folder::FolderOptions;
pub use release::ReleaseOptions;

/// The workload to serve.
#[derive(Clone, Debug)]
pub enum WorkloadOptions {
    /// The folder itself, reloaded when it changes.
    Folder(FolderOptions),
    /// Images of a release of it.
    Release(ReleaseOptions),
}

/// The project that is served.
pub(crate) struct ServedProject<'a> {
    /// Where it was asked for: its folder, or a file of it.
    pub path: &'a Path,
    pub project: &'a Project,
    pub environment: &'a Environment,
    pub state: &'a Rc<StateDir>,
    pub logs: &'a Logs,
}

/// The served workload.
pub(crate) enum ServedWorkload {
    Folder(Rc<FolderWorkload>),
    Release(ReleaseWorkload),
}

/// A workload with all that its nodes need.
pub(crate) struct OpenedWorkload {
    pub workload: ServedWorkload,
    /// Makes the nodes that serve it.
    pub factory: NodeFactory,
    /// The runtime of its instances and the reason, for people.
    pub runtime: String,
}

impl WorkloadOptions {
    /// Opens the runtime, whose first node is called `first_node`.
    pub(crate) async fn open(
        &self,
        served: &ServedProject<'_>,
        first_node: &'static str,
    ) -> Result<OpenedWorkload, ServeError> {
        match self {
            Self::Folder(options) => folder::open(options, served, first_node).await,
            Self::Release(options) => release::open(options, served).await,
        }
    }
}

impl ServedWorkload {
    /// The limits of all functions together.
    pub fn limits(&self) -> ReleaseLimits {
        match self {
            Self::Folder(folder) => project_limits(&folder.project()),
            Self::Release(release) => release.limits().clone(),
        }
    }

    /// Has the nodes whose functions `triggers` calls import it. Returns what is to run for as long as it is served.
    pub async fn load(
        &self,
        triggers: &Rc<Triggers>,
    ) -> Result<LocalBoxFuture<'static, ()>, ServeError> {
        match self {
            Self::Folder(folder) => Ok(folder.load(triggers).await?.boxed_local()),
            Self::Release(release) => {
                release.load(triggers.feed());
                Ok(pending().boxed_local())
            }
        }
    }

    /// Waits until it can be served, once the first nodes are in service.
    pub async fn loaded(&self, group: &DriverGroup) -> Result<(), ServeError> {
        match self {
            // Code that cannot be imported answers with the reason until the next save.
            Self::Folder(_) => Ok(()),
            Self::Release(release) => {
                let loaded = release.loaded(group).await;
                loaded.map_err(ServeError::Unserved)
            }
        }
    }

    /// Ends what runs beside the serving and needs the engine.
    pub async fn end(&self) {
        if let Self::Folder(folder) = self {
            folder.end().await;
        }
    }

    /// Removes what was brought to the engine, once nothing runs any more.
    pub async fn close(&self) {
        if let Self::Folder(folder) = self {
            folder.close().await;
        }
    }
}
