//! Instances as containers of a Docker engine.
//!
//! A cold start uses a prepared network namespace ([`sandbox`]) and, for packages in stock, a
//! created container joined to it ([`stock`]). Only one process remains to be started. Absent on
//! purpose: decisions about when to start or stop (the core's) and image builds.

mod boot;
pub(crate) mod container;
mod events;
mod finish;
pub mod mounts;
mod sandbox;
mod state;
mod stock;
pub mod volume;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fnlocal_core::InstanceId;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use self::state::{ContainerTable, Tasks};
use super::leftovers;
use super::place::{RunFolder, default_base};
use super::{Notice, Notices, PackageRun, Runtime, RuntimeError, StartSpec, Started};
use fnlocal_engine::connect::Engine;
use fnlocal_engine::error::{already, refused};
use fnlocal_engine::labels::Owner;
use fnlocal_engine::naming;
use fnlocal_engine::reaper::{self, Reaped};
use fnlocal_faults::Faults;

/// How instances are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Unix sockets where the engine runs on this system, else published ports.
    Auto,
    /// Ports published on 127.0.0.1.
    Tcp,
}

/// How a [`DockerRuntime`] works.
#[derive(Clone, Debug)]
pub struct DockerOptions {
    /// Whose its containers are. The run's name is part of socket paths: keep it short.
    pub owner: Owner,
    /// A local image with `sleep`, for the sandboxes: the base.
    pub base_image: String,
    /// Sandboxes kept ready: about the starts made in parallel, plus two.
    pub sandboxes: usize,
    /// Containers created ahead for each package and memory size in stock.
    pub ahead: usize,
    /// How instances are reached.
    pub transport: Transport,
    /// Where socket folders go; `None` for the usual place.
    pub sockets: Option<PathBuf>,
}

impl DockerOptions {
    /// The usual ones.
    #[must_use]
    pub fn new(owner: Owner, base_image: String) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            owner,
            base_image,
            sandboxes: cores.min(8) + 2,
            ahead: 1,
            transport: Transport::Auto,
            sockets: None,
        }
    }
}

/// Runs instances as containers.
pub struct DockerRuntime {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    engine: Engine,
    options: DockerOptions,
    network: String,
    place: RunFolder,
    notices: Notices,
    state: ContainerTable,
    tasks: Tasks,
    /// Wakes the task that makes sandboxes.
    refill: Notify,
    /// Starts under way; sandboxes are not made meanwhile.
    starting: AtomicUsize,
    /// The engine has the small init process that reaps orphans.
    init: AtomicBool,
    /// Images have the shell that parked containers wait in.
    parks: AtomicBool,
    closing: AtomicBool,
}

impl DockerRuntime {
    /// Removes what dead runs of the project left, makes the network, and begins to make
    /// sandboxes in the background.
    ///
    /// # Errors
    /// When the engine does not answer or the socket folder cannot be made.
    pub async fn open(
        engine: Engine,
        options: DockerOptions,
        notices: Notices,
    ) -> Result<(Self, Reaped), RuntimeError> {
        let base = options.sockets.clone().unwrap_or_else(default_base);
        let _cleared = tokio::task::spawn_blocking(|| leftovers::clear(false)).await;
        let reaped = reaper::reap(&engine.docker, &options.owner, &base).await?;
        let place = RunFolder::new(
            &base,
            &format!("{}-{}", options.owner.run, options.owner.node),
        )
        .map_err(|error| RuntimeError::Refused {
            what: "making the folder for sockets",
            why: error.to_string(),
        })?;
        let network = match sandbox::network(&engine.docker, &options.owner).await {
            Ok(network) => network,
            Err(error) => {
                let message = format!(
                    "instances share Docker's default network and can reach each other ({error})"
                );
                let _ = notices.send(Notice::Engine { up: true, message }).await;
                "bridge".to_owned()
            }
        };
        let inner = Arc::new(Inner {
            engine,
            options,
            network,
            place,
            notices,
            state: ContainerTable::default(),
            tasks: Tasks::default(),
            refill: Notify::new(),
            starting: AtomicUsize::new(0),
            init: AtomicBool::new(true),
            parks: AtomicBool::new(true),
            closing: AtomicBool::new(false),
        });
        let faults = Faults::process();
        let watching = events::watch(Arc::clone(&inner));
        let watching = faults.clone().vital("the engine's events", watching);
        inner.tasks.spawn(watching);
        let keeping = stock::keep_sandboxes(Arc::clone(&inner));
        inner.tasks.spawn(async {
            let _guard = faults.lasting("the stock of sandboxes");
            keeping.await;
        });
        Ok((Self { inner }, reaped))
    }

    /// How many sandboxes are ready.
    #[must_use]
    pub fn ready_sandboxes(&self) -> usize {
        self.inner.state.ready_sandboxes()
    }

    /// How many starts are under way.
    #[must_use]
    pub fn starting(&self) -> usize {
        self.inner.starting.load(Ordering::Relaxed)
    }
}

impl Inner {
    fn publishes(&self) -> bool {
        self.options.transport == Transport::Tcp || !self.engine.shares_sockets
    }

    fn closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }
}

impl Runtime for DockerRuntime {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn stock(&self, package: Arc<PackageRun>, memory_mib: u32) -> BoxFuture<'_, ()> {
        Box::pin(stock::fill(Arc::clone(&self.inner), package, memory_mib))
    }

    fn start(&self, spec: StartSpec) -> BoxFuture<'_, Result<Started, RuntimeError>> {
        Box::pin(boot::start(Arc::clone(&self.inner), spec))
    }

    fn name_after(&self, instance: InstanceId, function: Arc<str>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(id) = self.inner.state.container(instance) {
                let (docker, owner) = (&self.inner.engine.docker, &self.inner.options.owner);
                let name = format!("{function}-{instance}");
                naming::rename(docker, owner, &id, &name).await;
            }
        })
    }

    fn pause(&self, instance: InstanceId) -> BoxFuture<'_, Result<(), RuntimeError>> {
        Box::pin(async move {
            let Some(id) = self.inner.state.container(instance) else {
                return Ok(());
            };
            match self.inner.engine.docker.pause_container(&id).await {
                Err(error) if !already(&error) => Err(refused("pausing a container")(error).into()),
                _ => Ok(()),
            }
        })
    }

    fn resume(&self, instance: InstanceId) -> BoxFuture<'_, Result<(), RuntimeError>> {
        Box::pin(async move {
            let Some(id) = self.inner.state.container(instance) else {
                return Ok(());
            };
            match self.inner.engine.docker.unpause_container(&id).await {
                Err(error) if !already(&error) && !not_paused(&error) => {
                    Err(refused("resuming a container")(error).into())
                }
                _ => Ok(()),
            }
        })
    }

    fn stop(&self, instance: InstanceId, grace: Duration) -> BoxFuture<'_, ()> {
        Box::pin(finish::stop(Arc::clone(&self.inner), instance, grace))
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.inner.closing.store(true, Ordering::Relaxed);
            self.inner.tasks.end().await;
            self.inner.state.clear();
            reaper::remove_own(&self.inner.engine.docker, &self.inner.options.owner).await;
            self.inner.place.remove();
        })
    }
}

/// Engines answer 500 to resuming what runs.
fn not_paused(error: &bollard::errors::Error) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { message, .. }
        if message.contains("not paused"))
}
