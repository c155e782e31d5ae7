//! Serves a workload on a topology: all that `fnlocal dev` and `fnlocal up` do.
//!
//! Puts the parts together on one thread and runs them until the stop. Each part has its own
//! module; only their order is here.

mod announce;
mod nodes;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::join;
use tokio::task::spawn_local;

use crate::accept::FrontSettings;
use crate::dashboard::About;
use crate::fleet::{FleetOptions, FleetSettings, SimulatedFleet};
use crate::inspect::InspectOptions;
use crate::limits::gateway_options;
use crate::listeners::{Addresses, Listeners};
use crate::session::NodeFactory;
use crate::workload::{ServedProject, ServedWorkload};
use announce::announce;
use fnlocal_driver::{Driver, DriverGroup, Function};
use fnlocal_engine::identity::random_hex;
use fnlocal_faults::Faults;
use fnlocal_gateway::triggers::{self, MakeSource, Sources, Triggers};
use fnlocal_gateway::{GatewayOptions, TrustedProxies};
use fnlocal_logs::{JournalLimits, Logs, Record, journal};
use fnlocal_project::{Project, StateDir};
use nodes::{ServingNodes, SingleNode};

pub use crate::error::ServeError;
pub use crate::listeners::ListenError;
pub use crate::session::Stop;
pub use crate::workload::{FolderOptions, ReleaseOptions, WorkloadOptions};

/// Port when none is asked for.
pub const PORT: u16 = 9000;

/// The workload, its nodes and its ports.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// A folder of functions, or one file.
    pub path: PathBuf,
    /// Where to listen.
    pub host: IpAddr,
    /// On which port; that of fnlocal.toml, or [`PORT`], if `None`.
    pub port: Option<u16>,
    /// The name in `.env.NAME`.
    pub env_name: Option<String>,
    /// The workload.
    pub workload: WorkloadOptions,
    /// On which nodes.
    pub topology: Topology,
    /// Makes sources that need an SDK of a cloud.
    pub sources: Option<MakeSource>,
}

/// The nodes that serve.
#[derive(Clone, Debug)]
pub enum Topology {
    /// One node, which is this machine.
    Single(SingleNodeOptions),
    /// Several nodes in this process, behind a balancer.
    Simulated(FleetOptions),
}

/// The options of a single node: a fleet has many cores, and instances of a function on many nodes.
#[derive(Clone, Debug, Default)]
pub struct SingleNodeOptions {
    /// Where the core's events are written, if they are.
    pub record: Option<PathBuf>,
    /// A function to debug.
    pub inspect: Option<InspectOptions>,
}

/// The summary of a start.
pub struct StartupSummary {
    pub address: SocketAddr,
    /// Where the platform's own pages and data are.
    pub platform: SocketAddr,
    /// The runtime of instances, with the reason.
    pub runtime: String,
    /// All functions, by name.
    pub functions: Vec<Rc<Function>>,
    /// From the start to here.
    pub took: Duration,
}

/// Serves until told to stop. Must run inside a `LocalSet`.
///
/// # Errors
/// [`ServeError`] when it cannot begin. Later faults are written to `sink`, and serving goes on.
pub async fn run(
    options: ServeOptions,
    sink: SyncSender<Vec<Record>>,
    on_ready: impl FnOnce(&StartupSummary),
    stop: Stop,
) -> Result<(), ServeError> {
    let began = Instant::now();
    let logs = Logs::new(sink);
    let printing = spawn_local(Faults::process().clone().vital("logs", logs.clone().run()));
    let outcome = serve(options, &logs, began, on_ready, &stop).await;
    printing.abort();
    logs.finish();
    outcome
}

async fn serve(
    options: ServeOptions,
    logs: &Logs,
    began: Instant,
    on_ready: impl FnOnce(&StartupSummary),
    stop: &Stop,
) -> Result<(), ServeError> {
    let env_name = options.env_name.as_deref();
    let mut project = match &options.workload {
        WorkloadOptions::Folder(_) => Project::open_to_follow(&options.path, env_name)?,
        WorkloadOptions::Release(_) => Project::open(&options.path, env_name)?,
    };
    if let WorkloadOptions::Folder(folder) = &options.workload {
        project.profile = folder.profile;
        for warning in &project.warnings {
            logs.warn(warning.report());
        }
    }
    let environment = project.environment()?;
    let port = options.port.or(project.config().dev.port).unwrap_or(PORT);
    let listeners = Listeners::open(SocketAddr::new(options.host, port)).await?;
    let at = listeners.addresses()?;
    let state = Rc::new(StateDir::lock(&project.root)?);
    keep_logs(logs, &state, &project);
    let served = ServedProject {
        path: &options.path,
        project: &project,
        environment: &environment,
        state: &state,
        logs,
    };
    let triggers = open_triggers(&served, options.sources)?;
    let opened = tokio::select! {
        opened = options.workload.open(&served, options.topology.first_node()) => opened?,
        () = stop.gently.cancelled() => return Ok(()),
    };
    let front = FrontSettings {
        gateway: GatewayOptions {
            trusted_proxies: trusted_proxies(&project),
            ..gateway_options(&opened.workload.limits(), at.functions.ip().is_loopback())
        },
        token: random_hex(16),
        about: About {
            project: project.name.clone(),
            runtime: opened.runtime,
        },
    };
    let run = ServeRun {
        workload: &opened.workload,
        served,
        front,
        triggers,
        at,
        began,
    };
    let serving = async {
        let nodes = run.open_nodes(&options.topology, opened.factory, stop);
        let nodes = nodes.await?;
        let serving = run.serve(&nodes, listeners, on_ready, stop);
        nodes.run(serving, logs).await
    };
    let ended = serving.await;
    opened.workload.close().await;
    ended
}

fn trusted_proxies(project: &Project) -> TrustedProxies {
    let ranges = project.config().dev.trusted_proxies.as_ref();
    ranges.map_or_else(TrustedProxies::loopback, |ranges| {
        TrustedProxies::At(ranges.iter().map(|range| range.0).collect())
    })
}

/// Has what happens kept in the project's `.fnlocal`. A failure is logged, and no reason to stop.
fn keep_logs(logs: &Logs, state: &StateDir, project: &Project) {
    let bounds = JournalLimits::from(&project.config().logs);
    let folder = state.path().join(journal::FOLDER);
    if let Err(error) = logs.keep(folder, bounds, &project.name) {
        logs.warn(format!("what happens is not kept: {error}"));
    }
}

/// Opens the queue, schedules and sources of all nodes.
fn open_triggers(
    served: &ServedProject<'_>,
    more: Option<MakeSource>,
) -> Result<Rc<Triggers>, ServeError> {
    let project = served.project;
    let sources = Sources {
        root: Some(project.root.clone()),
        project: project.name.clone(),
        env: served.environment.shared().clone(),
        shell: project.shell(),
        more,
    };
    let triggers = Triggers::open(served.state, DriverGroup::default(), sources, served.logs)?;
    triggers.bound_queue(project);
    Ok(triggers)
}

/// A run whose workload is open.
struct ServeRun<'a> {
    workload: &'a ServedWorkload,
    served: ServedProject<'a>,
    front: FrontSettings,
    triggers: Rc<Triggers>,
    at: Addresses,
    began: Instant,
}

impl ServeRun<'_> {
    async fn open_nodes(
        &self,
        topology: &Topology,
        mut factory: NodeFactory,
        stop: &Stop,
    ) -> Result<ServingNodes, ServeError> {
        let triggers = Rc::clone(&self.triggers);
        match topology {
            Topology::Single(options) => {
                let node = SingleNode::open(options, &factory).await?;
                triggers.feed().add(Rc::clone(node.driver()));
                Ok(ServingNodes::Single(node))
            }
            Topology::Simulated(options) => {
                let project = self.served.project;
                let settings = FleetSettings::new(options, project)?;
                factory.limits = settings.share(factory.limits, project);
                let front = self.front.clone();
                let fleet = SimulatedFleet::new(factory, settings, front, triggers, stop);
                Ok(ServingNodes::Simulated(fleet))
            }
        }
    }

    /// Loads the workload, accepts requests until told to stop, and lets those under way finish.
    async fn serve(
        &self,
        nodes: &ServingNodes,
        listeners: Listeners,
        on_ready: impl FnOnce(&StartupSummary),
        stop: &Stop,
    ) -> Result<(), ServeError> {
        let ServedProject { state, logs, .. } = self.served;
        let (group, triggers) = (self.triggers.feed(), &self.triggers);
        let inspecting = nodes.inspect(logs).await?;
        let loading = async {
            let beside = self.workload.load(triggers).await?;
            let driver = nodes.in_service().await?;
            self.workload.loaded(group).await?;
            Ok::<_, ServeError>((beside, driver))
        };
        let (beside, driver) = tokio::select! {
            loaded = loading => loaded?,
            () = stop.gently.cancelled() => return Ok(()),
        };
        let _announced = announce(state, self.at, &self.front, logs);
        on_ready(&self.summary(&driver));
        logs.flush();
        let beside = join(beside, inspecting).map(|_| ());
        let beside = triggers::beside(Rc::clone(triggers), beside);
        nodes
            .accept(listeners, &self.front, triggers, beside, stop)
            .await?;
        triggers.close().await;
        self.workload.end().await;
        Ok(())
    }

    fn summary(&self, driver: &Driver) -> StartupSummary {
        StartupSummary {
            address: self.at.functions,
            platform: self.at.platform,
            runtime: self.front.about.runtime.clone(),
            functions: driver.with_functions(|functions| functions.all()),
            took: self.began.elapsed(),
        }
    }
}
