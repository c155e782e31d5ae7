//! Common parts of the runtime tests: an engine that must answer, a base, packages, questions.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    reason = "these are tests, in functions that are not"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptions;
use fnlocal_core::InstanceId;
use fnlocal_engine::connect::{Engine, EngineVariables, connect};
use fnlocal_engine::labels::Owner;
use fnlocal_image::ImageOptions;
use fnlocal_image::Images;
use fnlocal_project::Project;
use fnlocal_runtime::Address;
use fnlocal_runtime::Notice;
use fnlocal_runtime::PackageRun;
use fnlocal_runtime::Runtime;
use fnlocal_runtime::StartSpec;
use fnlocal_runtime::Started;
use fnlocal_runtime::docker::DockerOptions;
use fnlocal_runtime::docker::DockerRuntime;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

/// The engine; a machine without one cannot run these tests.
pub async fn engine() -> Engine {
    connect(&EngineVariables::from_env())
        .await
        .expect("these tests need a Docker engine")
}

/// A run of a project of its own.
pub fn owner() -> Owner {
    let name = || format!("{:08x}", rand::random::<u32>());
    Owner {
        project: format!("test-{}", name()),
        folder: "/somewhere".to_owned(),
        run: name(),
        node: "n0".to_owned(),
    }
}

pub fn images(engine: &Engine, owner: &Owner) -> Images {
    let options = ImageOptions {
        base_image: None,
        project: "runtime-test".to_owned(),
        owner: owner.clone(),
        interpreter: std::env::var_os("FNLOCAL_TEST_NODE").map(Into::into),
    };
    Images::new(engine, options)
}

/// A folder with the given files, readable for any user.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    readable(folder.path());
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn readable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Code that does something once [`tell`] was called, and not by a clock: boots take their time.
pub fn when_told(act: &str) -> String {
    format!(
        "setInterval(() => {{ if (require('fs').existsSync(__dirname + '/go')) {{ {act} }} }}, 10)"
    )
}

/// Lets the code in a folder do what it was written for.
pub fn tell(code: &tempfile::TempDir) {
    std::fs::write(code.path().join("go"), "").unwrap();
}

pub fn project(folder: &tempfile::TempDir) -> Project {
    Project::open(folder.path(), None).unwrap()
}

/// A Docker runtime with one package whose code is a folder of files.
pub struct Bench {
    pub engine: Engine,
    pub owner: Owner,
    pub runtime: DockerRuntime,
    pub notices: mpsc::Receiver<Notice>,
    pub image: String,
    pub code: tempfile::TempDir,
    pub sockets: tempfile::TempDir,
}

impl Bench {
    pub async fn new(files: &[(&str, &str)]) -> Self {
        Self::with(files, |_| {}).await
    }

    pub async fn with(files: &[(&str, &str)], change: impl FnOnce(&mut DockerOptions)) -> Self {
        let (engine, owner) = (engine().await, owner());
        let source = folder(&[(
            "index.js",
            "module.exports.hi = (req, res) => res.send('hi')",
        )]);
        let images = images(&engine, &owner);
        let base = images
            .base(fnlocal_language::usual(), &|_| {})
            .await
            .unwrap();
        let image = images
            .ensure(&project(&source).packages[0], &|_| {})
            .await
            .unwrap();
        let sockets = tempfile::tempdir().unwrap();
        let mut options = DockerOptions::new(owner.clone(), base.reference);
        options.sockets = Some(sockets.path().join("s"));
        options.sandboxes = 1;
        change(&mut options);
        let (sender, notices) = mpsc::channel(256);
        let (runtime, _) = DockerRuntime::open(engine.clone(), options, sender)
            .await
            .unwrap();
        Self {
            engine,
            owner,
            runtime,
            notices,
            image,
            code: folder(files),
            sockets,
        }
    }

    pub fn package(&self, env: &[(&str, &str)]) -> Arc<PackageRun> {
        package(&self.image, self.code.path(), env)
    }

    pub async fn start(&self, number: u64, env: &[(&str, &str)], memory_mib: u32) -> Started {
        self.runtime
            .start(spec(number, &self.package(env), memory_mib))
            .await
            .unwrap()
    }

    pub fn tell(&self) {
        tell(&self.code);
    }

    /// The containers of this run, of one kind.
    pub async fn containers(&self, kind: &str) -> Vec<ContainerSummary> {
        labelled(&self.engine, &self.owner, Some(kind)).await
    }

    /// Returns the output of a line of JavaScript inside the only instance.
    pub async fn inside(&self, script: &str) -> String {
        let id = self.containers("instance").await[0].id.clone().unwrap();
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(vec!["node", "-e", script]),
            ..CreateExecOptions::default()
        };
        let docker = &self.engine.docker;
        let exec = docker.create_exec(&id, options).await.unwrap().id;
        let StartExecResults::Attached { mut output, .. } =
            docker.start_exec(&exec, None).await.unwrap()
        else {
            panic!("not attached");
        };
        let mut text = String::new();
        while let Some(piece) = output.next().await {
            text.push_str(&piece.unwrap().to_string());
        }
        text.trim().to_owned()
    }

    /// The next exit, with its reason.
    pub async fn exit(&mut self) -> (InstanceId, String) {
        exit(&mut self.notices).await
    }

    /// Ends the runtime and checks that nothing of it remains.
    pub async fn close(self) {
        self.runtime.shutdown().await;
        assert_eq!(labelled(&self.engine, &self.owner, None).await, []);
        assert_eq!(
            std::fs::read_dir(self.sockets.path().join("s"))
                .unwrap()
                .count(),
            0
        );
    }
}

pub fn package(image: &str, code: &Path, env: &[(&str, &str)]) -> Arc<PackageRun> {
    let env: BTreeMap<_, _> = env
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let (name, image) = ("shop".to_owned(), image.to_owned());
    Arc::new(PackageRun {
        name,
        language: fnlocal_language::usual(),
        image,
        code_root: Some(code.to_owned()),
        env,
    })
}

pub fn spec(number: u64, package: &Arc<PackageRun>, memory_mib: u32) -> StartSpec {
    StartSpec {
        instance: InstanceId(number),
        package: Arc::clone(package),
        memory_mib,
    }
}

pub async fn exit(notices: &mut mpsc::Receiver<Notice>) -> (InstanceId, String) {
    let wait = async {
        loop {
            match notices.recv().await.expect("the runtime is there") {
                Notice::Exit { instance, end } => return (instance, end.reason),
                Notice::Line { .. } | Notice::Engine { .. } => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait)
        .await
        .expect("no exit was told")
}

pub async fn labelled(engine: &Engine, owner: &Owner, kind: Option<&str>) -> Vec<ContainerSummary> {
    let mut labels = vec![format!("fnlocal.project={}", owner.project)];
    labels.extend(kind.map(|kind| format!("fnlocal.kind={kind}")));
    let filters = [("label".to_owned(), labels)].into_iter().collect();
    let options = ListContainersOptions {
        all: true,
        filters: Some(filters),
        ..ListContainersOptions::default()
    };
    engine.docker.list_containers(Some(options)).await.unwrap()
}

/// The status line a wrapper answers its health question with.
pub async fn health(started: &Started, token: &str) -> String {
    let ask = format!(
        "GET /_fnlocal/health HTTP/1.1\r\nhost: x\r\nx-fnlocal-token: {token}\r\n\
         connection: close\r\n\r\n"
    );
    let mut text = String::new();
    match &started.address {
        Address::Dialed(listener) => {
            let mut stream = listener.accept().await.unwrap();
            stream.write_all(ask.as_bytes()).await.unwrap();
            stream.read_to_string(&mut text).await.unwrap();
        }
        Address::Tcp(at) => {
            let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
            stream.write_all(ask.as_bytes()).await.unwrap();
            stream.read_to_string(&mut text).await.unwrap();
        }
    }
    text.lines().next().unwrap_or_default().to_owned()
}
