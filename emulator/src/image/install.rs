//! Installing dependencies in a container of the base: the person's machine is not touched, and
//! what is built is built for where it will run.

use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::UploadToContainerOptions;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::deps::{Dependencies, settings};
use super::error::{ImageError, engine};
use super::npm::{HostSettings, WORK, text};
use super::oci::manifest::Platform;
use super::root::Root;
use super::{LONG, Progress};
use crate::runtime::docker::labels::Owner;

/// Bytes of npm's output kept for an error.
const KEPT: usize = 1024 * 1024;
/// How often the person hears that an install goes on.
const NEWS: Duration = Duration::from_secs(10);

/// Containers to install in.
#[derive(Clone, Copy)]
pub(crate) struct Installer<'a> {
    pub docker: &'a Docker,
    pub owner: &'a Owner,
    /// The image to install upon.
    pub base: &'a str,
    pub package: &'a str,
    /// Where it will run, if not where it is installed.
    pub target: Option<Platform>,
}

impl Installer<'_> {
    /// Makes a container, which the caller removes.
    pub async fn create(&self) -> Result<String, ImageError> {
        let made = self.docker.create_container(None, self.container()).await;
        Ok(made.map_err(engine("creating a container to build in"))?.id)
    }

    /// Installs into `/node_modules` of a container it made and puts the files of `root` beside.
    pub async fn install(
        &self,
        id: &str,
        mut root: Root,
        dependencies: &Dependencies,
        progress: Progress<'_>,
    ) -> Result<(), ImageError> {
        let host = settings(dependencies);
        work(&mut root, dependencies, &host);
        self.upload(id, &root).await?;
        let started = self.docker.start_container(id, None).await;
        started.map_err(engine("starting a container to build in"))?;
        self.run(id, dependencies, host.env, progress).await
    }

    fn container(&self) -> ContainerCreateBody {
        ContainerCreateBody {
            image: Some(self.base.to_owned()),
            user: Some("0:0".to_owned()),
            entrypoint: Some(vec!["sleep".to_owned()]),
            cmd: Some(vec!["infinity".to_owned()]),
            working_dir: Some("/".to_owned()),
            labels: Some(self.owner.labels("build", Some(self.package))),
            host_config: Some(HostConfig {
                // Install scripts are code from strangers; npm itself needs no capability.
                cap_drop: Some(vec!["ALL".to_owned()]),
                security_opt: Some(vec!["no-new-privileges".to_owned()]),
                init: None,
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }

    /// Puts files into a container.
    pub async fn upload(&self, id: &str, root: &Root) -> Result<(), ImageError> {
        let bytes = root.bytes().map_err(super::error::io(Path::new(WORK)))?;
        let options = UploadToContainerOptions {
            path: "/".to_owned(),
            ..UploadToContainerOptions::default()
        };
        self.docker
            .upload_to_container(id, Some(options), bollard::body_full(bytes.into()))
            .await
            .map_err(engine("putting files into a container to build in"))
    }

    /// Run by `exec`, whose environment is not part of what is committed: it may hold tokens.
    async fn run(
        &self,
        id: &str,
        dependencies: &Dependencies,
        env: Vec<String>,
        progress: Progress<'_>,
    ) -> Result<(), ImageError> {
        let steps = dependencies.steps(WORK, self.target);
        let steps = serde_json::to_string(&steps).expect("words are JSON");
        let command = vec!["node".to_owned(), format!("{WORK}/install.cjs"), steps];
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            env: Some(env),
            cmd: Some(command),
            ..CreateExecOptions::default()
        };
        let what = "installing in a container";
        let exec = self
            .docker
            .create_exec(id, options)
            .await
            .map_err(engine(what))?
            .id;
        let mut output = Vec::new();
        let package = || dependencies.package().to_owned();
        let StartExecResults::Attached { output: stream, .. } = self
            .docker
            .start_exec(&exec, None)
            .await
            .map_err(engine(what))?
        else {
            return Err(ImageError::Install {
                package: package(),
                output: text(&output),
            });
        };
        if timeout(LONG, read(stream, &mut output, dependencies, progress))
            .await
            .is_err()
        {
            return Err(ImageError::Slow {
                package: package(),
                output: text(&output),
            });
        }
        let ended = self
            .docker
            .inspect_exec(&exec)
            .await
            .map_err(engine(what))?;
        match ended.exit_code {
            Some(0) => Ok(()),
            _ => Err(ImageError::Install {
                package: package(),
                output: text(&output),
            }),
        }
    }
}

/// What npm needs, in a folder the install removes.
fn work(root: &mut Root, dependencies: &Dependencies, host: &HostSettings) {
    root.folder(WORK, 0o700);
    root.text(
        &format!("{WORK}/install.cjs"),
        include_bytes!("install.cjs"),
        0o644,
    );
    for (name, bytes) in dependencies.files() {
        root.text(&format!("{WORK}/{name}"), bytes, 0o644);
    }
    if let Some(npmrc) = &host.npmrc {
        root.text(&format!("{WORK}/user.npmrc"), npmrc.as_slice(), 0o600);
    }
    if let Some(certificates) = &host.certificates {
        root.text(&format!("{WORK}/ca.pem"), certificates.as_slice(), 0o644);
    }
}

async fn read(
    mut stream: impl futures_util::Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
    output: &mut Vec<u8>,
    dependencies: &Dependencies,
    progress: Progress<'_>,
) {
    let began = std::time::Instant::now();
    let mut news = tokio::time::interval_at(tokio::time::Instant::now() + NEWS, NEWS);
    loop {
        tokio::select! {
            piece = stream.next() => match piece {
                Some(Ok(piece)) => {
                    let bytes = piece.as_ref();
                    let room = KEPT.saturating_sub(output.len()).min(bytes.len());
                    output.extend_from_slice(&bytes[..room]);
                }
                Some(Err(_)) | None => return,
            },
            _ = news.tick() => progress(format!(
                "package {}: still installing dependencies ({} s)",
                dependencies.package(),
                began.elapsed().as_secs(),
            )),
        }
    }
}
