//! `fnlocal up`: a release, served from the registry's images exactly as a node in the cloud does.
//!
//! Nothing is mounted and nothing is watched. The release decides what is served and within what
//! bounds; only variables come from this machine.

mod describe;
mod error;
mod images;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant as Clock};

use fnlocal_core::release::{Release, ReleasePackage};
use fnlocal_core::{CodeHash, Event, FunctionLimits, NodeLimits};
use fnlocal_registry::Store;
use tokio::sync::mpsc;
use tokio::task::spawn_local;

use crate::build::{self, BuildOptions, News, REGISTRY};
use crate::driver::{Code, Driver};
use crate::gateway::GatewayOptions;
use crate::logs::{Logs, Record};
use crate::project::{Project, StateDir};
use crate::registry::Served;
use crate::release::{self, Kept, Releases};
use crate::runtime::docker::connect::{Engine, Surroundings, connect};
use crate::runtime::docker::labels::Owner;
use crate::runtime::docker::{DockerOptions, DockerRuntime};
use crate::runtime::place::random_hex;
use crate::runtime::select::project_label;
use crate::runtime::{Notice, PackageRun, Runtime};
use crate::serve::{self, Announced, Front, PORT, Ready, Session, Stop, with_hint};
use describe::Describer;
use images::Images;

pub use error::UpError;

/// How long the packages of a release may take to be imported.
const LOAD: Duration = Duration::from_secs(120);

/// What `fnlocal up` was asked for.
#[derive(Clone, Debug)]
pub struct UpOptions {
    /// A folder of functions, or one file.
    pub path: PathBuf,
    /// Where to listen.
    pub host: IpAddr,
    /// On which port; that of fnlocal.toml, or [`PORT`], when none.
    pub port: Option<u16>,
    /// Which `.env.NAME` is read.
    pub env_name: Option<String>,
    /// A release: a file, or the beginning of its digest. Built anew when none.
    pub release: Option<String>,
    /// The time, RFC 3339 in UTC, for a release that is built.
    pub now: String,
}

/// Serves a release until told to stop. Must run inside a `LocalSet`.
///
/// # Errors
/// [`UpError`] when it cannot begin. What goes wrong later is told in `sink` and served around.
pub async fn run(
    options: UpOptions,
    sink: SyncSender<Vec<Record>>,
    on_ready: impl FnOnce(&Ready),
    stop: Stop,
) -> Result<(), UpError> {
    let began = Clock::now();
    let logs = Logs::new(sink);
    let printing = spawn_local(logs.clone().run());
    let outcome = up(options, &logs, on_ready, stop, began).await;
    printing.abort();
    logs.flush();
    outcome
}

async fn up(
    options: UpOptions,
    logs: &Logs,
    on_ready: impl FnOnce(&Ready),
    stop: Stop,
    began: Clock,
) -> Result<(), UpError> {
    let project = Project::open(&options.path, options.env_name.as_deref())?;
    let environment = project.environment()?;
    let port = options.port.or(project.config().dev.port).unwrap_or(PORT);
    let listener = serve::listen(SocketAddr::new(options.host, port)).await?;
    let state = StateDir::lock(&project.root)?;
    let preparing = async {
        let kept = wanted(&options, &project, &state, logs).await?;
        let engine = connect(&Surroundings::from_env()).await?;
        let store = Store::open(&state.path().join(REGISTRY))?;
        let ids = images(&engine, &store, &kept.release, logs).await?;
        Ok::<_, UpError>((kept, engine, ids))
    };
    let (kept, engine, ids) = tokio::select! {
        prepared = preparing => prepared?,
        () = stop.gently.cancelled() => return Ok(()),
    };
    let (notices, noticed) = mpsc::channel(1024);
    let why = format!("Docker {}, release {}", engine.version, kept.short());
    let runtime = runtime(engine, &project, ids.first(), notices, logs).await?;
    let describer = Describer::new(kept.release.clone(), environment.clone(), logs.clone());
    let session = Session::start(
        node_limits(&project, &kept.release),
        runtime,
        Box::new(Rc::clone(&describer)),
        noticed,
        logs.clone(),
    );
    let driver = Rc::clone(&session.driver);
    let env = environment.shared().clone();
    let serving = async {
        for ((id, package), image) in describer.packages().zip(ids) {
            let run = PackageRun {
                name: package.name.clone(),
                image,
                code_root: None,
                env: env.clone(),
            };
            load(&driver, id, package, run);
        }
        tokio::select! {
            loaded = loaded(&describer) => loaded?,
            () = stop.gently.cancelled() => return Ok(()),
        }
        let address = serve::address_of(&listener)?;
        let announced = Announced::new(&state, address, &why, logs);
        on_ready(&Ready {
            address,
            runtime: why,
            functions: driver.with_functions(|functions| functions.all()),
            took: began.elapsed(),
        });
        logs.flush();
        let front = Front {
            listener,
            options: gateway_options(&kept.release),
            token: &announced.token,
        };
        serve::accept(&driver, logs, front, std::future::pending(), &stop).await?;
        Ok(())
    };
    session.run(serving).await
}

/// The release to serve.
async fn wanted(
    options: &UpOptions,
    project: &Project,
    state: &StateDir,
    logs: &Logs,
) -> Result<Kept, UpError> {
    let kept = match &options.release {
        Some(said) => Releases::of(state.path()).find(said)?,
        None => {
            let build = BuildOptions {
                path: options.path.clone(),
                platforms: Vec::new(),
                pull: false,
                large: build::LARGE,
            };
            let tell = |news: News| match news {
                News::Note(text) => logs.note(text),
                News::Warning(warning) => {
                    logs.warn(with_hint(&warning.text, warning.hint.as_deref()));
                }
                News::Began { .. } | News::Done { .. } => {}
            };
            let (_, made) = release::build(&build, &tell, options.now.clone()).await?;
            for warning in &made.warnings {
                logs.warn(with_hint(&warning.text, warning.hint.as_deref()));
            }
            made.kept
        }
    };
    if kept.release.project != project.name {
        return Err(UpError::Foreign {
            release: kept.release.project,
            project: project.name.clone(),
        });
    }
    Ok(kept)
}

/// Has the engine hold every image, while the registry is there for it to pull from.
async fn images(
    engine: &Engine,
    store: &Store,
    release: &Release,
    logs: &Logs,
) -> Result<Vec<String>, UpError> {
    let registry = if engine.shares_sockets {
        Some(Served::start(store.clone()).await?)
    } else {
        None
    };
    let images = Images {
        engine,
        store,
        registry: registry.as_ref().map(|registry| registry.address),
    };
    let progress = |text| logs.note(text);
    let mut ids = Vec::new();
    for package in &release.packages {
        ids.push(images.ensure(package, &progress).await?);
    }
    Ok(ids)
}

async fn runtime(
    engine: Engine,
    project: &Project,
    image: Option<&String>,
    notices: mpsc::Sender<Notice>,
    logs: &Logs,
) -> Result<Arc<dyn Runtime>, UpError> {
    let owner = Owner {
        project: project_label(project),
        folder: project.root.display().to_string(),
        run: random_hex(4),
        node: "n0".to_owned(),
    };
    // Sandboxes only sleep, which every image of ours can.
    let options = DockerOptions::new(owner, image.cloned().unwrap_or_default());
    let (runtime, reaped) = DockerRuntime::open(engine, options, notices).await?;
    if reaped.containers > 0 {
        logs.note(format!(
            "removed {} containers a former run left behind",
            reaped.containers
        ));
    }
    Ok(Arc::new(runtime))
}

/// Tells the core of a package's code, which has it imported.
fn load(
    driver: &Rc<Driver>,
    id: fnlocal_core::PackageId,
    package: &ReleasePackage,
    run: PackageRun,
) {
    // Hexadecimal: the release was checked.
    let code = CodeHash(u64::from_str_radix(&package.code, 16).unwrap_or_default());
    driver.set_package(id, Arc::new(run), format!("{}/", package.name));
    let what = Code {
        files: package.code.clone(),
        folder: String::new(),
        entries: package.entries.clone(),
    };
    driver.add_code(id, code, what);
    driver.handle(Event::CodeChanged {
        package: id,
        code,
        rebuilt: true,
    });
}

/// Waits until every package has been imported: a release is served whole or not at all.
async fn loaded(describer: &Describer) -> Result<(), UpError> {
    let wanted = describer.packages().count();
    let deadline = Clock::now() + LOAD;
    while describer.loaded() < wanted && Clock::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut broken = describer.broken();
    if describer.loaded() < wanted {
        broken.push(format!(
            "some packages were not imported within {} s",
            LOAD.as_secs()
        ));
    }
    if broken.is_empty() {
        Ok(())
    } else {
        Err(UpError::Unserved(broken))
    }
}

/// Bounds of this machine, within what the release allows.
fn node_limits(project: &Project, release: &Release) -> NodeLimits {
    let limits = crate::dev::node_limits(project);
    NodeLimits {
        max_instances: release.limits.max_instances.unwrap_or(1000),
        rps: release.limits.rps,
        burst: release.limits.burst,
        over_rate: release.limits.over_rate,
        spare_memory_mib: release
            .functions()
            .values()
            .map(|(_, function)| function.limits.memory_mib)
            .min()
            .unwrap_or(FunctionLimits::default().memory_mib),
        ..limits
    }
}

fn gateway_options(release: &Release) -> GatewayOptions {
    let usual = GatewayOptions::default();
    let idle_timeout = release.limits.idle_timeout_ms;
    GatewayOptions {
        idle_timeout: idle_timeout.map_or(usual.idle_timeout, Duration::from_millis),
        ..usual
    }
}
