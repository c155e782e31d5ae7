//! Whether the program that nodes run starts on the default base at all: one that was linked
//! against a newer C library than the base has does not, and that would show on machines only.

use std::path::Path;

use bollard::errors::Error as EngineError;
use bollard::models::{ContainerCreateBody, HostConfig};
use fnlocal_registry::Digest;

use super::container::{Ran, run};
use super::error::{BuildError, bug};
use super::{BuildOptions, Site, Tell, bases, owner};
use crate::image::error::engine;
use crate::image::oci::manifest::Platform;
use crate::image::{ImageError, Root};
use crate::project::{Project, StateDir};
use crate::runtime::docker::connect::Engine;
use crate::runtime::docker::container::hardened;
use crate::runtime::docker::reaper;

/// What one kind of record is called.
const KIND: &str = "trial";
/// Where the program is put.
const PROGRAM: &str = "usr/local/bin/fnlocal";
/// What is being done, for people.
const WHAT: &str = "trying the nodes' program";
const MEMORY_MIB: u32 = 512;
const PIDS: i64 = 256;

/// What came of a trial that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It runs, now or when it was tried before.
    Runs,
    /// It could not be tried, and why.
    Untried(String),
}

/// Runs a program once on the default base with `--version`. `image` is the image of both: one that
/// was tried is not tried again.
///
/// # Errors
/// [`BuildError::Program`] when it does not run there; others when the trial itself breaks down.
pub async fn try_program(
    options: &BuildOptions,
    platform: Platform,
    program: &Path,
    image: &Digest,
    tell: Tell<'_>,
) -> Result<Trial, BuildError> {
    let project = Project::open(&options.path, None)?;
    let state = StateDir::lock_build(&project.root)?;
    let site = Site::new(&project, state.path(), owner(&project), tell)?;
    if site.records.get::<bool>(KIND, image.hex()).is_some() {
        return Ok(Trial::Runs);
    }
    let engine_ = match site.engine(WHAT).await {
        Ok(engine) => engine,
        Err(BuildError::Engine { source, .. }) => return Ok(Trial::Untried(source.to_string())),
        Err(error) => return Err(error),
    };
    if platform != Platform::here() {
        let why = format!("it is for {platform}, and this machine is not");
        return Ok(Trial::Untried(why));
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
    Ok(Trial::Runs)
}

async fn try_on(
    site: &Site<'_>,
    engine_: &Engine,
    base: &str,
    program: &Path,
) -> Result<Ran, BuildError> {
    let docker = &engine_.docker;
    let body = ContainerCreateBody {
        image: Some(base.to_owned()),
        entrypoint: Some(vec![format!("/{PROGRAM}")]),
        cmd: Some(vec!["--version".to_owned()]),
        labels: Some(site.owner.labels("build", None)),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            // What it writes is read from the log.
            log_config: None,
            // It has to be put in first.
            readonly_rootfs: Some(false),
            ..hardened(engine_, MEMORY_MIB, PIDS)
        }),
        ..ContainerCreateBody::default()
    };
    let made = docker.create_container(None, body).await;
    let id = made.map_err(engine("creating a container to try the nodes' program in"))?;
    let mut root = Root::default();
    root.file(PROGRAM, program, 0o755);
    let bytes = tokio::task::spawn_blocking(move || root.bytes()).await;
    let ran = match bytes {
        Ok(Ok(bytes)) => run(engine_, &id.id, bytes, WHAT).await,
        Ok(Err(error)) => Err(bug(error)),
        Err(error) => Err(bug(error)),
    };
    reaper::remove(docker, &id.id).await;
    match ran {
        // Without the program's own interpreter an engine does not even start it.
        Err(BuildError::Image(ImageError::Engine { source, .. })) => match *source {
            EngineError::DockerResponseServerError {
                status_code: 400..=499,
                message,
            } => Err(BuildError::Program {
                program: program.to_owned(),
                why: message,
            }),
            other => Err(engine(WHAT)(other).into()),
        },
        other => other,
    }
}
