//! What the commands for AWS have in common: which environment, the connection, how they end.

pub mod ask;
pub mod checkpoint;
pub mod endpoint;
mod environment;
pub mod progress;
mod refusal;

use std::path::Path;

use fnlocal_cloud::aws::{Aws, Pace, configuration};
use fnlocal_cloud::environment::Environment;
use fnlocal_cloud::{Names, Plan};
use fnlocal_project::Project;

use crate::exit::Exit;
use crate::run::{fail, warn};
use crate::serving::interrupted;
pub use checkpoint::Checkpoint;
pub use refusal::Refusal;

/// A project and one of its environments.
pub struct Place {
    /// The project.
    pub project: Project,
    /// The environment.
    pub env: Environment,
}

impl Place {
    /// The environment `env` of the project in a folder; the only one when none is named.
    pub fn open(folder: &Path, env: Option<&str>) -> Result<Self, Refusal> {
        let project = Project::open(folder, env)?;
        let env = environment::choose(&project, env)?;
        Ok(Self { project, env })
    }

    /// Connects to AWS as this machine is configured to.
    pub async fn connect(&self) -> Result<Aws, Refusal> {
        let names = Names::new(&self.project.name, &self.env.name)?;
        let config = configuration(self.env.region.as_deref()).await;
        Ok(Aws::connect(&config, names, Pace::default()).await?)
    }

    /// A command of fnlocal for this environment, to be typed.
    pub fn command(&self, name: &str) -> String {
        format!("fnlocal {name} --env {}", self.env.name)
    }
}

/// Runs a command until it ends, or until Ctrl-C: then it says how far it has come.
pub fn run(command: impl AsyncFnOnce(&Checkpoint) -> Result<Exit, Refusal>) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Failed, &error, None),
    };
    let journey = Checkpoint::default();
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = command(&journey) => outcome,
            () = interrupted() => Err(journey.interrupted()),
        }
    });
    // Somebody may still be asked, and files read; nobody waits for that.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|refusal| refusal.tell())
}

/// Prints what people should know and what is no reason to stop.
pub fn warn_all(warnings: &[fnlocal_project::Warning]) {
    for warning in warnings {
        warn(&warning.text, warning.hint.as_deref());
    }
}

/// A plan for machines.
pub fn json(plan: &Plan) -> Result<String, Refusal> {
    serde_json::to_string_pretty(plan).map_err(|error| {
        Refusal::new(
            Exit::Bug,
            format!("the plan cannot be written: {error}"),
            None,
        )
    })
}
