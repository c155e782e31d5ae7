//! `fnlocal dev`: a folder of functions, served and reloaded.
//!
//! Puts the parts together on one thread and runs them until told to stop. What each part does
//! stands in its own module; only their order is here.

mod describe;
mod error;
mod reload;
mod tracked;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use fnlocal_core::{FunctionLimits, NodeLimits, PackageId};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio_util::sync::CancellationToken;

use crate::driver::{Driver, Function};
use crate::gateway::platform::{self, Ask, Picture};
use crate::gateway::{Gateway, GatewayOptions};
use crate::logs::{Logs, Record};
use crate::project::{Project, Running, RunningFile, RuntimeKind, StateDir};
use crate::runtime::select::{Choice, Selected};
use crate::runtime::{Runtime, select};
use crate::watch::{Change, Watcher};

use describe::Describer;
use reload::Reloader;
use tracked::Made;

pub use error::DevError;

/// Port when none is asked for.
pub const PORT: u16 = 9000;
/// Time without a save after which copies are made ahead for the next.
const QUIET: Duration = Duration::from_millis(300);
/// Time for instances to end after the last request was answered.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// What `fnlocal dev` was asked for.
#[derive(Clone, Debug)]
pub struct DevOptions {
    /// A folder of functions, or one file.
    pub path: PathBuf,
    /// Where to listen.
    pub host: IpAddr,
    /// On which port; that of fnlocal.toml, or [`PORT`], when none.
    pub port: Option<u16>,
    /// What runs instances; that of fnlocal.toml, or whichever is there, when none.
    pub runtime: Option<Choice>,
    /// Which `.env.NAME` is read.
    pub env_name: Option<String>,
}

/// What is served, once it is.
pub struct Ready {
    /// Where.
    pub address: SocketAddr,
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

/// Serves a folder of functions until told to stop. Must run inside a `LocalSet`.
///
/// # Errors
/// [`DevError`] when it cannot begin. What goes wrong later is told in `sink` and served around.
pub async fn run(
    options: DevOptions,
    sink: SyncSender<Vec<Record>>,
    on_ready: impl FnOnce(&Ready),
    stop: Stop,
) -> Result<(), DevError> {
    let began = std::time::Instant::now();
    let logs = Logs::new(sink);
    let printing = spawn_local(logs.clone().run());
    let outcome = serve(options, &logs, on_ready, stop, began).await;
    printing.abort();
    logs.flush();
    outcome
}

async fn serve(
    options: DevOptions,
    logs: &Logs,
    on_ready: impl FnOnce(&Ready),
    stop: Stop,
    began: std::time::Instant,
) -> Result<(), DevError> {
    let project = Project::open(&options.path, options.env_name.as_deref())?;
    for warning in &project.warnings {
        logs.warn(with_hint(&warning.text, warning.hint.as_deref()));
    }
    let environment = project.environment()?;
    let listener = listen(&options, &project).await?;
    let state = Rc::new(StateDir::lock(&project.root)?);
    let (notices, noticed) = mpsc::channel(1024);
    let progress = logs.clone();
    let tell = move |text: String| progress.note(text);
    let selected = tokio::select! {
        selected = select::select(
            choice(&options, &project),
            &project,
            state.path(),
            notices,
            &tell,
        ) => selected?,
        () = stop.gently.cancelled() => return Ok(()),
    };
    let session = Session::new(&project, selected, logs.clone());
    let describer = Describer::new(project.clone(), environment, logs.clone());
    let driver = Driver::new(
        node_limits(&project, session.cores),
        Arc::clone(&session.runtime),
        Box::new(Rc::clone(&describer)),
        logs.clone(),
    );
    let mut deadlines = spawn_local(Rc::clone(&driver).keep_deadlines());
    let mut following = spawn_local(Rc::clone(&driver).follow_notices(noticed));
    let served = tokio::select! {
        served = session.serve(driver, describer, listener, state, on_ready, stop, began) => served,
        // Neither ends by itself.
        ended = &mut deadlines => Err(DevError::Bug(told(ended))),
        ended = &mut following => Err(DevError::Bug(told(ended))),
    };
    session.runtime.shutdown().await;
    deadlines.abort();
    following.abort();
    served
}

/// What stays the same for as long as `dev` runs.
struct Session {
    runtime: Arc<dyn Runtime>,
    selected: Selected,
    idle_timeout: Option<Duration>,
    cores: u32,
    logs: Logs,
}

impl Session {
    fn new(project: &Project, selected: Selected, logs: Logs) -> Self {
        let idle_timeout = project.config().limits.idle_timeout.map(|span| span.0);
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            runtime: Arc::clone(&selected.runtime),
            selected,
            idle_timeout,
            cores: u32::try_from(cores).unwrap_or(2),
            logs,
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "each is a part that is put together here"
    )]
    async fn serve(
        &self,
        driver: Rc<Driver>,
        describer: Rc<Describer>,
        listener: TcpListener,
        state: Rc<StateDir>,
        on_ready: impl FnOnce(&Ready),
        stop: Stop,
        began: std::time::Instant,
    ) -> Result<(), DevError> {
        let (watcher, changes) = Watcher::start(&describer.project())?;
        let (made, ready_made) = mpsc::channel(16);
        let mut reloader = Reloader::new(
            Rc::clone(&driver),
            Rc::clone(&describer),
            self.selected.preparer.clone(),
            Rc::clone(&state),
            made,
            self.logs.clone(),
        );
        tokio::select! {
            loaded = reloader.load_all() => if !loaded {
                return Err(DevError::NothingToServe);
            },
            () = stop.gently.cancelled() => return Ok(()),
        }
        let address = listener.local_addr().map_err(|source| DevError::Listen {
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            source,
        })?;
        let running = running(address, &self.selected);
        let _announced = self.announce(&running, &state);
        on_ready(&Ready {
            address,
            runtime: self.selected.why.clone(),
            functions: driver.with_functions(|functions| functions.all()),
            took: began.elapsed(),
        });
        self.logs.flush();
        let (router, mut asks) = platform::router(&running.token);
        let options = GatewayOptions {
            idle_timeout: self
                .idle_timeout
                .unwrap_or(GatewayOptions::default().idle_timeout),
            ..GatewayOptions::default()
        };
        let gateway = Gateway::new(Rc::clone(&driver), options, router);
        let mut accepting = spawn_local(gateway.serve(listener, stop.gently.clone()));
        let mut reloading =
            spawn_local(reloading(reloader, describer, watcher, changes, ready_made));
        let ended = loop {
            tokio::select! {
                Some(ask) = asks.recv() => answer(&driver, ask),
                accepted = &mut accepting => {
                    accepted.map_err(|error| DevError::Bug(error.to_string()))?;
                    break true;
                }
                reloaded = &mut reloading => {
                    let error = reloaded.err().map(|error| error.to_string());
                    return Err(DevError::Bug(error.unwrap_or_default()));
                }
                () = stop.now.cancelled() => break false,
            }
        };
        reloading.abort();
        if !ended {
            return Ok(());
        }
        self.finish(&driver, &stop).await;
        Ok(())
    }

    /// Lets other commands find this one.
    fn announce(&self, running: &Running, state: &StateDir) -> Option<RunningFile> {
        match running.write(state) {
            Ok(file) => Some(file),
            Err(error) => {
                let text = format!("other commands will not find this one: {error}");
                self.logs.warn(text);
                None
            }
        }
    }

    async fn finish(&self, driver: &Rc<Driver>, stop: &Stop) {
        tokio::select! {
            () = driver.drain() => {}
            () = stop.now.cancelled() => {}
            () = tokio::time::sleep(STOP_TIMEOUT) => {
                self.logs.warn("some instances did not end in time and are killed");
            }
        }
    }
}

fn running(address: SocketAddr, selected: &Selected) -> Running {
    let reachable = match address.ip() {
        ip if ip.is_unspecified() && ip.is_ipv4() => IpAddr::from([127, 0, 0, 1]),
        ip if ip.is_unspecified() => IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    Running {
        url: format!("http://{}", SocketAddr::new(reachable, address.port())),
        pid: std::process::id(),
        runtime: selected.why.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        token: format!("{:032x}", rand::random::<u128>()),
    }
}

/// Reloads what changes until dropped.
async fn reloading(
    mut reloader: Reloader,
    describer: Rc<Describer>,
    watcher: Watcher,
    mut changes: mpsc::Receiver<Change>,
    mut ready_made: mpsc::Receiver<(PackageId, Made)>,
) {
    loop {
        tokio::select! {
            Some(change) = changes.recv() => {
                if reloader.reload(&change).await {
                    watcher.replan(&describer.project());
                }
            }
            Some((package, made)) = ready_made.recv() => reloader.made(package, made).await,
            () = tokio::time::sleep(QUIET), if reloader.unprepared() => reloader.tidy().await,
        }
    }
}

fn told(ended: Result<(), tokio::task::JoinError>) -> String {
    ended.err().map_or_else(
        || "a task that must not end did".to_owned(),
        |error| error.to_string(),
    )
}

async fn listen(options: &DevOptions, project: &Project) -> Result<TcpListener, DevError> {
    let port = options.port.or(project.config().dev.port).unwrap_or(PORT);
    let address = SocketAddr::new(options.host, port);
    TcpListener::bind(address)
        .await
        .map_err(|source| DevError::Listen { address, source })
}

fn choice(options: &DevOptions, project: &Project) -> Choice {
    options
        .runtime
        .unwrap_or(match project.config().dev.runtime {
            None => Choice::Auto,
            Some(RuntimeKind::Docker) => Choice::Docker,
            Some(RuntimeKind::Process) => Choice::Process,
        })
}

fn answer(driver: &Rc<Driver>, ask: Ask) {
    match ask {
        Ask::View(answer) => {
            let functions = driver.with_functions(|functions| {
                let named = |f: &Rc<Function>| (f.id.0.to_string(), f.name.to_string());
                functions.all().iter().map(named).collect()
            });
            // Whoever asked may have gone away.
            let _gone = answer.send(Picture {
                functions,
                node: driver.view(),
                requests: driver.counts().all(),
            });
        }
        Ask::Cold { function, answer } => {
            let _gone = answer.send(driver.chill(&function));
        }
    }
}

/// Bounds of this machine. Instances are started about one a core at a time: more in parallel
/// only lengthens everyone's wait.
fn node_limits(project: &Project, cores: u32) -> NodeLimits {
    let limits = &project.config().limits;
    let memory_mib = limits
        .memory
        .map_or_else(free_memory_mib, |memory| memory.0);
    NodeLimits {
        memory_mib,
        max_instances: limits.max_instances.unwrap_or(1000),
        rps: limits.rps.and_then(|rate| rate.0),
        parallel_starts: cores.clamp(2, 8),
        parallel_refills: 2,
        spares: project.config().dev.spares.unwrap_or(1),
        spare_memory_mib: project
            .config()
            .defaults
            .memory
            .map_or(FunctionLimits::default().memory_mib, |memory| memory.0),
    }
}

/// What is free, in MiB: a limit is rarely used up, so what is left over is enough for the
/// laptop's other work. 4 GiB where the system does not tell.
fn free_memory_mib() -> u32 {
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
