//! A folder of functions, served as it is and reloaded when it changes.

mod background;
mod reload;
mod tracked;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use fnlocal_core::{PackageId, Profile};
use tokio::sync::mpsc;

use super::{OpenedWorkload, ServedProject, ServedWorkload};
use crate::describe::FolderDescriber;
use crate::error::ServeError;
use crate::limits::node_limits;
use crate::select::{Choice, Preparer, select};
use crate::session::{MAX_NOTICES, NodeFactory, OpenedRuntime};
use fnlocal_driver::Describe;
use fnlocal_gateway::triggers::Triggers;
use fnlocal_logs::Logs;
use fnlocal_project::watch::{Change, Watcher};
use fnlocal_project::{Project, RuntimeKind, StateDir};
use fnlocal_runtime::docker::mounts::Mounts;

use background::Background;
use reload::Reloader;
use tracked::PreparedPackage;

/// Time without a save after which copies are made ahead for the next.
const QUIET: Duration = Duration::from_millis(300);

/// How a folder is served.
#[derive(Clone, Debug)]
pub struct FolderOptions {
    /// The runtime of instances; `None` for that of fnlocal.toml, or any.
    pub runtime: Option<Choice>,
    /// How code gets into containers.
    pub mounts: Mounts,
    /// Whose limits apply.
    pub profile: Profile,
}

/// A folder that is served.
pub(crate) struct FolderWorkload {
    describer: Rc<FolderDescriber>,
    preparer: Preparer,
    background: Background,
    state: Rc<StateDir>,
    logs: Logs,
}

/// Opens the runtime, with that of the first node.
pub(super) async fn open(
    options: &FolderOptions,
    served: &ServedProject<'_>,
    first_node: &'static str,
) -> Result<OpenedWorkload, ServeError> {
    let (project, logs) = (served.project, served.logs);
    let (sender, notices) = mpsc::channel(MAX_NOTICES);
    let selected = select(
        choice(options, project),
        options.mounts,
        project,
        served.state.path(),
        first_node,
        sender,
        &|text| logs.note(text),
    )
    .await?;
    let describer = FolderDescriber::new(project.clone(), served.environment.clone(), logs.clone());
    let describe = Rc::clone(&describer) as Rc<dyn Describe>;
    let factory = NodeFactory {
        first: RefCell::new(Some(OpenedRuntime {
            node: first_node,
            runtime: selected.runtime,
            notices,
        })),
        ..NodeFactory::new(
            selected.opener,
            describe,
            node_limits(project),
            logs.clone(),
        )
    };
    // Without an engine, what is installed for an image cannot be.
    let ahead = project.config().build.background != Some(false);
    let ahead = ahead && selected.preparer.makes_images();
    let folder = FolderWorkload {
        describer,
        preparer: selected.preparer,
        background: Background::new(ahead, served.state.path().to_owned()),
        state: Rc::clone(served.state),
        logs: logs.clone(),
    };
    Ok(OpenedWorkload {
        workload: ServedWorkload::Folder(Rc::new(folder)),
        factory,
        runtime: selected.why,
    })
}

/// Returns the runtime of instances: from the command line, or else from the project.
fn choice(options: &FolderOptions, project: &Project) -> Choice {
    options
        .runtime
        .unwrap_or(match project.config().dev.runtime {
            None => Choice::Auto,
            Some(RuntimeKind::Docker) => Choice::Docker,
            Some(RuntimeKind::Process) => Choice::Process,
        })
}

impl FolderWorkload {
    /// The project as it is configured now.
    pub fn project(&self) -> Project {
        self.describer.project()
    }

    /// Loads all packages. Returns what reloads them for as long as it runs.
    pub async fn load(
        self: &Rc<Self>,
        triggers: &Rc<Triggers>,
    ) -> Result<impl Future<Output = ()> + 'static, ServeError> {
        let (watcher, changes) = Watcher::start(&self.project())?;
        let (made, ready_made) = mpsc::channel(16);
        let mut reloader = Reloader::new(Rc::clone(self), Rc::clone(triggers), made);
        if !reloader.load_all().await {
            return Err(ServeError::NothingToServe);
        }
        Ok(reloading(reloader, watcher, changes, ready_made))
    }

    /// Ends the build in the background.
    pub async fn end(&self) {
        self.background.end().await;
    }

    /// Removes what was brought to the engine, once nothing runs any more.
    pub async fn close(&self) {
        self.preparer.close().await;
    }
}

/// Reloads what changes until dropped.
async fn reloading(
    mut reloader: Reloader,
    watcher: Watcher,
    mut changes: mpsc::Receiver<Change>,
    mut ready_made: mpsc::Receiver<(PackageId, PreparedPackage)>,
) {
    let folder = Rc::clone(&reloader.folder);
    let background = &folder.background;
    loop {
        tokio::select! {
            Some(change) = changes.recv() => {
                background.changed();
                if reloader.reload(&change).await {
                    watcher.replan(&folder.project());
                }
            }
            Some((package, made)) = ready_made.recv() => reloader.made(package, made).await,
            () = tokio::time::sleep(QUIET), if reloader.unprepared() => reloader.tidy().await,
            () = tokio::time::sleep(background::QUIET), if background.is_due() => {
                background.start(folder.project());
            }
            why = background.failed() => {
                folder.logs.warn(format!("the image could not be built ahead: {why}"));
            }
        }
    }
}
