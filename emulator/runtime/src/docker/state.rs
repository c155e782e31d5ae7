//! The runtime's state of its containers. Locked for look-ups only, never across a call.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bollard::container::AttachContainerResults;
use fnlocal_core::InstanceId;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::sandbox::Sandbox;
use crate::Address;
use crate::PackageRun;
use crate::lines::StderrTail;

/// A container created ahead, with everything an instance needs.
pub(crate) struct PrecreatedContainer {
    pub container: String,
    pub sandbox: Sandbox,
    pub folder: PathBuf,
    pub address: Address,
    pub token: String,
    pub output: AttachContainerResults,
    pub package: Arc<PackageRun>,
    pub memory_mib: u32,
    /// `true` if the container runs and waits for a word to start node.
    pub parked: bool,
}

/// How far an instance has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its start is waiting for it.
    Booting,
    /// The instance answers; its end is news.
    Running,
    /// The instance is being stopped; its end is expected.
    Stopping,
}

/// A started container.
#[derive(Debug)]
pub(crate) struct LiveContainer {
    pub container: String,
    pub sandbox: String,
    pub folder: PathBuf,
    pub address: Address,
    pub memory_mib: u32,
    pub phase: Phase,
    /// The kernel killed something in it for memory.
    pub oom: bool,
    pub tail: StderrTail,
    pub pump: Option<JoinHandle<()>>,
    /// Why it ended, once it has.
    pub ended: watch::Sender<Option<String>>,
}

#[derive(Default)]
pub(crate) struct ContainerTable(Mutex<InstanceTables>);

#[derive(Default)]
struct InstanceTables {
    live: BTreeMap<InstanceId, LiveContainer>,
    by_container: BTreeMap<String, InstanceId>,
    sandboxes: VecDeque<Sandbox>,
    ahead: Vec<PrecreatedContainer>,
    /// Containers being created ahead.
    coming: Vec<(Arc<PackageRun>, u32)>,
}

impl ContainerTable {
    fn lock(&self) -> MutexGuard<'_, InstanceTables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn insert(&self, instance: InstanceId, live: LiveContainer) {
        let mut tables = self.lock();
        tables.by_container.insert(live.container.clone(), instance);
        tables.live.insert(instance, live);
    }

    pub fn remove(&self, instance: InstanceId) -> Option<LiveContainer> {
        let mut tables = self.lock();
        let live = tables.live.remove(&instance)?;
        tables.by_container.remove(&live.container);
        Some(live)
    }

    /// Changes something about an instance.
    pub fn with<T>(
        &self,
        instance: InstanceId,
        change: impl FnOnce(&mut LiveContainer) -> T,
    ) -> Option<T> {
        self.lock().live.get_mut(&instance).map(change)
    }

    pub fn container(&self, instance: InstanceId) -> Option<String> {
        self.with(instance, |live| live.container.clone())
    }

    pub fn instance_of(&self, container: &str) -> Option<InstanceId> {
        self.lock().by_container.get(container).copied()
    }

    /// Every started container.
    pub fn containers(&self) -> Vec<String> {
        self.lock().by_container.keys().cloned().collect()
    }

    pub fn ready_sandboxes(&self) -> usize {
        self.lock().sandboxes.len()
    }

    pub fn put_sandbox(&self, sandbox: Sandbox) {
        self.lock().sandboxes.push_back(sandbox);
    }

    pub fn take_sandbox(&self) -> Option<Sandbox> {
        self.lock().sandboxes.pop_front()
    }

    /// Forgets a ready sandbox, for example because it died.
    pub fn drop_sandbox(&self, container: &str) -> bool {
        let mut tables = self.lock();
        let before = tables.sandboxes.len();
        tables.sandboxes.retain(|sandbox| sandbox.id != container);
        tables.sandboxes.len() != before
    }

    /// Forgets the ready sandboxes that no longer run.
    pub fn drop_dead_sandboxes(&self, running: &dyn Fn(&str) -> bool) {
        self.lock().sandboxes.retain(|sandbox| running(&sandbox.id));
    }

    /// Claims the making of one container ahead, unless `wanted` exist or are being made.
    pub fn claim_ahead(&self, package: &Arc<PackageRun>, memory_mib: u32, wanted: usize) -> bool {
        let mut tables = self.lock();
        let made = tables
            .ahead
            .iter()
            .filter(|one| one.fits(package, memory_mib))
            .count();
        let coming = tables
            .coming
            .iter()
            .filter(|(other, memory)| *memory == memory_mib && same(other, package))
            .count();
        if made + coming >= wanted {
            return false;
        }
        tables.coming.push((Arc::clone(package), memory_mib));
        true
    }

    /// Ends a claim, with what came of it.
    pub fn put_ahead(
        &self,
        package: &Arc<PackageRun>,
        memory_mib: u32,
        made: Option<PrecreatedContainer>,
    ) {
        let mut tables = self.lock();
        let claim = tables
            .coming
            .iter()
            .position(|(other, memory)| *memory == memory_mib && same(other, package));
        if let Some(index) = claim {
            tables.coming.swap_remove(index);
        }
        tables.ahead.extend(made);
    }

    pub fn take_ahead(&self, package: &PackageRun, memory_mib: u32) -> Option<PrecreatedContainer> {
        let mut tables = self.lock();
        let index = tables
            .ahead
            .iter()
            .position(|one| one.fits(package, memory_mib))?;
        Some(tables.ahead.swap_remove(index))
    }

    /// Takes out a container made ahead that has ended.
    pub fn take_dead(&self, container: &str) -> Option<PrecreatedContainer> {
        let mut tables = self.lock();
        let at = tables
            .ahead
            .iter()
            .position(|one| one.container == container)?;
        Some(tables.ahead.swap_remove(at))
    }

    /// Takes out the containers made ahead for another shape of the same package.
    pub fn take_stale(&self, package: &PackageRun) -> Vec<PrecreatedContainer> {
        let mut tables = self.lock();
        let stale = |one: &mut PrecreatedContainer| {
            one.package.name == package.name && !same(&one.package, package)
        };
        tables.ahead.extract_if(.., stale).collect()
    }

    pub fn clear(&self) {
        let tables = std::mem::take(&mut *self.lock());
        for live in tables.live.into_values() {
            live.end("fnlocal is ending".to_owned());
            if let Some(pump) = live.pump {
                pump.abort();
            }
        }
    }
}

impl LiveContainer {
    /// Tells those who wait for it why it ended, and those who wait for a connection that none comes.
    pub fn end(&self, reason: String) {
        self.address.close();
        self.ended.send_replace(Some(reason));
    }
}

impl PrecreatedContainer {
    fn fits(&self, package: &PackageRun, memory_mib: u32) -> bool {
        self.memory_mib == memory_mib && same(&self.package, package)
    }
}

/// Returns whether containers of the two packages are alike.
fn same(one: &PackageRun, other: &PackageRun) -> bool {
    one.image == other.image && one.code_root == other.code_root && one.env == other.env
}

/// The runtime's own tasks, ended with it.
#[derive(Default)]
pub(crate) struct Tasks(Mutex<JoinSet<()>>);

impl Tasks {
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while set.try_join_next().is_some() {}
        set.spawn(task);
    }

    pub async fn end(&self) {
        let mut set = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        set.shutdown().await;
    }
}
