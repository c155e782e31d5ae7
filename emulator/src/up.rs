//! `fnlocal up`: a release, served from the registry's images exactly as a node in the cloud does.
//!
//! Nothing is mounted and nothing is watched. The release decides what is served and within what
//! bounds; only variables come from this machine.

pub(crate) mod describe;
mod error;
mod images;
mod settings;
mod wanted;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant as Clock};

use fnlocal_core::release::{Release, ReleasePackage};
use fnlocal_core::{CodeHash, NodeLimits, PackageId};
use fnlocal_registry::Store;
use tokio::sync::mpsc;
use tokio::task::spawn_local;

use crate::dashboard::About;
use crate::fleet::{self, Fleet, FleetOptions, NodeFactory};
use crate::registry::Served;
use crate::serve::{self, Addresses, Announced, Front, Listeners, PORT, Ready, Session, Stop};
use describe::Describer;
use fnlocal_driver::{Driver, DriverGroup, PackageCode};
use fnlocal_engine::connect::{Engine, EngineVariables, connect};
use fnlocal_engine::identity::random_hex;
use fnlocal_engine::labels::Owner;
use fnlocal_engine::labels::project_label;
use fnlocal_faults::Faults;
use fnlocal_gateway::triggers::{self, MakeSource, Sources, Triggers};
use fnlocal_image::build::REGISTRY;
use fnlocal_logs::{Logs, Record};
use fnlocal_project::{Project, StateDir};
use fnlocal_runtime::PackageRun;
use fnlocal_runtime::docker::mounts::{self, Mounts};
use fnlocal_runtime::open::{OpenError, Opener};
use images::Images;
use settings::node_limits;
use wanted::wanted;

pub use error::UpError;
pub(crate) use settings::{gateway_options, within};

/// How long the packages of a release may take to be imported.
pub(crate) const LOAD: Duration = Duration::from_secs(120);

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
    /// Several nodes instead of one.
    pub fleet: Option<FleetOptions>,
    /// Makes sources that need an SDK of a cloud.
    pub sources: Option<MakeSource>,
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
    let printing = spawn_local(Faults::process().clone().vital("logs", logs.clone().run()));
    let outcome = up(options, &logs, on_ready, stop, began).await;
    printing.abort();
    logs.finish();
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
    let listeners = Listeners::open(SocketAddr::new(options.host, port)).await?;
    let state = StateDir::lock(&project.root)?;
    serve::keep_logs(logs, &state, &project);
    let preparing = async {
        let kept = wanted(&options, &project, &state, logs).await?;
        let engine = connect(&EngineVariables::from_env()).await?;
        let store = Store::open(&state.path().join(REGISTRY))?;
        let ids = images(&engine, &store, &kept.release, logs).await?;
        Ok::<_, UpError>((kept, engine, ids))
    };
    let (kept, engine, ids) = tokio::select! {
        prepared = preparing => prepared?,
        () = stop.gently.cancelled() => return Ok(()),
    };
    let shell = project.shell();
    let work = Work {
        why: format!("Docker {}, release {}", engine.version, kept.short()),
        opener: opener(engine, &project, &state, ids.first()).await?,
        describer: Describer::new(
            kept.release.clone(),
            environment.clone(),
            Box::new(move |name| shell.get(name)),
            logs.clone(),
        ),
        env: environment.shared().clone(),
        more: options.sources,
        ids,
        project,
        state,
        logs: logs.clone(),
        began,
    };
    match &options.fleet {
        Some(fleet) => {
            let settings = fleet::Settings::new(fleet, &work.project)?;
            work.fleet(settings, listeners, on_ready, stop).await
        }
        None => work.alone(listeners, on_ready, stop).await,
    }
}

/// What serves while `up` runs.
struct Work {
    why: String,
    opener: Opener,
    describer: Rc<Describer>,
    env: BTreeMap<String, String>,
    more: Option<MakeSource>,
    ids: Vec<String>,
    project: Project,
    state: StateDir,
    logs: Logs,
    began: Clock,
}

impl Work {
    /// One node, as in the cloud.
    async fn alone(
        self,
        listeners: Listeners,
        on_ready: impl FnOnce(&Ready),
        stop: Stop,
    ) -> Result<(), UpError> {
        let (notices, noticed) = mpsc::channel(1024);
        let progress = |text| self.logs.note(text);
        let session = Session::start(
            self.limits(),
            self.opener.open("n0", notices, &progress).await?,
            Rc::clone(&self.describer) as Rc<dyn fnlocal_driver::Describe>,
            noticed,
            self.logs.clone(),
        );
        let driver = Rc::clone(&session.driver);
        let serving = async {
            let feed = DriverGroup::from_driver(Rc::clone(&driver));
            let triggers = self.triggers(&feed)?;
            self.load(&feed);
            tokio::select! {
                loaded = self.loaded(feed.described()) => loaded?,
                () = stop.gently.cancelled() => return Ok(()),
            }
            let at = listeners.addresses()?;
            let announced = Announced::new(&self.state, at, &self.why, &self.logs);
            on_ready(&self.ready(&driver, at));
            self.logs.flush();
            let front = Front {
                listener: listeners.functions,
                platform: Some(listeners.platform),
                options: gateway_options(self.describer.release(), at.functions.ip().is_loopback()),
                token: &announced.token,
                peers: None,
                triggers: Some(Rc::clone(&triggers)),
                about: Some(self.about()),
            };
            let beside = triggers::beside(Rc::clone(&triggers), std::future::pending());
            serve::accept(&driver, front, beside, &stop).await?;
            triggers.close().await;
            Ok(())
        };
        session.run(serving).await
    }

    /// Several nodes in this process, behind a balancer.
    async fn fleet(
        self,
        settings: fleet::Settings,
        listeners: Listeners,
        on_ready: impl FnOnce(&Ready),
        stop: Stop,
    ) -> Result<(), UpError> {
        let describer = Rc::clone(&self.describer);
        let limits = fleet::share(self.limits(), &self.project, &settings);
        let at = listeners.addresses()?;
        let fleet = Fleet::new(
            NodeFactory {
                opener: self.opener.clone(),
                first: RefCell::default(),
                describe: Box::new(move || {
                    Rc::clone(&describer) as Rc<dyn fnlocal_driver::Describe>
                }),
                counted: Box::new(|_| {}),
                limits,
                gateway: gateway_options(self.describer.release(), at.functions.ip().is_loopback()),
                logs: self.logs.clone(),
                about: self.about(),
            },
            settings,
            &stop,
        );
        let serving = async {
            let triggers = self.triggers(&fleet.feed())?;
            fleet.set_triggers(Rc::clone(&triggers));
            self.load(&fleet.feed());
            let loading = async {
                let Some(driver) = fleet.in_service(&stop).await? else {
                    return Ok(None);
                };
                self.loaded(std::future::ready(())).await?;
                Ok::<_, UpError>(Some(driver))
            };
            let Some(driver) = loading.await? else {
                return Ok(());
            };
            let _announced = fleet.announce(at, &self.why, &self.state);
            on_ready(&self.ready(&driver, at));
            self.logs.flush();
            let beside = triggers::beside(Rc::clone(&triggers), std::future::pending());
            fleet.serve(listeners, beside, &stop).await?;
            triggers.close().await;
            Ok(())
        };
        fleet.run(serving).await
    }

    fn triggers(&self, feed: &DriverGroup) -> Result<Rc<Triggers>, UpError> {
        let sources = Sources {
            root: Some(self.project.root.clone()),
            project: self.project.name.clone(),
            env: self.env.clone(),
            shell: self.project.shell(),
            more: self.more,
        };
        let triggers = Triggers::open(&self.state, feed.clone(), sources, &self.logs)?;
        triggers.bound_queue(&self.project);
        Ok(triggers)
    }

    fn limits(&self) -> NodeLimits {
        node_limits(&self.project, self.describer.release())
    }

    fn load(&self, feed: &DriverGroup) {
        for ((id, package), image) in self.describer.packages().zip(&self.ids) {
            let run = PackageRun {
                name: package.name.clone(),
                image: image.clone(),
                code_root: None,
                env: self.env.clone(),
            };
            load(feed, id, package, run);
        }
    }

    /// Waits until every package has been imported: a release is served whole or not at all.
    async fn loaded(&self, described: impl Future<Output = ()>) -> Result<(), UpError> {
        let late = tokio::time::timeout(LOAD, described).await.is_err();
        let mut broken = self.describer.broken();
        if late {
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

    fn about(&self) -> About {
        About {
            project: self.project.name.clone(),
            runtime: self.why.clone(),
        }
    }

    fn ready(&self, driver: &Driver, at: Addresses) -> Ready {
        Ready {
            address: at.functions,
            platform: at.platform,
            runtime: self.why.clone(),
            functions: driver.with_functions(|functions| functions.all()),
            took: self.began.elapsed(),
        }
    }
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

async fn opener(
    engine: Engine,
    project: &Project,
    state: &StateDir,
    image: Option<&String>,
) -> Result<Opener, OpenError> {
    let owner = Owner {
        project: project_label(&project.name, &project.root),
        folder: project.root.display().to_string(),
        run: random_hex(4),
        node: "n0".to_owned(),
    };
    // Sandboxes only sleep, which every image of ours can.
    let image = image.cloned().unwrap_or_default();
    let engine = mounts::settle(engine, &owner, &image, state.path(), Mounts::Auto).await?;
    Ok(Opener::docker(engine, owner, image))
}

/// Tells the nodes of a package's code, which has it imported.
pub(crate) fn load(feed: &DriverGroup, id: PackageId, package: &ReleasePackage, run: PackageRun) {
    // Hexadecimal: the release was checked.
    let code = CodeHash(u64::from_str_radix(&package.code, 16).unwrap_or_default());
    feed.set_package(id, Arc::new(run), format!("{}/", package.name));
    let what = PackageCode {
        files: package.code.clone(),
        folder: String::new(),
        entries: package.entries.clone(),
    };
    feed.set_code(id, code, what, true);
}
