//! Making one image: a container of the base, files put in, npm run in it, committed.

use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::{ContainerConfig, ContainerCreateBody, HostConfig};
use bollard::query_parameters::{CommitContainerOptions, UploadToContainerOptions};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::deps::{Dependencies, settings};
use super::error::{ImageError, engine};
use super::npm::{HostSettings, WORK, text};
use super::root::Root;
use super::{LONG, Progress, wrapper};
use crate::runtime::docker::labels::Owner;
use crate::runtime::docker::reaper;

/// Bytes of npm's output kept for an error.
const KEPT: usize = 1024 * 1024;
/// How often the person hears that an install goes on.
const NEWS: Duration = Duration::from_secs(10);

/// One image to make.
pub(super) struct Build<'a> {
    pub docker: &'a Docker,
    pub owner: &'a Owner,
    pub base: &'a str,
    pub package: &'a str,
    pub reference: &'a str,
}

impl Build<'_> {
    pub async fn run(
        &self,
        dependencies: Option<&Dependencies>,
        progress: Progress<'_>,
    ) -> Result<(), ImageError> {
        let body = self.container();
        let made = self.docker.create_container(None, body).await;
        let id = made.map_err(engine("creating a container to build in"))?.id;
        let built = self.fill(&id, dependencies, progress).await;
        reaper::remove(self.docker, &id).await;
        built
    }

    async fn fill(
        &self,
        id: &str,
        dependencies: Option<&Dependencies>,
        progress: Progress<'_>,
    ) -> Result<(), ImageError> {
        let mut root = Root::default();
        root.text(wrapper::PATH, wrapper::RUNNER, 0o755);
        let Some(dependencies) = dependencies else {
            self.upload(id, &root).await?;
            return self.commit(id).await;
        };
        let host = settings(dependencies);
        work(&mut root, dependencies, &host);
        self.upload(id, &root).await?;
        let started = self.docker.start_container(id, None).await;
        started.map_err(engine("starting a container to build in"))?;
        self.install(id, dependencies, host.env, progress).await?;
        self.commit(id).await
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

    async fn upload(&self, id: &str, root: &Root) -> Result<(), ImageError> {
        let bytes = root
            .bytes()
            .map_err(super::error::io(std::path::Path::new(WORK)))?;
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
    async fn install(
        &self,
        id: &str,
        dependencies: &Dependencies,
        env: Vec<String>,
        progress: Progress<'_>,
    ) -> Result<(), ImageError> {
        let mut command = vec!["node".to_owned(), format!("{WORK}/install.cjs")];
        command.extend(dependencies.arguments().into_iter().map(str::to_owned));
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            env: Some(env),
            cmd: Some(command),
            ..CreateExecOptions::default()
        };
        let what = "running npm in a container";
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

    async fn commit(&self, id: &str) -> Result<(), ImageError> {
        let (repo, tag) = self
            .reference
            .rsplit_once(':')
            .unwrap_or((self.reference, "latest"));
        let options = CommitContainerOptions {
            container: Some(id.to_owned()),
            repo: Some(repo.to_owned()),
            tag: Some(tag.to_owned()),
            comment: Some("made by fnlocal".to_owned()),
            pause: false,
            ..CommitContainerOptions::default()
        };
        // The engine adds the container's labels; emptied, they name no run, and a container
        // somebody else makes of the image is not taken for one of ours.
        let ours: Vec<(String, String)> = self.owner.labels("build", Some(self.package));
        let emptied = ours.into_iter().map(|(key, _)| (key, String::new()));
        let config = ContainerConfig {
            entrypoint: Some(vec!["node".to_owned(), wrapper::PATH.to_owned()]),
            cmd: Some(Vec::new()),
            user: Some("1000:1000".to_owned()),
            working_dir: Some("/app".to_owned()),
            labels: Some(emptied.collect()),
            ..ContainerConfig::default()
        };
        let made = self.docker.commit_container(options, config).await;
        made.map(drop)
            .map_err(engine("making an image of a container"))
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
