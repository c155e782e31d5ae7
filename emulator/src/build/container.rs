//! The wrapper's description asked of an image, in a container.

use std::collections::BTreeMap;
use std::path::Path;

use bollard::container::LogOutput;
use bollard::errors::Error as EngineError;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{LogsOptions, UploadToContainerOptions, WaitContainerOptions};
use futures_util::StreamExt;

use super::Site;
use super::code::FOLDER;
use super::describe;
use super::error::{BuildError, bug};
use crate::image::error::engine;
use crate::image::oci::manifest::entrypoint;
use crate::image::{Root, wrapper};
use crate::project::{DescribedModule, Package};
use crate::runtime::docker::connect::Engine;
use crate::runtime::docker::container::hardened;
use crate::runtime::docker::reaper;

/// As much as a function has unless it says otherwise.
const MEMORY_MIB: u32 = 512;
const PIDS: i64 = 256;

/// What an image of the engine says of its functions.
pub(super) async fn describe(
    site: &Site<'_>,
    engine_: &Engine,
    package: &Package,
    image: &str,
    env: &BTreeMap<String, String>,
) -> Result<Vec<DescribedModule>, BuildError> {
    let docker = &engine_.docker;
    let body = body(site, engine_, package, image, env);
    let made = docker.create_container(None, body).await;
    let id = made.map_err(engine("creating a container to describe"))?.id;
    let written = ask(engine_, &id).await;
    reaper::remove(docker, &id).await;
    let (stdout, stderr) = written?;
    let described = describe::parse(&stdout).ok_or_else(|| BuildError::Describe {
        package: package.name.clone(),
        why: String::from_utf8_lossy(&stderr).trim_end().to_owned(),
    })?;
    describe::failed(package, &described)?;
    Ok(described)
}

fn body(
    site: &Site<'_>,
    engine: &Engine,
    package: &Package,
    image: &str,
    env: &BTreeMap<String, String>,
) -> ContainerCreateBody {
    let mut variables: Vec<String> = env
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let settings = describe::settings(package, Path::new(FOLDER));
    variables.extend(settings.iter().map(|(key, value)| format!("{key}={value}")));
    variables.push("HOME=/tmp".to_owned());
    let tmp = (
        "/tmp".to_owned(),
        "rw,exec,nosuid,nodev,mode=1777".to_owned(),
    );
    ContainerCreateBody {
        image: Some(image.to_owned()),
        env: Some(variables),
        entrypoint: Some(entrypoint()),
        cmd: Some(vec!["--describe".to_owned()]),
        labels: Some(site.owner.labels("build", Some(&package.name))),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            tmpfs: Some([tmp].into()),
            // Its lines are read from the log.
            log_config: None,
            // The wrapper may have to be put in first.
            readonly_rootfs: Some(false),
            ..hardened(engine, MEMORY_MIB, PIDS)
        }),
        ..ContainerCreateBody::default()
    }
}

async fn ask(engine_: &Engine, id: &str) -> Result<(Vec<u8>, Vec<u8>), BuildError> {
    let mut root = Root::default();
    root.text(wrapper::PATH, wrapper::RUNNER, 0o755);
    let bytes = root.bytes().map_err(bug)?;
    let ran = run(engine_, id, bytes, "describing in a container").await?;
    Ok((ran.stdout, ran.stderr))
}

/// What a container did.
pub(super) struct Ran {
    /// Its exit code.
    pub code: i64,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Puts the files of a tar into a container, starts it and waits for its end.
pub(super) async fn run(
    engine_: &Engine,
    id: &str,
    tar: Vec<u8>,
    what: &'static str,
) -> Result<Ran, BuildError> {
    let docker = &engine_.docker;
    let options = UploadToContainerOptions {
        path: "/".to_owned(),
        ..UploadToContainerOptions::default()
    };
    let body = bollard::body_full(tar.into());
    let put = docker.upload_to_container(id, Some(options), body).await;
    put.map_err(engine(what))?;
    let started = docker.start_container(id, None).await;
    started.map_err(engine(what))?;
    let mut ended = docker.wait_container(id, None::<WaitContainerOptions>);
    let mut code = 0;
    while let Some(end) = ended.next().await {
        code = match end {
            Ok(end) => end.status_code,
            // An exit code other than 0 comes as an error.
            Err(EngineError::DockerContainerWaitError { code, .. }) => code,
            Err(error) => return Err(engine(what)(error).into()),
        };
    }
    let options = LogsOptions {
        stdout: true,
        stderr: true,
        ..LogsOptions::default()
    };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut lines = docker.logs(id, Some(options));
    while let Some(line) = lines.next().await {
        match line.map_err(engine(what))? {
            LogOutput::StdErr { message } => stderr.extend_from_slice(&message),
            other => stdout.extend_from_slice(other.as_ref()),
        }
    }
    Ok(Ran {
        code,
        stdout,
        stderr,
    })
}
