//! A thread of the running platform panics: health names it, and the process ends in order.
//!
//! `dev` runs in a child that is this test binary, where the printer's thread looks for the lines
//! below. No other build of fnlocal has that.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use fnlocal_logs::Record;
use serde_json::Value;

use crate::args;

/// Set for the child: the folder that it serves.
const FOLDER: &str = "FNLOCAL_THREAD_FAULTS_FOLDER";
/// Set for the child: what runs instances.
const RUNTIME: &str = "FNLOCAL_THREAD_FAULTS_RUNTIME";
/// A function's line that makes the printer's thread panic.
const FATAL: &str = "the printer panics now";
/// A function's line that makes a thread panic without which requests are still served.
const LASTING: &str = "the spans panic now";
/// How long anything may take before the test gives up on it.
const TEST_TIMEOUT: Duration = Duration::from_secs(90);

const CODE: &str = "exports.pid = (req, res) => res.json(process.pid);
exports.say = (req, res) => { console.log(req.query.line); res.send('said'); };";

/// Called by the printer's thread with what it is about to print.
pub fn look(records: &[Record]) {
    for record in records {
        let Record::Line { line, .. } = record else {
            continue;
        };
        if line == LASTING {
            let spans = std::thread::Builder::new().name("spans".to_owned());
            let panicked = spans.spawn(|| panic!("as the test wants")).unwrap().join();
            assert!(panicked.is_err());
        }
        assert_ne!(line, FATAL, "as the test wants");
    }
}

/// Runs in the child the program's own way from its hooks to its exit code. Does nothing in the
/// test run itself.
#[test]
fn child_process_runs_dev() {
    let (Ok(folder), Ok(runtime)) = (std::env::var(FOLDER), std::env::var(RUNTIME)) else {
        return;
    };
    crate::terminal::report_panics();
    fnlocal_faults::install();
    let words = ["fnlocal", "dev", &folder, "--port", "0", "--json"];
    let args = args::Args::try_parse_from(words.into_iter().chain(["--runtime", &runtime]));
    let exit = crate::run::command(&args.unwrap());
    std::process::exit(exit as i32);
}

struct Served {
    child: Child,
    ready: Value,
}

impl Drop for Served {
    fn drop(&mut self) {
        // The child has ended unless the test fails.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Served {
    fn start(folder: &Path, runtime: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "thread_faults::child_process_runs_dev",
                "--nocapture",
            ])
            .env(FOLDER, folder)
            .env(RUNTIME, runtime)
            // As much as a main thread has.
            .env("RUST_MIN_STACK", "8388608")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut lines = stdout.lines().map_while(Result::ok);
        let ready = lines.find_map(|line| {
            let line: Value = serde_json::from_str(&line).ok()?;
            (line["event"] == "ready").then_some(line)
        });
        std::thread::spawn(move || lines.for_each(drop));
        let ready = ready.unwrap();
        Self { child, ready }
    }

    async fn get(&self, origin: &str, path: &str) -> reqwest::Result<(u16, String)> {
        let url = format!("{}{path}", self.ready[origin].as_str().unwrap());
        let answer = reqwest::get(url).await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }
}

async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + TEST_TIMEOUT;
    while !holds().await {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn containers_of(folder: &Path) -> usize {
    let filter = format!("label=fnlocal.folder={}", folder.display());
    let output = Command::new("docker")
        .args(["ps", "--all", "--quiet", "--filter", &filter])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout.lines().count()
}

/// Panics a lasting thread, then a vital one. Returns the process id that the function had inside.
async fn health_tells_and_the_run_ends(folder: &Path, runtime: &str) -> u32 {
    std::fs::write(folder.join("index.js"), CODE).unwrap();
    let mut served = Served::start(folder, runtime);
    let (_, pid) = served.get("url", "/pid").await.unwrap();
    let health = "/_fnlocal/health";
    assert_eq!(served.get("url", health).await.unwrap().1, "ok\n");
    served
        .get("url", &format!("/say?line={LASTING}"))
        .await
        .unwrap();
    eventually("health names the thread", async || {
        let (status, text) = served.get("url", health).await.unwrap();
        status == 503 && text == "spans: its thread panicked\n"
    })
    .await;
    let (_, metrics) = served.get("url", "/_fnlocal/metrics").await.unwrap();
    assert!(metrics.contains("fnlocal_panics_total 1\n"), "{metrics}");
    assert_eq!(served.get("url", "/pid").await.unwrap(), (200, pid.clone()));
    if runtime == "docker" {
        assert!(containers_of(folder) > 0);
    }
    // The run may end before it has answered.
    let _cut = served.get("url", &format!("/say?line={FATAL}")).await;
    let mut told = String::new();
    let mut stderr = served.child.stderr.take().unwrap();
    stderr.read_to_string(&mut told).unwrap();
    assert_eq!(served.child.wait().unwrap().code(), Some(70), "{told}");
    let error = "error: a part of fnlocal broke down: printer: its thread panicked";
    assert!(told.contains(error) && told.contains("hint:"), "{told}");
    assert!(!folder.join(".fnlocal/running.json").exists());
    pid.parse().unwrap()
}

#[tokio::test]
async fn health_names_a_panicked_thread_and_a_vital_one_ends_the_run_with_its_processes() {
    let folder = tempfile::tempdir().unwrap();
    let pid = health_tells_and_the_run_ends(folder.path(), "process").await;
    eventually(&format!("process {pid} ends"), async || {
        !Path::new(&format!("/proc/{pid}")).exists()
    })
    .await;
}

#[tokio::test]
async fn a_vital_thread_that_panics_ends_the_run_with_its_containers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    health_tells_and_the_run_ends(&path, "docker").await;
    assert_eq!(containers_of(&path), 0);
}
