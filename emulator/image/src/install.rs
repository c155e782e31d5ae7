//! Installing dependencies in a container of the base: the person's machine is not touched, and
//! what is built is built for where it will run.

use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{InspectContainerOptions, StatsOptions, UploadToContainerOptions};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::OnProgress;
use super::error::{ImageError, InstallLimit, engine};
use super::oci::manifest::ImagePlatform;
use super::plan::{code, host_settings};
use super::root::Root;
use fnlocal_engine::connect::Engine;
use fnlocal_engine::container::{cover_volumes, created_by_us, hardened, tmpfs};
use fnlocal_engine::helper::{helper_ids, helper_user};
use fnlocal_engine::labels::Owner;
use fnlocal_engine::naming;
use fnlocal_language::{HostSettings, INSTALL_WORK as WORK, InstallPlan};
use fnlocal_project::Package;

/// Bytes of package managers' output kept for an error.
const MAX_KEPT_OUTPUT_BYTES: usize = 1024 * 1024;
/// How often the person hears that an install goes on.
const NEWS: Duration = Duration::from_secs(10);
/// Memory of an install in MiB. Some packages compile native code.
const MEMORY_MIB: u32 = 2048;
/// The size of its `/tmp` in MiB, which counts as memory.
const TMP_MIB: u32 = 512;
/// Its processes and threads. Compilers run one for each processor.
const PIDS: i64 = 512;
/// Its weight when the processor is short: half of what a container has by default.
const CPU_SHARES: i64 = 512;
/// Bytes it may write: packages and what package managers keep beside.
const DISK_BYTES: i64 = 8 << 30;
/// How often a running install is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// For removing one folder.
const TIDY_TIME: Duration = Duration::from_secs(30);
/// Exit codes of [`fnlocal_language::InstallScript`] that say which limit was reached.
const OUT_OF_MEMORY: i64 = 90;
const OUT_OF_PROCESSES: i64 = 91;
/// The exit code of a process that was killed.
const KILLED: i64 = 137;

/// Containers to install in.
#[derive(Clone, Copy)]
pub(crate) struct Installer<'a> {
    pub engine: &'a Engine,
    pub owner: &'a Owner,
    /// The image to install upon.
    pub base: &'a str,
    /// The package, whose language is the base's.
    pub package: &'a Package,
    /// Where it will run, if not where it is installed.
    pub target: Option<ImagePlatform>,
    /// How long it may take.
    pub time: Duration,
}

impl Installer<'_> {
    /// Makes a container, which the caller removes.
    pub async fn create(&self) -> Result<String, ImageError> {
        let body = cover_volumes(self.docker(), self.container()).await;
        let made = self
            .docker()
            .create_container(naming::new(self.owner, "build"), body)
            .await;
        Ok(made.map_err(engine("creating a container to build in"))?.id)
    }

    /// Installs into a folder at the top of a container it made and puts the files of `root` beside.
    pub async fn install(
        &self,
        id: &str,
        root: Root,
        dependencies: &dyn InstallPlan,
        progress: OnProgress<'_>,
    ) -> Result<(), ImageError> {
        let host = host_settings(dependencies);
        self.upload(id, &root).await?;
        let mut work = Root::owned_by(helper_ids(self.engine));
        fill(&mut work, self.package, dependencies, &host)?;
        self.upload(id, &work).await?;
        let started = self.docker().start_container(id, None).await;
        started.map_err(engine("starting a container to build in"))?;
        self.run(id, dependencies, host.env, progress).await
    }

    fn container(&self) -> ContainerCreateBody {
        ContainerCreateBody {
            image: Some(self.base.to_owned()),
            user: Some(helper_user(self.engine)),
            entrypoint: Some(vec!["sleep".to_owned()]),
            cmd: Some(vec!["infinity".to_owned()]),
            working_dir: Some("/".to_owned()),
            labels: Some(self.owner.labels("build", Some(&self.package.name))),
            host_config: Some(HostConfig {
                // Installed files are part of the image that is made of this container. The user
                // can write to two folders.
                readonly_rootfs: Some(false),
                tmpfs: Some(tmpfs(TMP_MIB)),
                // Install scripts are code from strangers; one that forks without end must leave
                // the rest of the machine its share.
                cpu_shares: Some(CPU_SHARES),
                ..hardened(self.engine, MEMORY_MIB, PIDS)
            }),
            ..created_by_us()
        }
    }

    fn docker(&self) -> &Docker {
        &self.engine.docker
    }

    /// Puts files into a container.
    pub async fn upload(&self, id: &str, root: &Root) -> Result<(), ImageError> {
        let bytes = root.bytes().map_err(super::error::io(Path::new(WORK)))?;
        let options = UploadToContainerOptions {
            path: "/".to_owned(),
            ..UploadToContainerOptions::default()
        };
        self.docker()
            .upload_to_container(id, Some(options), bollard::body_full(bytes.into()))
            .await
            .map_err(engine("putting files into a container to build in"))
    }

    /// Run by `exec`, whose environment is not part of what is committed: it may hold tokens.
    async fn run(
        &self,
        id: &str,
        dependencies: &dyn InstallPlan,
        env: Vec<String>,
        progress: OnProgress<'_>,
    ) -> Result<(), ImageError> {
        let target = self.target.map(ImagePlatform::architecture);
        let steps = dependencies.steps(WORK, target);
        let steps = serde_json::to_string(&steps).expect("words are JSON");
        let run_in = dependencies.run_in().to_owned();
        let command = vec![
            self.package.language.program().to_owned(),
            format!("{WORK}/{}", self.package.language.install_script().file),
            steps,
            run_in,
        ];
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            env: Some(env),
            cmd: Some(command),
            ..CreateExecOptions::default()
        };
        let what = "installing in a container";
        let exec = self
            .docker()
            .create_exec(id, options)
            .await
            .map_err(engine(what))?
            .id;
        let mut output = Vec::new();
        let package = || self.package.name.clone();
        let StartExecResults::Attached { output: stream, .. } = self
            .docker()
            .start_exec(&exec, None)
            .await
            .map_err(engine(what))?
        else {
            return Err(ImageError::Install {
                package: package(),
                output: text(&output),
            });
        };
        let reading = read(stream, &mut output, &self.package.name, progress);
        let ended = tokio::select! {
            read = timeout(self.time, reading) => read.map_err(|_| InstallLimit::Time(self.time)),
            limit = self.reached(id) => Err(limit),
        };
        let limited = |limit, output: &[u8]| ImageError::InstallLimit {
            package: package(),
            limit,
            output: text(output),
        };
        if let Err(limit) = ended {
            return Err(limited(limit, &output));
        }
        let ended = self.docker().inspect_exec(&exec).await;
        match ended.map_err(engine(what))?.exit_code {
            Some(0) => Ok(()),
            // The kernel may also have killed the very script that would say so.
            Some(OUT_OF_MEMORY | KILLED) => {
                Err(limited(InstallLimit::MemoryMib(MEMORY_MIB), &output))
            }
            Some(OUT_OF_PROCESSES) => Err(limited(InstallLimit::Processes(PIDS), &output)),
            _ => Err(ImageError::Install {
                package: package(),
                output: text(&output),
            }),
        }
    }

    /// Removes the work folder, which the install emptied but could not remove: what is above it is
    /// root's.
    pub async fn tidy(&self, id: &str) -> Result<(), ImageError> {
        let what = "tidying a container to build in";
        let options = CreateExecOptions {
            user: Some("0:0".to_owned()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(self.package.language.empty_folder_removal(WORK)),
            ..CreateExecOptions::default()
        };
        let exec = self.docker().create_exec(id, options).await;
        let exec = exec.map_err(engine(what))?.id;
        let started = self.docker().start_exec(&exec, None).await;
        if let StartExecResults::Attached { mut output, .. } = started.map_err(engine(what))? {
            let ended = async { while output.next().await.is_some() {} };
            // One that does not end shows in the exit code, of which there is none then.
            let _ended = timeout(TIDY_TIME, ended).await;
        }
        let ended = self.docker().inspect_exec(&exec).await;
        match ended.map_err(engine(what))?.exit_code {
            Some(0) => Ok(()),
            _ => Err(super::error::io(Path::new(WORK))(std::io::Error::other(
                "it could not be removed from the image",
            ))),
        }
    }

    /// Returns once a container has reached a bound that does not end its processes.
    async fn reached(&self, id: &str) -> InstallLimit {
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        loop {
            looks.tick().await;
            if self.processes(id).await >= PIDS.unsigned_abs() {
                return InstallLimit::Processes(PIDS);
            }
            if self.written(id).await > DISK_BYTES {
                return InstallLimit::DiskBytes(DISK_BYTES);
            }
        }
    }

    /// The number of a container's processes and threads; 0 if the engine does not say.
    async fn processes(&self, id: &str) -> u64 {
        let options = StatsOptions {
            stream: false,
            one_shot: true,
        };
        let mut stats = Box::pin(self.docker().stats(id, Some(options)));
        let stats = stats.next().await.and_then(Result::ok);
        let pids = stats.and_then(|stats| stats.pids_stats);
        pids.and_then(|pids| pids.current).unwrap_or(0)
    }

    /// The bytes of files that a container has written; 0 if the engine does not say.
    async fn written(&self, id: &str) -> i64 {
        let options = InspectContainerOptions { size: true };
        let found = self.docker().inspect_container(id, Some(options)).await;
        let size = found.ok().and_then(|found| found.size_rw);
        size.unwrap_or(0)
    }
}

/// Adds the package manager's inputs, in a folder the install empties, and the folder it installs
/// into.
fn fill(
    root: &mut Root,
    package: &Package,
    dependencies: &dyn InstallPlan,
    host: &HostSettings,
) -> Result<(), ImageError> {
    root.folder(WORK, 0o700);
    root.folder(&format!("/{}", package.language.installed_folder()), 0o755);
    // Before all else, which takes the place of files of the same name.
    for file in code(package, dependencies)? {
        let mode = if file.executable { 0o755 } else { 0o644 };
        let at = format!("{WORK}/{}/{}", dependencies.run_in(), file.path);
        root.text(&at, file.bytes, mode);
    }
    let script = package.language.install_script();
    root.text(&format!("{WORK}/{}", script.file), script.bytes, 0o644);
    for (name, bytes, executable) in dependencies.files() {
        let mode = if executable { 0o755 } else { 0o644 };
        root.text(&format!("{WORK}/{name}"), bytes, mode);
    }
    for (name, bytes, mode) in &host.files {
        root.text(&format!("{WORK}/{name}"), bytes.as_slice(), *mode);
    }
    Ok(())
}

/// Returns a package manager's output, for people.
pub(crate) fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).trim_end().to_owned()
}

async fn read(
    mut stream: impl futures_util::Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
    output: &mut Vec<u8>,
    package: &str,
    progress: OnProgress<'_>,
) {
    let began = std::time::Instant::now();
    let mut news = tokio::time::interval_at(tokio::time::Instant::now() + NEWS, NEWS);
    loop {
        tokio::select! {
            piece = stream.next() => match piece {
                Some(Ok(piece)) => {
                    let bytes = piece.as_ref();
                    let room = MAX_KEPT_OUTPUT_BYTES.saturating_sub(output.len()).min(bytes.len());
                    output.extend_from_slice(&bytes[..room]);
                }
                Some(Err(_)) | None => return,
            },
            _ = news.tick() => progress(format!(
                "package {package}: still installing dependencies ({} s)",
                began.elapsed().as_secs(),
            )),
        }
    }
}
