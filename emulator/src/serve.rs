//! What everything that serves has in common: a driver with its tasks, a gateway in front, and the
//! order in which they end.

mod listeners;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fnlocal_core::NodeLimits;
use fnlocal_faults::Broken;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle, spawn_local};
use tokio_util::sync::CancellationToken;

use crate::dashboard::{self, About, Dashboard, NodeNow, Now};
use crate::fleet::NodeStage;
use fnlocal_driver::{Describe, Driver, Function};
use fnlocal_faults::Faults;
use fnlocal_gateway::Gateway;
use fnlocal_gateway::GatewayOptions;
use fnlocal_gateway::metrics::NodeCounts;
use fnlocal_gateway::peers::Peers;
use fnlocal_gateway::platform::{self, Ask, Picture};
use fnlocal_gateway::triggers::Triggers;
use fnlocal_logs::{JournalLimits, Logs, journal};
use fnlocal_project::{Project, Running, RunningFile, StateDir};
use fnlocal_runtime::Notice;
use fnlocal_runtime::Runtime;

pub use listeners::ListenError;
pub(crate) use listeners::{Addresses, Listeners, address_of, listen};

use listeners::reachable;

/// Port when none is asked for.
pub const PORT: u16 = 9000;
/// An unused connection is closed by the balancer, not by a node: the other way round, requests
/// are sent into connections that are being closed. So longer than the balancer's 60 s.
pub(crate) const PEER_KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Time for instances to end after the last request was answered.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// What is served, once it is.
pub struct Ready {
    /// Where.
    pub address: SocketAddr,
    /// Where the platform's own pages and data are.
    pub platform: SocketAddr,
    /// What runs instances, with the reason.
    pub runtime: String,
    /// All functions, by name.
    pub functions: Vec<Rc<Function>>,
    /// From the start to here.
    pub took: Duration,
}

/// How to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Finish what is under way, then end.
    pub gently: CancellationToken,
    /// End at once.
    pub now: CancellationToken,
}

/// Has what happens kept in the project's `.fnlocal`. That it cannot is told, and no reason to stop.
pub(crate) fn keep_logs(logs: &Logs, state: &StateDir, project: &Project) {
    let bounds = JournalLimits::from(&project.config().logs);
    let folder = state.path().join(journal::FOLDER);
    if let Err(error) = logs.keep(folder, bounds, &project.name) {
        logs.warn(format!("what happens is not kept: {error}"));
    }
}

/// A driver on a runtime, and the tasks it needs.
pub(crate) struct Session {
    pub driver: Rc<Driver>,
    runtime: Arc<dyn Runtime>,
    tasks: [JoinHandle<()>; 2],
}

impl Session {
    /// Starts the driver. Must run inside a `LocalSet`.
    pub fn start(
        limits: NodeLimits,
        runtime: Arc<dyn Runtime>,
        describe: Rc<dyn Describe>,
        notices: mpsc::Receiver<Notice>,
        logs: Logs,
    ) -> Self {
        let driver = Driver::new(limits, Arc::clone(&runtime), describe, logs);
        let tasks = [
            spawn_local(Rc::clone(&driver).keep_deadlines()),
            spawn_local(Rc::clone(&driver).follow_notices(notices)),
        ];
        Self {
            driver,
            runtime,
            tasks,
        }
    }

    /// Runs what serves to its end, and ends everything that was started.
    ///
    /// # Errors
    /// Those of `serving`, and [`Broken`] when a task of the driver ends before it.
    pub async fn run<E: From<Broken>>(
        mut self,
        serving: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        let [deadlines, following] = &mut self.tasks;
        let whole = async {
            tokio::select! {
                served = serving => served,
                // Neither ends by itself.
                ended = deadlines => Err(broken(ended).into()),
                ended = following => Err(broken(ended).into()),
            }
        };
        let logs = self.driver.logs();
        let ending = self.runtime.shutdown();
        let served = Faults::process()
            .around(|text| logs.warn(text), whole, ending)
            .await;
        for task in self.tasks {
            task.abort();
        }
        served
    }
}

/// A fnlocal that other commands find, until dropped.
pub(crate) struct Announced {
    /// What `/_fnlocal/*` wants to see before it changes anything.
    pub token: String,
    _file: Option<RunningFile>,
}

impl Announced {
    /// Says where it answers in the project's `.fnlocal`. That it cannot is told, and no reason to
    /// stop.
    pub fn new(state: &StateDir, at: Addresses, runtime: &str, logs: &Logs) -> Self {
        let token = format!("{:032x}", rand::random::<u128>());
        Self::with(state, at, runtime, token, logs)
    }

    /// The same, with a token that others know already.
    pub fn with(
        state: &StateDir,
        at: Addresses,
        runtime: &str,
        token: String,
        logs: &Logs,
    ) -> Self {
        let running = Running {
            url: reachable(at.functions),
            platform: reachable(at.platform),
            pid: std::process::id(),
            runtime: runtime.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            token,
        };
        let file = running.write(state);
        if let Err(error) = &file {
            logs.warn(format!("other commands will not find this one: {error}"));
        }
        Self {
            token: running.token,
            _file: file.ok(),
        }
    }
}

/// What requests come in by.
pub(crate) struct Front<'a> {
    pub listener: TcpListener,
    /// The platform's own origin; none where another port has it.
    pub platform: Option<TcpListener>,
    pub options: GatewayOptions,
    /// That of [`Announced`].
    pub token: &'a str,
    /// The other nodes, if there are any.
    pub peers: Option<Rc<dyn Peers>>,
    /// The queue, if there is one.
    pub triggers: Option<Rc<Triggers>>,
    /// What the dashboard is of; none where another port has it.
    pub about: Option<About>,
}

/// Accepts requests until told to stop, then lets those under way finish.
///
/// `beside` runs meanwhile and must not end by itself.
///
/// # Errors
/// [`Broken`] when the gateway or `beside` ends unasked.
pub(crate) async fn accept(
    driver: &Rc<Driver>,
    front: Front<'_>,
    beside: impl Future<Output = ()> + 'static,
    stop: &Stop,
) -> Result<(), Broken> {
    let archive = driver.logs().archive();
    let archive = archive.map(|archive| archive.until(&stop.gently));
    let (mut router, mut asks) = platform::router(front.token, archive);
    let dashboard = front
        .about
        .map(|about| Dashboard::new(&about, stop.gently.clone()));
    if let Some(dashboard) = &dashboard {
        router = router.merge(dashboard.router());
    }
    let feeding = spawn_local(feed(
        dashboard,
        front.options.node.clone(),
        Rc::clone(driver),
    ));
    let triggers = front.triggers;
    // The nodes of a fleet share one queue, and any of them may end before it.
    let alone = front.peers.is_none();
    let port = front
        .platform
        .as_ref()
        .and_then(|one| one.local_addr().ok());
    let gateway = Gateway::new(
        Rc::clone(driver),
        front.options,
        router,
        front.peers,
        triggers.clone(),
        (front.token, port.map(|at| at.port())),
    );
    let pages = front.platform.map(|listener| {
        let stop = stop.gently.clone();
        spawn_local(Rc::clone(&gateway).serve_platform(listener, stop, dashboard::is_page_file))
    });
    let mut accepting = spawn_local(Rc::clone(&gateway).serve(front.listener, stop.gently.clone()));
    let mut beside = spawn_local(beside);
    let ended = loop {
        tokio::select! {
            Some(ask) = asks.recv() => answer(driver, triggers.as_deref(), ask),
            accepted = &mut accepting => {
                accepted.map_err(|error| Broken(error.to_string()))?;
                break true;
            }
            ended = &mut beside => return Err(broken(ended)),
            () = stop.now.cancelled() => break false,
        }
    };
    if ended && let Some(triggers) = triggers.filter(|_| alone) {
        tokio::select! {
            () = triggers.drain() => {}
            () = stop.now.cancelled() => {}
        }
    }
    beside.abort();
    feeding.abort();
    if let Some(pages) = pages {
        pages.abort();
    }
    if ended {
        finish(driver, stop).await;
    } else {
        accepting.abort();
        gateway.cut_off().await;
    }
    Ok(())
}

/// Feeds the dashboard, if there is one, with the only node there is.
async fn feed(dashboard: Option<Dashboard>, node: String, driver: Rc<Driver>) {
    let Some(dashboard) = dashboard else { return };
    let _guard = Faults::process().lasting("the dashboard");
    let now = || {
        let alone = NodeNow {
            stage: NodeStage::Serving,
            target: None,
            routed: false,
            picture: Some(picture(&driver)),
        };
        Now {
            nodes: [(node.clone(), alone)].into(),
            fleet: None,
        }
    };
    dashboard.run(now, driver.logs().archive()).await;
}

async fn finish(driver: &Rc<Driver>, stop: &Stop) {
    tokio::select! {
        () = driver.drain() => {}
        () = stop.now.cancelled() => {}
        () = tokio::time::sleep(STOP_TIMEOUT) => {
            driver.logs().warn("some instances did not end in time and are killed");
        }
    }
}

fn answer(driver: &Rc<Driver>, triggers: Option<&Triggers>, ask: Ask) {
    match ask {
        // Whoever asked may have gone away.
        Ask::View(answer) => {
            let mut picture = picture(driver);
            picture.triggers = triggers.map(Triggers::view);
            let _gone = answer.send(picture);
        }
        Ask::Counts(answer) => {
            let _gone = answer.send(NodeCounts::from_driver(driver));
        }
        Ask::Cold { function, answer } => {
            let _gone = answer.send(driver.chill(&function));
        }
    }
}

/// A picture of a node.
pub(crate) fn picture(driver: &Rc<Driver>) -> Picture {
    let functions = driver.with_functions(|functions| {
        let named = |f: &Rc<Function>| (f.id.0.to_string(), f.name.to_string());
        functions.all().iter().map(named).collect()
    });
    Picture {
        functions,
        node: driver.view(),
        requests: driver.counts().all(),
        triggers: None,
    }
}

pub(crate) fn broken(ended: Result<(), JoinError>) -> Broken {
    Broken(ended.err().map_or_else(
        || "an internal task exited unexpectedly".to_owned(),
        |error| error.to_string(),
    ))
}

/// What is free, in MiB: a limit is rarely used up, so what is left over is enough for the
/// laptop's other work. 4 GiB where the system does not tell.
pub(crate) fn free_memory_mib() -> u32 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let free_kib = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| {
            rest.trim()
                .trim_end_matches("kB")
                .trim()
                .parse::<u64>()
                .ok()
        });
    free_kib.map_or(4096, |kib| u32::try_from(kib / 1024).unwrap_or(u32::MAX))
}

pub(crate) fn with_hint(text: &str, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("{text}\n  hint: {hint}"),
        None => text.to_owned(),
    }
}
