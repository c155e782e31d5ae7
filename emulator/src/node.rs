//! `fnlocal node`: what an EC2 machine of a promoted project runs.
//!
//! The same driver and gateway as everywhere, one of each per release: a new release is loaded
//! beside the old one and takes over when it is ready, so that a release that does not load changes
//! nothing. The release to serve, the peers and the end come from outside ([`Orders`]); AWS is not
//! known here.

mod bounds;
mod error;
mod follow;
pub(crate) mod handover;
mod heartbeat;
mod images;
mod listener;
mod load;
pub(crate) mod membership;
mod needed;
mod ownership;
mod serving;
mod state;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use fnlocal_core::release::Release;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::listeners::listen;
use crate::session::{Stop, any_end};
use fnlocal_driver::DriverGroup;
use fnlocal_engine::connect::{EngineVariables, connect};
use fnlocal_faults::Faults;
use fnlocal_gateway::triggers::{MakeSource, Sources, Triggers};
use fnlocal_logs::{Logs, Record};
use fnlocal_project::ShellVariables;
use follow::ReleaseFollower;
use listener::ListenerKind;
use load::Loader;
use membership::PeerTable;
use state::NodeState;

pub use error::NodeError;

/// The settings of a node.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Its name, by which its peers know it, too.
    pub name: String,
    /// The project, for labels.
    pub project: String,
    /// Where it listens.
    pub address: IpAddr,
    /// The balancer's port.
    pub port: u16,
    /// The peers' port.
    pub peer_port: u16,
    /// By this nodes know each other.
    pub key: String,
    /// Digests of images that are never removed.
    pub own_images: Vec<String>,
    /// How it ends.
    pub ending: Ending,
    /// The folder of its queue, created if missing. Its contents must outlive the process.
    pub state: PathBuf,
    /// Makes sources that need an SDK of a cloud.
    pub sources: Option<MakeSource>,
}

/// How a node ends.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// Time without a request after which no other is waited for.
    pub quiet: Duration,
    /// Time after which none is waited for, whatever comes.
    pub drain: Duration,
}

/// The orders of a node.
pub struct Orders {
    /// The release to serve.
    pub wanted: watch::Receiver<Option<Arc<WantedRelease>>>,
    /// The machines of its group, itself among them or not.
    pub neighbours: watch::Receiver<Vec<Neighbour>>,
    /// Why it is to end, once it is.
    pub ending: watch::Receiver<Option<String>>,
    /// Told about every second how much of the memory is committed, in percent.
    pub committed: Box<dyn Fn(f64)>,
}

/// A release to serve. No `Debug`: passwords and values of variables are in it.
pub struct WantedRelease {
    /// The release's tag.
    pub tag: String,
    /// The release.
    pub release: Release,
    /// Where its images are, as `HOST/NAME`.
    pub repository: String,
    /// User of that registry.
    pub user: String,
    pub password: String,
    /// Values of variables, by name.
    pub variables: BTreeMap<String, String>,
}

/// A machine of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its node's name.
    pub name: String,
    /// Its peers' port.
    pub address: SocketAddr,
}

/// Serves what is wanted until told to end, then lets those under way finish. Must run inside a
/// `LocalSet`.
///
/// # Errors
/// [`NodeError`] when it cannot begin, or a part of it breaks down. A release that cannot be served
/// is reported in `sink`, and the one before stays.
pub async fn run(
    options: NodeOptions,
    orders: Orders,
    sink: SyncSender<Vec<Record>>,
    stop: Stop,
) -> Result<(), NodeError> {
    let logs = Logs::new(sink);
    let printing = spawn_local(Faults::process().clone().vital("logs", logs.clone().run()));
    let outcome = node(options, orders, &logs, stop).await;
    printing.abort();
    logs.flush();
    outcome
}

async fn node(
    options: NodeOptions,
    orders: Orders,
    logs: &Logs,
    stop: Stop,
) -> Result<(), NodeError> {
    let at = |port| SocketAddr::new(options.address, port);
    let (front, side) = (at(options.port), at(options.peer_port));
    let (front, side) = (listen(front).await?, listen(side).await?);
    let engine = connect(&EngineVariables::from_env()).await?;
    let company = PeerTable::new(&options.name, &options.key)?;
    let triggers = open_triggers(&options, &company, logs)?;
    let (state, mut breakdown) = NodeState::new(
        &options,
        Rc::clone(&company),
        Rc::clone(&triggers),
        logs.clone(),
    );
    let closed = CancellationToken::new();
    let mut ports = OpenPorts::open(&state, [front, side], &closed, &stop);
    logs.note(format!("{} is up, without a release yet", options.name));
    let loader = Loader::new(engine, &options, Rc::clone(&state), stop.clone());
    let follow = ReleaseFollower::new(loader, orders.wanted);
    let mut beside = [
        spawn_local(follow.run()),
        spawn_local(heartbeat::listen(company, orders.neighbours)),
        spawn_local(Rc::clone(&state).keep_telling(orders.committed)),
        spawn_local(Rc::clone(&triggers).run()),
    ];
    let mut ending = orders.ending;
    let faults = Faults::process();
    let outcome = tokio::select! {
        why = reason_to_end(&mut ending) => Ok(why),
        broken = faults.watch(|text| logs.warn(text)) => Err(broken),
        () = stop.gently.cancelled() => Ok("it was told to stop".to_owned()),
        broken = any_end(&mut beside) => Err(broken),
        Some(broken) = breakdown.recv() => Err(broken),
    };
    let until = Instant::now() + options.ending.drain;
    if let Ok(why) = &outcome {
        logs.note(format!("{} takes no more requests: {why}", options.name));
        state.begin_to_end();
        tokio::select! {
            () = state.quiet(options.ending) => {}
            () = stop.now.cancelled() => {}
        }
    }
    closed.cancel();
    ports.closed().await;
    if outcome.is_ok() {
        tokio::select! {
            () = handover::hand_over(&state, until) => {}
            () = stop.now.cancelled() => {}
        }
    }
    for task in beside {
        task.abort();
    }
    state.leave().await;
    triggers.close().await;
    outcome.map(drop).map_err(NodeError::from)
}

/// The node's queue, schedules and sources, with all that waits in its folder.
fn open_triggers(
    options: &NodeOptions,
    company: &Rc<PeerTable>,
    logs: &Logs,
) -> Result<Rc<Triggers>, NodeError> {
    let path = options.state.clone();
    let made = fnlocal_files::OwnPath::new(&path).make_folder();
    made.map_err(|source| NodeError::State { path, source })?;
    let sources = Sources {
        root: None,
        project: options.project.clone(),
        env: BTreeMap::new(),
        shell: ShellVariables::all(),
        more: options.sources,
    };
    let company = Rc::clone(company);
    let duty = Rc::new(move |function: &str| company.owns(function));
    let feed = DriverGroup::default();
    Ok(Triggers::among(&options.state, feed, sources, logs, duty)?)
}

async fn reason_to_end(ending: &mut watch::Receiver<Option<String>>) -> String {
    match ending.wait_for(Option::is_some).await {
        Ok(why) => why.clone().unwrap_or_default(),
        // No sender is left.
        Err(_) => std::future::pending().await,
    }
}

/// The node's ports.
struct OpenPorts([JoinHandle<()>; 2]);

impl OpenPorts {
    fn open(
        state: &Rc<NodeState>,
        listeners: [TcpListener; 2],
        closed: &CancellationToken,
        stop: &Stop,
    ) -> Self {
        let [front, side] = listeners;
        let open = |listener, which| {
            let cut = stop.now.child_token();
            let serving = listener::serve(Rc::clone(state), which, listener, closed.clone(), cut);
            spawn_local(async {
                let _guard = Faults::process().guard("a port of the node");
                serving.await;
            })
        };
        Self([
            open(front, ListenerKind::Public),
            open(side, ListenerKind::Peer),
        ])
    }

    /// Returns when the last connection is.
    async fn closed(&mut self) {
        for port in &mut self.0 {
            // One that broke down is closed, too.
            let _ended = port.await;
        }
    }
}
