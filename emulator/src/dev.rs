//! `fnlocal dev`: a folder of functions, served and reloaded.
//!
//! Puts the parts together on one thread and runs them until told to stop. What each part does
//! stands in its own module; only their order is here.

mod background;
mod describe;
mod error;
mod reload;
mod settings;
mod tracked;

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use fnlocal_core::{PackageId, Profile};
use tokio::sync::mpsc;
use tokio::task::spawn_local;

use crate::dashboard::About;
use crate::fleet::{self, Fleet, FleetOptions, NodeFactory};
use crate::inspect::InspectOptions;
use crate::inspect::Inspector;
use crate::select;
use crate::select::{Choice, Selected};
use crate::serve::{self, Addresses, Announced, Front, Listeners, Session, with_hint};
use fnlocal_driver::{Driver, DriverGroup};
use fnlocal_faults::Faults;
use fnlocal_gateway::triggers::{self, MakeSource, Sources, Triggers};
use fnlocal_logs::{Logs, Record};
use fnlocal_project::watch::{Change, Watcher};
use fnlocal_project::{Project, StateDir};
use fnlocal_runtime::Notice;
use fnlocal_runtime::docker::mounts::Mounts;

use background::Background;
use describe::Describer;
use reload::Reloader;
use settings::{choice, recorder};
use tracked::Made;

pub use crate::serve::{PORT, Ready, Stop};
pub use error::DevError;
pub(crate) use settings::{gateway_options, node_limits};

/// Time without a save after which copies are made ahead for the next.
const QUIET: Duration = Duration::from_millis(300);

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
    /// How code gets into containers.
    pub mounts: Mounts,
    /// Which `.env.NAME` is read.
    pub env_name: Option<String>,
    /// Whose limits apply.
    pub profile: Profile,
    /// Where the core's events are written, if they are. Not for a fleet, which has many cores.
    pub record: Option<PathBuf>,
    /// A function to debug. Not for a fleet, which has instances of it on many nodes.
    pub inspect: Option<InspectOptions>,
    /// Several nodes instead of one.
    pub fleet: Option<FleetOptions>,
    /// Makes sources that need an SDK of a cloud.
    pub sources: Option<MakeSource>,
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
    let printing = spawn_local(Faults::process().clone().vital("logs", logs.clone().run()));
    let outcome = serve(options, &logs, on_ready, stop, began).await;
    printing.abort();
    logs.finish();
    outcome
}

async fn serve(
    options: DevOptions,
    logs: &Logs,
    on_ready: impl FnOnce(&Ready),
    stop: Stop,
    began: std::time::Instant,
) -> Result<(), DevError> {
    let mut project = Project::open(&options.path, options.env_name.as_deref())?;
    project.profile = options.profile;
    for warning in &project.warnings {
        logs.warn(with_hint(&warning.text, warning.hint.as_deref()));
    }
    let environment = project.environment()?;
    let port = options.port.or(project.config().dev.port).unwrap_or(PORT);
    let listeners = Listeners::open(SocketAddr::new(options.host, port)).await?;
    let state = Rc::new(StateDir::lock(&project.root)?);
    serve::keep_logs(logs, &state, &project);
    let (notices, noticed) = mpsc::channel(1024);
    let progress = logs.clone();
    let tell = move |text: String| progress.note(text);
    let selected = tokio::select! {
        selected = select::select(
            choice(&options, &project),
            options.mounts,
            &project,
            state.path(),
            if options.fleet.is_some() { fleet::FIRST } else { "n0" },
            notices,
            &tell,
        ) => selected?,
        () = stop.gently.cancelled() => return Ok(()),
    };
    let sources = Sources {
        root: Some(project.root.clone()),
        project: project.name.clone(),
        env: environment.shared().clone(),
        shell: project.shell(),
        more: options.sources,
    };
    let preparer = selected.preparer.clone();
    let describer = Describer::new(project.clone(), environment, logs.clone());
    let work = Work {
        sources,
        describer,
        selected,
        state,
        logs: logs.clone(),
        began,
    };
    let served = match &options.fleet {
        Some(fleet) => {
            let settings = fleet::Settings::new(fleet, &project)?;
            work.fleet(settings, listeners, noticed, on_ready, stop)
                .await
        }
        None => {
            work.alone(&options, listeners, noticed, on_ready, stop)
                .await
        }
    };
    preparer.close().await;
    served
}

/// What serves while `dev` runs.
struct Work {
    sources: Sources,
    describer: Rc<Describer>,
    selected: Selected,
    state: Rc<StateDir>,
    logs: Logs,
    began: std::time::Instant,
}

impl Work {
    /// One node, which is this laptop.
    async fn alone(
        self,
        options: &DevOptions,
        listeners: Listeners,
        noticed: mpsc::Receiver<Notice>,
        on_ready: impl FnOnce(&Ready),
        stop: Stop,
    ) -> Result<(), DevError> {
        let limits = node_limits(&self.describer.project());
        let recorder = recorder(options, &limits)?;
        let session = Session::start(
            limits,
            Arc::clone(&self.selected.runtime),
            Rc::clone(&self.describer) as Rc<dyn fnlocal_driver::Describe>,
            noticed,
            self.logs.clone(),
        );
        let driver = Rc::clone(&session.driver);
        if let Some(recorder) = recorder {
            driver.record(recorder);
        }
        let logs = self.logs.clone();
        let serving = async {
            let inspecting = self.inspecting(options, &driver).await?;
            let feed = DriverGroup::from_driver(Rc::clone(&driver));
            let triggers = self.triggers(&feed)?;
            let Some((beside, background)) = self.load(feed, &stop).await? else {
                return Ok(());
            };
            let beside = async {
                tokio::join!(beside, inspecting);
            };
            let at = listeners.addresses()?;
            let announced = Announced::new(&self.state, at, &self.selected.why, &self.logs);
            on_ready(&self.ready(&driver, at));
            self.logs.flush();
            let front = Front {
                listener: listeners.functions,
                platform: Some(listeners.platform),
                options: gateway_options(&self.describer.project(), at.functions),
                token: &announced.token,
                peers: None,
                triggers: Some(Rc::clone(&triggers)),
                about: Some(self.about()),
            };
            let beside = triggers::beside(Rc::clone(&triggers), beside);
            serve::accept(&driver, front, beside, &stop).await?;
            triggers.close().await;
            background.end().await;
            Ok(())
        };
        let served = session.run(serving).await;
        if let Err(error) = driver.end_recording() {
            logs.warn(format!("the recording is cut off: {error}"));
        }
        served
    }

    /// The port for debuggers, if one was asked for. What comes back does not end.
    async fn inspecting(
        &self,
        options: &DevOptions,
        driver: &Rc<Driver>,
    ) -> Result<impl Future<Output = ()> + 'static, DevError> {
        let inspector = match &options.inspect {
            Some(inspect) => Some(Inspector::listen(inspect).await?),
            None => None,
        };
        if let Some(inspector) = &inspector {
            driver.inspect(Arc::clone(inspector.function()));
            let (name, port) = (inspector.function(), inspector.port());
            self.logs
                .note(format!("debuggers of {name} attach to 127.0.0.1:{port}"));
        }
        let driver = Rc::clone(driver);
        Ok(async {
            match inspector {
                Some(inspector) => inspector.serve(driver).await,
                None => std::future::pending().await,
            }
        })
    }

    /// Several nodes in this process, behind a balancer.
    async fn fleet(
        self,
        settings: fleet::Settings,
        listeners: Listeners,
        noticed: mpsc::Receiver<Notice>,
        on_ready: impl FnOnce(&Ready),
        stop: Stop,
    ) -> Result<(), DevError> {
        let project = self.describer.project();
        let describer = Rc::clone(&self.describer);
        let counting = Rc::clone(&self.describer);
        let limits = fleet::share(node_limits(&project), &project, &settings);
        let at = listeners.addresses()?;
        let fleet = Fleet::new(
            NodeFactory {
                opener: self.selected.opener.clone(),
                first: RefCell::new(Some((Arc::clone(&self.selected.runtime), noticed))),
                describe: Box::new(move || {
                    Rc::clone(&describer) as Rc<dyn fnlocal_driver::Describe>
                }),
                counted: Box::new(move |nodes| counting.set_nodes(nodes)),
                limits,
                gateway: gateway_options(&project, at.functions),
                logs: self.logs.clone(),
                about: self.about(),
            },
            settings,
            &stop,
        );
        let serving = async {
            let triggers = self.triggers(&fleet.feed())?;
            fleet.set_triggers(Rc::clone(&triggers));
            let Some((beside, background)) = self.load(fleet.feed(), &stop).await? else {
                return Ok(());
            };
            let Some(driver) = fleet.in_service(&stop).await? else {
                return Ok(());
            };
            let _announced = fleet.announce(at, &self.selected.why, &self.state);
            on_ready(&self.ready(&driver, at));
            self.logs.flush();
            let beside = triggers::beside(Rc::clone(&triggers), beside);
            fleet.serve(listeners, beside, &stop).await?;
            triggers.close().await;
            background.end().await;
            Ok(())
        };
        fleet.run(serving).await
    }

    fn triggers(&self, feed: &DriverGroup) -> Result<Rc<Triggers>, DevError> {
        let sources = self.sources.clone();
        let triggers = Triggers::open(&self.state, feed.clone(), sources, &self.logs)?;
        triggers.bound_queue(&self.describer.project());
        Ok(triggers)
    }

    /// Loads all packages. What is to run beside the serving, and what builds images ahead; none
    /// when told to stop.
    async fn load(
        &self,
        feed: DriverGroup,
        stop: &Stop,
    ) -> Result<Option<(impl Future<Output = ()> + 'static, Rc<Background>)>, DevError> {
        let (watcher, changes) = Watcher::start(&self.describer.project())?;
        let (made, ready_made) = mpsc::channel(16);
        // Without an engine, what is installed for an image cannot be.
        let ahead = self.describer.project().config().build.background != Some(false);
        let ahead = ahead && self.selected.preparer.makes_images();
        let background = Rc::new(Background::new(ahead, self.state.path().to_owned()));
        let mut reloader = Reloader::new(
            feed,
            Rc::clone(&self.describer),
            self.selected.preparer.clone(),
            Rc::clone(&self.state),
            made,
            self.logs.clone(),
        );
        tokio::select! {
            loaded = reloader.load_all() => if !loaded {
                return Err(DevError::NothingToServe);
            },
            () = stop.gently.cancelled() => return Ok(None),
        }
        let describer = Rc::clone(&self.describer);
        let beside = reloading(
            (reloader, describer, Rc::clone(&background)),
            (watcher, changes, ready_made),
            self.logs.clone(),
        );
        Ok(Some((beside, background)))
    }

    fn about(&self) -> About {
        About {
            project: self.describer.project().name.clone(),
            runtime: self.selected.why.clone(),
        }
    }

    fn ready(&self, driver: &Driver, at: Addresses) -> Ready {
        Ready {
            address: at.functions,
            platform: at.platform,
            runtime: self.selected.why.clone(),
            functions: driver.with_functions(|functions| functions.all()),
            took: self.began.elapsed(),
        }
    }
}

/// Reloads what changes until dropped.
async fn reloading(
    (mut reloader, describer, background): (Reloader, Rc<Describer>, Rc<Background>),
    (watcher, mut changes, mut ready_made): (
        Watcher,
        mpsc::Receiver<Change>,
        mpsc::Receiver<(PackageId, Made)>,
    ),
    logs: Logs,
) {
    loop {
        tokio::select! {
            Some(change) = changes.recv() => {
                background.changed();
                if reloader.reload(&change).await {
                    watcher.replan(&describer.project());
                }
            }
            Some((package, made)) = ready_made.recv() => reloader.made(package, made).await,
            () = tokio::time::sleep(QUIET), if reloader.unprepared() => reloader.tidy().await,
            () = tokio::time::sleep(background::QUIET), if background.is_due() => {
                background.start(describer.project());
            }
            why = background.failed() => {
                logs.warn(format!("the image could not be built ahead: {why}"));
            }
        }
    }
}
