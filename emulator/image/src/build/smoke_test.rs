//! The check that the nodes' program starts on the default base at all: a program linked against a
//! newer C library than the base has does not, and that would show on machines only.

use std::path::Path;
use std::time::Duration;

use bollard::errors::Error as EngineError;
use bollard::models::{ContainerCreateBody, HostConfig};
use fnlocal_registry::Digest;

use super::error::{BuildError, bug};
use super::{BuildOptions, OnBuildProgress, Site, bases, owner};
use crate::Root;
use crate::error::engine;
use crate::oci::manifest::ImagePlatform;
use fnlocal_engine::connect::Engine;
use fnlocal_engine::container::{created_by_us, hardened, without_network};
use fnlocal_engine::helper::{self, HelperError, HelperLimits, Ran};
use fnlocal_engine::naming;
use fnlocal_engine::reaper;
use fnlocal_project::{Project, StateDir};

/// The name of this kind of record.
const KIND: &str = "trial";
/// Where the program is put.
const PROGRAM: &str = "fnlocal";
/// The folder it is put into.
const FOLDER: &str = "/fnlocal-trial";
/// The current step, for people.
const WHAT: &str = "trying the nodes' program";
const MEMORY_MIB: u32 = 512;
const PIDS: i64 = 256;
const BOUNDS: HelperLimits = HelperLimits {
    time: Duration::from_secs(30),
    stdout_bytes: 64 * 1024,
};

/// The result of a trial that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SmokeTestResult {
    /// The program runs, now or at an earlier trial.
    Runs,
    /// The program could not be tried, with the reason.
    Untried(String),
}

/// Runs a program once on the default base with `--version`. `image` is the image of both: one that
/// was tried is not tried again.
///
/// # Errors
/// [`BuildError::Program`] when it does not run there; others when the trial itself breaks down.
pub async fn try_program(
    options: &BuildOptions,
    platform: ImagePlatform,
    program: &Path,
    image: &Digest,
    tell: OnBuildProgress<'_>,
) -> Result<SmokeTestResult, BuildError> {
    let project = Project::open(&options.path, None)?;
    let state = StateDir::lock_build(&project.root)?;
    let site = Site::new(&project, state.path(), owner(&project), tell)?;
    if site.records.get::<bool>(KIND, image.hex()).is_some() {
        return Ok(SmokeTestResult::Runs);
    }
    let engine_ = match site.engine(WHAT).await {
        Ok(engine) => engine,
        Err(BuildError::Engine { source, .. }) => {
            return Ok(SmokeTestResult::Untried(source.to_string()));
        }
        Err(error) => return Err(error),
    };
    if platform != ImagePlatform::here() {
        let why = format!("it is for {platform}, and this machine is not");
        return Ok(SmokeTestResult::Untried(why));
    }
    let base = bases::usual(&site, platform).await?;
    let base = base.in_engine(&engine_.docker, &site.store).await?;
    let ran = try_on(&site, engine_, &base, program).await?;
    if ran.code != 0 {
        return Err(BuildError::Program {
            program: program.to_owned(),
            why: String::from_utf8_lossy(&ran.stderr).trim_end().to_owned(),
        });
    }
    site.records.put(KIND, image.hex(), &true);
    Ok(SmokeTestResult::Runs)
}

async fn try_on(
    site: &Site<'_>,
    engine_: &Engine,
    base: &str,
    program: &Path,
) -> Result<Ran, BuildError> {
    let docker = &engine_.docker;
    let body = without_network(ContainerCreateBody {
        image: Some(base.to_owned()),
        user: Some(helper::helper_user(engine_)),
        entrypoint: Some(vec![format!("{FOLDER}/{PROGRAM}")]),
        cmd: Some(vec!["--version".to_owned()]),
        labels: Some(site.owner.labels("build", None)),
        host_config: Some(HostConfig {
            mounts: Some(vec![helper::scratch(FOLDER)]),
            ..hardened(engine_, MEMORY_MIB, PIDS)
        }),
        ..created_by_us()
    });
    let mut root = Root::default();
    root.file(PROGRAM, program, 0o755);
    let bytes = tokio::task::spawn_blocking(move || root.bytes()).await;
    let bytes = match bytes {
        Ok(Ok(bytes)) => helper::whole(bytes),
        Ok(Err(error)) => return Err(bug(error)),
        Err(error) => return Err(bug(error)),
    };
    let made = docker
        .create_container(naming::new(&site.owner, "build"), body)
        .await;
    let id = made.map_err(engine("creating a container to try the nodes' program in"))?;
    let ran = match helper::put(docker, &id.id, FOLDER, bytes).await {
        Ok(()) => helper::run(docker, &id.id, BOUNDS).await,
        Err(error) => Err(error.into()),
    };
    reaper::remove(docker, &id.id).await;
    let does_not_run = |why| BuildError::Program {
        program: program.to_owned(),
        why,
    };
    ran.map_err(|error| match error {
        // Without the program's own interpreter an engine does not even start it.
        HelperError::Engine(EngineError::DockerResponseServerError {
            status_code: 400..=499,
            message,
        }) => does_not_run(message),
        HelperError::Engine(other) => engine(WHAT)(other).into(),
        HelperError::Time(time) => does_not_run(format!("no end within {} s", time.as_secs())),
        HelperError::Output(bytes) => does_not_run(format!("it wrote more than {bytes} bytes")),
    })
}
