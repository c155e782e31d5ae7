//! Common parts of the commands for AWS: the environment, the connection, the end.

pub mod ask;
pub mod checkpoint;
pub mod endpoint;
mod environment;
pub mod progress;

use std::path::Path;

use fnlocal_cloud::aws::{Aws, PollPace, configuration};
use fnlocal_cloud::environment::CloudEnvironment;
use fnlocal_cloud::{CloudError, CloudErrorKind, Plan, ResourceNames};
use fnlocal_project::Project;

use crate::error::{CliError, CommandResult};
use crate::run::warn;
use crate::serving::interrupted;
use crate::wait;
pub use checkpoint::Checkpoint;

/// A project and one of its environments.
pub struct CloudTarget {
    /// The project.
    pub project: Project,
    /// The environment.
    pub env: CloudEnvironment,
}

impl CloudTarget {
    /// The environment `env` of the project in a folder; the only one when none is named.
    pub fn open(folder: &Path, env: Option<&str>) -> Result<Self, CliError> {
        let project = Project::open(folder, env)?;
        let env = environment::choose(&project, env)?;
        Ok(Self { project, env })
    }

    /// Connects to AWS as this machine is configured to.
    pub async fn connect(&self) -> Result<Aws, CliError> {
        let names = ResourceNames::new(&self.project.name, &self.env.name)?;
        let config = configuration(self.env.region.as_deref()).await;
        if self.env.region.is_none() {
            let region = config
                .region()
                .map_or("eu-west-1", |region| region.as_ref());
            return Err(self.no_region(region).into());
        }
        let aws = Aws::connect(&config, names, PollPace::default()).await?;
        match &self.env.account {
            Some(wanted) if *wanted != aws.place().account => {
                Err(self.other_account(wanted, &aws.place().account).into())
            }
            _ => Ok(aws),
        }
    }

    fn no_region(&self, region: &str) -> CloudError {
        let what = format!("[env.{}] names no AWS region", self.env.name);
        CloudError::new(CloudErrorKind::Config, what).hint(format!(
            "write `region = \"{region}\"` in [env.{}] of fnlocal.toml",
            self.env.name
        ))
    }

    fn other_account(&self, wanted: &str, found: &str) -> CloudError {
        let env = &self.env.name;
        let what =
            format!("the AWS credentials are of account {found}, and [env.{env}] says {wanted}");
        let hint = "choose the account's profile with AWS_PROFILE, or correct `account`";
        CloudError::new(CloudErrorKind::Config, what).hint(hint)
    }

    /// A command of fnlocal for this environment, to be typed.
    pub fn command(&self, name: &str) -> String {
        format!("fnlocal {name} --env {}", self.env.name)
    }
}

/// Runs a command until it ends, or until Ctrl-C: then it says how far it has come.
pub fn run(command: impl AsyncFnOnce(&Checkpoint) -> CommandResult) -> CommandResult {
    let journey = Checkpoint::default();
    wait::until_done(async {
        tokio::select! {
            outcome = command(&journey) => outcome,
            () = interrupted() => Err(journey.interrupted()),
        }
    })?
}

/// Prints what people should know and what is no reason to stop.
pub fn warn_all(warnings: &[fnlocal_project::Warning]) {
    for warning in warnings {
        warn(&warning.text, warning.hint.as_deref());
    }
}

/// A plan for machines.
pub fn json(plan: &Plan) -> Result<String, CliError> {
    serde_json::to_string_pretty(plan)
        .map_err(|error| CliError::bug(format!("the plan cannot be written: {error}")))
}
