//! The Docker engine without fnlocal: containers as a plain script would run them, and a look at
//! those fnlocal runs.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::{ContainerCreateBody, ContainerSummary, HostConfig, PortBinding};
use bollard::query_parameters::{ListContainersOptions, RemoveContainerOptions, StatsOptions};
use futures_util::StreamExt;

use super::PATIENCE;
use super::http::{self, millis};

/// Label of every container a bench makes itself.
const MARK: &str = "fnlocal-bench";
/// Between two attempts at a port that does not answer yet.
const PAUSE: Duration = Duration::from_millis(2);
/// How long nothing may have happened for the engine to count as quiet.
const QUIET: Duration = Duration::from_millis(300);

/// The engine, through its API. Removes this bench's own containers when dropped.
pub struct Engine {
    docker: Docker,
}

/// The command and mounts of a plain container.
#[derive(Clone, Debug)]
pub struct Plain<'a> {
    pub image: &'a str,
    /// Mounted at `/app`.
    pub code: &'a Path,
    /// The command; `None` for the image's own entry point.
    pub command: Option<&'a [&'a str]>,
}

/// How long a plain container took, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Phases {
    pub create: f64,
    pub start: f64,
    pub boot: f64,
}

impl Phases {
    pub fn total(&self) -> f64 {
        self.create + self.start + self.boot
    }
}

impl Engine {
    pub fn connect() -> Self {
        let docker = Docker::connect_with_defaults().expect("a Docker engine is configured");
        Self { docker }
    }

    /// Create, start, ask until it answers, remove: the loop without fnlocal, by phase.
    pub async fn bare(&self, plain: &Plain<'_>, port: u16, path: &str) -> Phases {
        let (id, phases) = self.up(plain, port, path).await;
        self.remove(&id).await;
        phases
    }

    /// Create, start, ask until it answers.
    pub async fn up(&self, plain: &Plain<'_>, port: u16, path: &str) -> (String, Phases) {
        let began = Instant::now();
        let id = self.create(plain, port).await;
        let created = began.elapsed();
        self.docker
            .start_container(&id, None)
            .await
            .expect("the engine starts a container");
        let started = began.elapsed();
        answers(port, path).await;
        let phases = Phases {
            create: millis(created),
            start: millis(started - created),
            boot: millis(began.elapsed() - started),
        };
        (id, phases)
    }

    pub async fn remove(&self, id: &str) {
        let options = RemoveContainerOptions {
            force: true,
            v: true,
            link: false,
        };
        self.docker
            .remove_container(id, Some(options))
            .await
            .expect("the engine removes it");
    }

    /// On the default bridge, unhardened and unlimited: what `docker run -p` makes.
    async fn create(&self, plain: &Plain<'_>, port: u16) -> String {
        let inside = "8080/tcp".to_owned();
        let binding = PortBinding {
            host_ip: Some("127.0.0.1".to_owned()),
            host_port: Some(port.to_string()),
        };
        let body = ContainerCreateBody {
            image: Some(plain.image.to_owned()),
            entrypoint: plain
                .command
                .map(|words| words.iter().map(|word| (*word).to_owned()).collect()),
            env: Some(vec![
                "FNLOCAL_FUNCTION=hello".to_owned(),
                "PORT=8080".to_owned(),
            ]),
            labels: Some([(MARK.to_owned(), std::process::id().to_string())].into()),
            exposed_ports: Some(vec![inside.clone()]),
            host_config: Some(HostConfig {
                binds: Some(vec![format!("{}:/app:ro", plain.code.display())]),
                port_bindings: Some([(inside, Some(vec![binding]))].into()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let made = self.docker.create_container(None, body).await;
        made.expect("the engine creates a container").id
    }

    /// fnlocal's containers for projects below a folder.
    pub async fn of(&self, folder: &Path) -> Vec<ContainerSummary> {
        let filters = [("label".to_owned(), vec!["fnlocal.folder".to_owned()])].into();
        let options = ListContainersOptions {
            all: true,
            filters: Some(filters),
            ..ListContainersOptions::default()
        };
        let mut list = self
            .docker
            .list_containers(Some(options))
            .await
            .expect("the engine lists containers");
        list.retain(|one| {
            label(one, "fnlocal.folder").is_some_and(|of| Path::new(of).starts_with(folder))
        });
        list
    }

    /// The image fnlocal runs a project's functions in.
    pub async fn image_of(&self, folder: &Path) -> String {
        let instance = |one: &ContainerSummary| label(one, "fnlocal.kind") == Some("instance");
        let found = self.of(folder).await.into_iter().find(instance);
        found
            .and_then(|one| one.image)
            .expect("fnlocal keeps a container of the project")
    }

    /// Waits until fnlocal has made ahead, paused and removed what it wanted to.
    pub async fn quiet(&self, folder: &Path) {
        let deadline = Instant::now() + PATIENCE;
        let (mut before, mut since) = (Vec::new(), Instant::now());
        while since.elapsed() < QUIET {
            assert!(
                Instant::now() < deadline,
                "the engine is never quiet: {before:?}"
            );
            let mut now: Vec<_> = self
                .of(folder)
                .await
                .into_iter()
                .map(|one| (one.id, one.state.map(|state| state.to_string())))
                .collect();
            now.sort_unstable();
            if now != before {
                (before, since) = (now, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Memory of a container without the page cache, in MiB.
    pub async fn memory(&self, id: &str) -> f64 {
        let options = StatsOptions {
            stream: false,
            one_shot: true,
        };
        let stats = Box::pin(self.docker.stats(id, Some(options))).next().await;
        let memory = stats
            .and_then(Result::ok)
            .and_then(|stats| stats.memory_stats);
        let memory = memory.expect("the engine tells a container's memory");
        let details = memory.stats.unwrap_or_default();
        // The first is cgroup v1's word for it, the second v2's.
        let cache = details
            .get("cache")
            .or_else(|| details.get("file"))
            .copied();
        let used = memory
            .usage
            .unwrap_or_default()
            .saturating_sub(cache.unwrap_or_default());
        #[allow(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
        let mib = used as f64 / 1024.0 / 1024.0;
        mib
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Synchronous, for a bench that panics has no runtime left to ask with.
        let filter = format!("label={MARK}={}", std::process::id());
        let listed = Command::new("docker")
            .args(["ps", "-aq", "--filter", &filter])
            .output();
        let ids = listed.map(|output| output.stdout).unwrap_or_default();
        let ids = String::from_utf8_lossy(&ids).into_owned();
        if !ids.trim().is_empty() {
            let _gone = Command::new("docker")
                .args(["rm", "-f"])
                .args(ids.split_whitespace())
                .output();
        }
    }
}

pub fn label<'a>(container: &'a ContainerSummary, name: &str) -> Option<&'a str> {
    Some(container.labels.as_ref()?.get(name)?.as_str())
}

/// Asks until a function answers. The engine accepts connections long before it does.
async fn answers(port: u16, path: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !matches!(http::get(port, path).await, Ok(answer) if answer.status == 200) {
        assert!(Instant::now() < deadline, "a plain container never answers");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Chosen beforehand: asking the engine which ports it took would only make the plain loop slower.
pub fn free_ports(count: usize) -> Vec<u16> {
    let bind = |_| std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    // Held together, so that they differ.
    let held: Vec<_> = (0..count).map(bind).collect();
    held.iter()
        .map(|free| free.local_addr().expect("it is bound").port())
        .collect()
}
