//! The state of a node at a moment, for people and metrics.

use serde::{Deserialize, Serialize};

use crate::ids::{CodeHash, FunctionId, PackageId};
use crate::limits::{FunctionLimits, NodeLimits};
use crate::node::Node;
use crate::pool::Pool;
use crate::pool::slot::{InstanceRole, PoolInstance, Power, RequestStage};
use crate::time::{Duration, Instant};

/// A node at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// The moment.
    pub at: Instant,
    /// The node's bounds.
    pub limits: NodeLimits,
    /// Memory promised to instances, in MiB, from their start until nothing of them remains.
    pub memory_promised_mib: u64,
    /// All instances, whatever their state, spares and those being stopped included.
    pub instances: u32,
    /// Requests that wait or run.
    pub requests: u32,
    /// No more requests are taken.
    pub draining: bool,
    /// Packages, by id.
    pub packages: Vec<PackageView>,
    /// Functions, by id.
    pub functions: Vec<FunctionView>,
}

/// A package at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageView {
    /// The package.
    pub package: PackageId,
    /// The newest code there is.
    pub wanted: CodeHash,
    /// The newest code that has been imported.
    pub code: Option<CodeHash>,
    /// An instance is importing new code, or is wanted for it.
    pub priming: bool,
    /// Spares being started.
    pub spares_starting: u32,
    /// Spares that can be given to a function at once.
    pub spares: u32,
    /// Spares that have to be resumed first.
    pub spares_paused: u32,
    /// Starts that failed since the last that did not.
    pub failed_starts: u32,
    /// Average time from start to booted.
    pub boot: Duration,
}

/// A function at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionView {
    /// The function.
    pub function: FunctionId,
    /// The package that the function belongs to.
    pub package: PackageId,
    /// Its bounds.
    pub limits: FunctionLimits,
    /// The code requests get.
    pub code: CodeHash,
    /// Code being prepared to replace it.
    pub next: Option<CodeHash>,
    /// The code cannot be imported.
    pub broken: bool,
    /// Requests that wait, those over the rate included.
    pub queued: u32,
    /// Requests that run, without those whose client left.
    pub running: u32,
    /// Average time from dispatch to the end of the response, once known.
    pub service: Option<Duration>,
    /// Its instances by state.
    pub instances: InstancesView,
}

/// Counts of a function's instances by state. Each instance is in one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstancesView {
    /// Being created and booted.
    pub starting: u32,
    /// Importing their code.
    pub assigning: u32,
    /// Running, without a request.
    pub idle: u32,
    /// With a request at least, those finishing their last ones included.
    pub busy: u32,
    /// Paused, or being paused.
    pub paused: u32,
    /// Being resumed.
    pub resuming: u32,
    /// Being stopped.
    pub stopping: u32,
}

impl std::ops::AddAssign for InstancesView {
    fn add_assign(&mut self, more: Self) {
        self.starting += more.starting;
        self.assigning += more.assigning;
        self.idle += more.idle;
        self.busy += more.busy;
        self.paused += more.paused;
        self.resuming += more.resuming;
        self.stopping += more.stopping;
    }
}

/// The load of a node at a moment, at little cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLoad {
    /// Memory promised to instances, in MiB.
    pub memory_promised_mib: u64,
    /// Of so much, in MiB.
    pub memory_mib: u32,
    /// All instances, whatever their state.
    pub instances: u32,
    /// Requests that wait or run, those of clients who left included.
    pub requests: u32,
    /// Requests that wait.
    pub waiting: u32,
}

impl Node {
    /// Returns the node's present load.
    #[must_use]
    pub fn load(&self) -> NodeLoad {
        let queues = self
            .functions_waiting
            .iter()
            .filter_map(|id| self.pools.get(id));
        NodeLoad {
            memory_promised_mib: self.promised_mib,
            memory_mib: self.limits.memory_mib,
            instances: count(self.instances.len()),
            requests: count(self.requests.len()),
            waiting: count(queues.map(|pool| pool.queue.len()).sum()),
        }
    }

    /// Returns whether a request for a function would find an instance with room, paused ones
    /// included.
    #[must_use]
    pub fn has_idle(&self, function: FunctionId) -> bool {
        let pool = self.pools.get(&function);
        pool.is_some_and(|pool| !pool.free.is_empty() || !pool.paused.is_empty())
    }

    /// Requests that a function's ready instances take at once, paused ones included.
    #[must_use]
    pub fn slots(&self, function: FunctionId) -> u32 {
        let pool = self.pools.get(&function);
        pool.map_or(0, |pool| {
            count((pool.members.len() - pool.assigning) * pool.slots())
        })
    }

    /// Returns the present state of the node. Not for the hot path: this walks over everything.
    #[must_use]
    pub fn view(&self, now: Instant) -> NodeView {
        let packages = self
            .packages
            .keys()
            .filter_map(|&id| self.package_view(id))
            .collect();
        let mut functions: Vec<FunctionView> = self
            .pools
            .iter()
            .map(|(&id, pool)| function_view(id, pool))
            .collect();
        let mut add = |id: FunctionId, count: &dyn Fn(&mut FunctionView)| {
            if let Ok(at) = functions.binary_search_by_key(&id, |view| view.function) {
                count(&mut functions[at]);
            }
        };
        for instance in self.instances.values() {
            if let Some((function, _)) = instance.bound {
                add(function, &|view| {
                    count_instance(&mut view.instances, instance)
                });
            }
        }
        for request in self.requests.values() {
            if matches!(request.stage, RequestStage::Running { gone: false, .. }) {
                add(request.function, &|view| view.running += 1);
            }
        }
        let gone = self
            .requests
            .values()
            .filter(|request| matches!(request.stage, RequestStage::Running { gone: true, .. }));
        NodeView {
            at: now,
            limits: self.limits.clone(),
            memory_promised_mib: self.promised_mib,
            instances: count(self.instances.len()),
            requests: count(self.requests.len() - gone.count()),
            draining: self.draining,
            packages,
            functions,
        }
    }

    fn package_view(&self, id: PackageId) -> Option<PackageView> {
        let package = self.packages.get(&id)?;
        let spares = package
            .spares
            .iter()
            .filter_map(|id| self.instances.get(id));
        let running = spares.filter(|spare| spare.power == Power::Running).count();
        Some(PackageView {
            package: id,
            wanted: package.wanted,
            code: package.code,
            priming: package.prime.is_some(),
            spares_starting: count(package.spare_starts),
            spares: count(running),
            spares_paused: count(package.spares.len() - running),
            failed_starts: package.failures,
            boot: Duration::from_micros(package.boot.micros().unwrap_or(0)),
        })
    }
}

fn function_view(function: FunctionId, pool: &Pool) -> FunctionView {
    FunctionView {
        function,
        package: pool.package,
        limits: pool.limits.clone(),
        code: pool.code,
        next: pool.next.map(|next| next.code),
        broken: pool.broken,
        queued: count(pool.queue.len() + pool.held),
        running: 0,
        service: pool.service.micros().map(Duration::from_micros),
        instances: InstancesView {
            starting: count(pool.starting),
            ..InstancesView::default()
        },
    }
}

fn count_instance(view: &mut InstancesView, instance: &PoolInstance) {
    let state = match (instance.role, instance.power) {
        (InstanceRole::Stopping, _) => &mut view.stopping,
        (InstanceRole::Assigning, _) => &mut view.assigning,
        (_, Power::Paused | Power::Pausing { wake: false }) => &mut view.paused,
        (_, Power::Resuming | Power::Pausing { wake: true }) => &mut view.resuming,
        _ if instance.running.is_empty() => &mut view.idle,
        _ => &mut view.busy,
    };
    *state += 1;
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
