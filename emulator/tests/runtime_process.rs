//! The process runtime.
#![allow(
    clippy::unwrap_used,
    reason = "these are tests, some in functions that are not"
)]

mod runtime_support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fnlocal_core::InstanceId;
use fnlocal_emulator::select::{Choice, select};
use fnlocal_runtime::Address;
use fnlocal_runtime::Notice;
use fnlocal_runtime::PackageRun;
use fnlocal_runtime::Runtime;
use fnlocal_runtime::Started;
use fnlocal_runtime::docker::mounts::Mounts;
use fnlocal_runtime::process::{InstancePrograms, ProcessOptions, ProcessRuntime};
use runtime_support::{exit, folder, health, package, project, spec, when_told};
use tokio::sync::mpsc;

struct Bench {
    runtime: ProcessRuntime,
    notices: mpsc::Receiver<Notice>,
    code: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Bench {
    async fn new(files: &[(&str, &str)]) -> Self {
        let (state, code) = (tempfile::tempdir().unwrap(), folder(files));
        let sockets = Some(state.path().join("s"));
        let options = ProcessOptions {
            programs: Arc::new(InstancePrograms::new(state.path().to_owned())),
            sockets,
            copies: None,
        };
        let (sender, notices) = mpsc::channel(256);
        let runtime = ProcessRuntime::open(options, sender).await.unwrap();
        Self {
            runtime,
            notices,
            code,
            state,
        }
    }

    fn package(&self, env: &[(&str, &str)]) -> Arc<PackageRun> {
        package("", self.code.path(), env)
    }

    async fn start(&self, env: &[(&str, &str)], memory_mib: u32) -> Started {
        self.runtime
            .start(spec(1, &self.package(env), memory_mib))
            .await
            .unwrap()
    }

    fn tell(&self) {
        runtime_support::tell(&self.code);
    }

    async fn close(self) {
        self.runtime.shutdown().await;
        assert_eq!(
            std::fs::read_dir(self.state.path().join("s"))
                .unwrap()
                .count(),
            0
        );
    }
}

const ONE: InstanceId = InstanceId(1);

/// The process that listens at a socket, by its answer to a signal of 0.
fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

async fn line(notices: &mut mpsc::Receiver<Notice>, start: &str) -> String {
    loop {
        if let Notice::Line { line, .. } = notices.recv().await.unwrap()
            && let Some(rest) = line.strip_prefix(start)
        {
            return rest.to_owned();
        }
    }
}

#[tokio::test]
async fn a_process_instance_answers_and_leaves_nothing_after_its_stop() {
    let mut bench = Bench::new(&[("pid.cjs", "console.log('pid', process.pid)")]).await;
    let hook = format!("--require {}", bench.code.path().join("pid.cjs").display());
    let started = bench.start(&[("NODE_OPTIONS", &hook)], 256).await;
    assert_eq!(started.code_root, bench.code.path().display().to_string());
    assert_eq!(health(&started, &started.token).await, "HTTP/1.1 200 OK");
    let pid = line(&mut bench.notices, "pid ").await;
    assert!(alive(&pid));
    bench.runtime.stop(ONE, Duration::from_secs(5)).await;
    assert!(!alive(&pid));
    let Address::Dialed(listener) = started.address else {
        panic!("not a socket")
    };
    assert!(!listener.folder().exists());
    assert!(listener.accept().await.is_err());
    bench.close().await;
}

#[tokio::test]
async fn a_process_instance_gets_only_its_own_environment() {
    let text = "console.log('keys', Object.keys(process.env).join())";
    let mut bench = Bench::new(&[("env.cjs", text)]).await;
    let hook = format!("--require {}", bench.code.path().join("env.cjs").display());
    bench
        .start(&[("NODE_OPTIONS", &hook), ("COLOUR", "red")], 256)
        .await;
    let keys = line(&mut bench.notices, "keys ").await;
    assert!(keys.contains("COLOUR") && keys.contains("PATH"), "{keys}");
    assert!(!keys.contains("CARGO"), "{keys}");
    bench.close().await;
}

#[tokio::test]
async fn a_stop_ends_the_child_processes_of_the_instance() {
    let text = "const c = require('child_process').spawn('sleep', ['600'], {stdio: 'ignore'}); \
                console.log('child', c.pid)";
    let mut bench = Bench::new(&[("child.cjs", text)]).await;
    let hook = format!(
        "--require {}",
        bench.code.path().join("child.cjs").display()
    );
    bench.start(&[("NODE_OPTIONS", &hook)], 256).await;
    let child = line(&mut bench.notices, "child ").await;
    assert!(alive(&child));
    bench.runtime.stop(ONE, Duration::from_secs(5)).await;
    assert!(!alive(&child));
    bench.close().await;
}

#[tokio::test]
async fn an_exit_is_reported_with_its_code() {
    let mut bench = Bench::new(&[("exit.cjs", &when_told("process.exit(7)"))]).await;
    let hook = format!("--require {}", bench.code.path().join("exit.cjs").display());
    bench.start(&[("NODE_OPTIONS", &hook)], 256).await;
    bench.tell();
    assert_eq!(
        exit(&mut bench.notices).await,
        (ONE, "exit code 7".to_owned())
    );
    bench.close().await;
}

#[tokio::test]
async fn exit_code_137_is_reported_as_signal_9() {
    let mut bench = Bench::new(&[("exit.cjs", &when_told("process.exit(137)"))]).await;
    let hook = format!("--require {}", bench.code.path().join("exit.cjs").display());
    bench.start(&[("NODE_OPTIONS", &hook)], 256).await;
    bench.tell();
    assert_eq!(exit(&mut bench.notices).await.1, "killed by signal 9");
    bench.close().await;
}

fn paths_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn a_failed_start_leaves_nothing_behind() {
    let bench = Bench::new(&[("index.js", "")]).await;
    let missing = bench.code.path().join("missing");
    let starts = [package("", &missing, &[]), {
        let mut none = Arc::into_inner(bench.package(&[])).unwrap();
        none.code_root = None;
        Arc::new(none)
    }];
    for package in starts {
        let started = bench.runtime.start(spec(1, &package, 256)).await;
        assert!(started.is_err());
        let runs = paths_in(&bench.state.path().join("s"));
        let run = runs.iter().find(|path| path.is_dir()).unwrap();
        assert_eq!(paths_in(run), [run.join("lock")], "{started:?}");
        let temporary = paths_in(&std::env::temp_dir()).into_iter();
        let temporary = temporary.map(|base| base.join(run.file_name().unwrap()));
        let temporary = temporary.filter(|run| run.is_dir()).collect::<Vec<_>>();
        assert_eq!(temporary.len(), 1, "{temporary:?}");
        assert_eq!(paths_in(&temporary[0]), [temporary[0].join("lock")]);
    }
    bench.close().await;
}

#[tokio::test]
async fn exceeding_the_heap_limit_is_reported_as_the_exit_reason() {
    let hog = "const all = []; for (;;) all.push({ a: [all.length] })";
    let mut bench = Bench::new(&[("hog.cjs", &when_told(hog))]).await;
    let hook = format!("--require {}", bench.code.path().join("hog.cjs").display());
    bench.start(&[("NODE_OPTIONS", &hook)], 96).await;
    bench.tell();
    assert_eq!(
        exit(&mut bench.notices).await.1,
        "memory limit exceeded (96 MB)"
    );
    bench.close().await;
}

#[tokio::test]
async fn a_process_that_exits_while_booting_is_reported_with_its_output() {
    let bench = Bench::new(&[("bad.cjs", "throw new Error('broken at import')")]).await;
    let hook = format!("--require {}", bench.code.path().join("bad.cjs").display());
    let package = bench.package(&[("NODE_OPTIONS", &hook)]);
    let error = bench
        .runtime
        .start(spec(1, &package, 256))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("broken at import"), "{error}");
    bench.close().await;
}

#[tokio::test]
async fn a_paused_instance_can_be_resumed_and_stopped() {
    let bench = Bench::new(&[]).await;
    let started = bench.start(&[], 256).await;
    bench.runtime.pause(ONE).await.unwrap();
    let asked = health(&started, &started.token);
    assert!(
        tokio::time::timeout(Duration::from_millis(200), asked)
            .await
            .is_err()
    );
    bench.runtime.resume(ONE).await.unwrap();
    assert_eq!(health(&started, &started.token).await, "HTTP/1.1 200 OK");
    bench.runtime.pause(ONE).await.unwrap();
    let began = Instant::now();
    bench.runtime.stop(ONE, Duration::from_secs(20)).await;
    assert!(began.elapsed() < Duration::from_secs(10));
    bench.close().await;
}

#[tokio::test]
async fn dependencies_are_installed_beside_the_code_version_and_never_in_the_project_folder() {
    let source = folder(&[
        ("index.js", "module.exports.hi = () => {}"),
        (
            "package.json",
            r#"{"name":"a","dependencies":{"ws":"8.18.0"}}"#,
        ),
    ]);
    let project = project(&source);
    let state = source.path().join(".fnlocal");
    let (sender, _notices) = mpsc::channel(16);
    let selected = select(
        Choice::Process,
        Mounts::Auto,
        &project,
        &state,
        "n0",
        sender,
        &|_| {},
    )
    .await
    .unwrap();
    assert!(selected.why.contains("less isolated"), "{}", selected.why);
    let root = state.join("code/a");
    let preparer = &selected.preparer;
    for _ in 0..2 {
        let run = preparer
            .prepare(
                &project.packages[0],
                root.clone(),
                Default::default(),
                &|_| {},
            )
            .await
            .unwrap();
        assert!(
            run.code_root
                .as_ref()
                .unwrap()
                .join("node_modules/ws/package.json")
                .is_file()
        );
    }
    assert!(!source.path().join("node_modules").exists());
    selected.runtime.shutdown().await;
}

#[tokio::test]
async fn the_auto_runtime_selects_docker_if_it_answers_and_says_so() {
    let source = folder(&[("index.js", "module.exports.hi = () => {}")]);
    let project = project(&source);
    let (sender, _notices) = mpsc::channel(16);
    let state = source.path().join(".fnlocal");
    let selected = select(
        Choice::Auto,
        Mounts::Auto,
        &project,
        &state,
        "n0",
        sender,
        &|_| {},
    )
    .await
    .unwrap();
    assert_eq!(selected.runtime.name(), "docker");
    assert!(selected.why.starts_with("Docker "), "{}", selected.why);
    selected.runtime.shutdown().await;
}
