//! Prepared things: sandboxes for any instance, containers for packages in stock.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bollard::query_parameters::AttachContainerOptions;
use tokio::time::{Instant, sleep};

use super::Inner;
use super::container::{self, ContainerShape};
use super::sandbox::{self, Sandbox};
use super::state::PrecreatedContainer;
use crate::Address;
use crate::InstanceListener;
use crate::PackageRun;
use crate::RuntimeError;
use fnlocal_engine::error::refused;
use fnlocal_engine::identity::random_hex;
use fnlocal_engine::naming;
use fnlocal_engine::reaper;

/// How long refilling gives way to starts, which need the same processors.
const GIVE_WAY: Duration = Duration::from_millis(500);
/// After the engine refused to make one.
const RETRY: Duration = Duration::from_secs(1);

/// Keeps the wished number of sandboxes ready, one at a time.
pub(crate) async fn keep_sandboxes(inner: Arc<Inner>) {
    loop {
        while inner.state.ready_sandboxes() < inner.options.sandboxes {
            give_way(&inner).await;
            match make_sandbox(&inner).await {
                Ok(sandbox) => inner.state.put_sandbox(sandbox),
                Err(_) => sleep(RETRY).await,
            }
        }
        inner.refill.notified().await;
    }
}

async fn give_way(inner: &Inner) {
    let end = Instant::now() + GIVE_WAY;
    while inner.starting.load(Ordering::Relaxed) > 0 && Instant::now() < end {
        sleep(Duration::from_millis(10)).await;
    }
}

async fn make_sandbox(inner: &Inner) -> Result<Sandbox, RuntimeError> {
    sandbox::make(
        &inner.engine,
        &inner.options.owner,
        &inner.options.base_image,
        &inner.network,
        inner.publishes(),
    )
    .await
}

/// Creates containers of a package ahead, and removes those of its former shape.
pub(crate) async fn fill(inner: Arc<Inner>, package: Arc<PackageRun>, memory_mib: u32) {
    for stale in inner.state.take_stale(&package) {
        discard(&inner, stale).await;
    }
    while !inner.closing()
        && inner
            .state
            .claim_ahead(&package, memory_mib, inner.options.ahead)
    {
        let made = create(&inner, &package, memory_mib).await;
        let failed = made.is_err();
        // The start that needs the container fails likewise, and reports why.
        inner.state.put_ahead(&package, memory_mib, made.ok());
        if failed {
            return;
        }
    }
}

/// Creates a container for one instance: everything short of starting the wrapper in it.
pub(crate) async fn create(
    inner: &Inner,
    package: &Arc<PackageRun>,
    memory_mib: u32,
) -> Result<PrecreatedContainer, RuntimeError> {
    let sandbox = match inner.state.take_sandbox() {
        Some(sandbox) => sandbox,
        None => make_sandbox(inner).await?,
    };
    inner.refill.notify_one();
    let placed = inner.place.instance(&random_hex(4));
    let (folder, address) =
        match placed.and_then(|folder| Ok((folder.clone(), address(&sandbox, folder)?))) {
            Ok(placed) => placed,
            Err(error) => {
                reaper::remove(&inner.engine.docker, &sandbox.id).await;
                let what = "making a socket";
                return Err(RuntimeError::Refused {
                    what,
                    why: error.to_string(),
                });
            }
        };
    let token = random_hex(16);
    let parked = inner.parks.load(Ordering::Relaxed);
    let shape = ContainerShape {
        package,
        memory_mib,
        sandbox: &sandbox.id,
        address: &address,
        init: inner.init.load(Ordering::Relaxed),
        parked,
    };
    match create_attached(inner, &shape).await {
        Ok((container, output)) => {
            let package = Arc::clone(package);
            Ok(PrecreatedContainer {
                container,
                sandbox,
                folder,
                address,
                token,
                output,
                package,
                memory_mib,
                parked,
            })
        }
        Err(error) => {
            reaper::remove(&inner.engine.docker, &sandbox.id).await;
            let _ = std::fs::remove_dir_all(&folder);
            Err(error)
        }
    }
}

/// How an instance in the sandbox is reached. Its socket is bound before it is started.
fn address(sandbox: &Sandbox, folder: PathBuf) -> std::io::Result<Address> {
    Ok(match sandbox.published {
        Some(at) => Address::Tcp(at),
        None => Address::Dialed(InstanceListener::bind(folder)?),
    })
}

/// The output is attached to before the start, so that no line is lost.
async fn create_attached(
    inner: &Inner,
    shape: &ContainerShape<'_>,
) -> Result<(String, bollard::container::AttachContainerResults), RuntimeError> {
    shape.package.check_code_root()?;
    let docker = &inner.engine.docker;
    let body = container::instance(&inner.engine, &inner.options.owner, shape);
    let body = fnlocal_engine::container::cover_volumes(docker, body).await;
    let container = docker
        .create_container(naming::new(&inner.options.owner, &shape.package.name), body)
        .await
        .map_err(refused("creating a container"))?
        .id;
    // Made while everything of ours is being removed, it may have been missed.
    if inner.closing() {
        reaper::remove(docker, &container).await;
        return Err(RuntimeError::not_up("fnlocal is ending"));
    }
    let options = AttachContainerOptions {
        stream: true,
        stdin: true,
        stdout: true,
        stderr: true,
        ..AttachContainerOptions::default()
    };
    let attached = docker
        .attach_container(&container, Some(options))
        .await
        .map_err(refused("attaching to a container"));
    let parked = match attached {
        Ok(output) if shape.parked => docker
            .start_container(&container, None)
            .await
            .map(|()| output)
            .map_err(refused("starting a container")),
        attached => attached,
    };
    match parked {
        Ok(output) => Ok((container, output)),
        Err(error) => {
            reaper::remove(docker, &container).await;
            Err(error.into())
        }
    }
}

/// Removes a container that was never used, its sandbox and its folder.
pub(crate) async fn discard(inner: &Inner, ahead: PrecreatedContainer) {
    let docker = &inner.engine.docker;
    tokio::join!(
        reaper::remove(docker, &ahead.container),
        reaper::remove(docker, &ahead.sandbox.id),
    );
    let _ = std::fs::remove_dir_all(&ahead.folder);
}
