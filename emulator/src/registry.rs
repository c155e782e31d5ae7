//! The project's registry on a port: `fnlocal registry`, and `up` while an engine pulls from it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use fnlocal_registry::{HttpOptions, Store, StoreError};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::listeners::{ListenError, address_of, listen};
use fnlocal_image::build::REGISTRY;
use fnlocal_project::{Project, ProjectError};

/// Serves the registry of a project's folder until `stop` is ready.
///
/// # Errors
/// [`RegistryError`] when it cannot begin.
pub async fn run(
    folder: &Path,
    address: SocketAddr,
    on_ready: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()>,
) -> Result<(), RegistryError> {
    let project = Project::open(folder, None)?;
    let store = Store::open(&project.state().join(REGISTRY))?;
    let listener = listen(address).await?;
    on_ready(address_of(&listener)?);
    let stopped = CancellationToken::new();
    let serving = fnlocal_registry::serve(store, listener, HttpOptions::default(), stopped.clone());
    let stopping = async {
        stop.await;
        stopped.cancel();
    };
    tokio::join!(serving, stopping);
    Ok(())
}

/// A registry on a free port of this machine, until dropped.
pub(crate) struct ServedRegistry {
    pub address: SocketAddr,
    _stop: DropGuard,
}

impl ServedRegistry {
    pub async fn start(store: Store) -> Result<Self, ListenError> {
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let address = address_of(&listener)?;
        let stop = CancellationToken::new();
        tokio::spawn(fnlocal_registry::serve(
            store,
            listener,
            HttpOptions::default(),
            stop.clone(),
        ));
        Ok(Self {
            address,
            _stop: stop.drop_guard(),
        })
    }
}

/// Why the registry is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The folder is no project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// Its store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The port is taken.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

fnlocal_api::user_error!(RegistryError [Project, Store, Listen] {});
