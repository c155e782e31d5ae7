//! Runs the real `fnlocal dev` on real folders.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![allow(dead_code, reason = "each test file uses what it needs of this")]

#[path = "../../../loadtest/tests/support/browser.rs"]
pub mod browser;
pub mod images;
pub mod openmetrics;
pub mod scrape;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A folder of functions of a test's own.
pub struct Folder {
    pub dir: TempDir,
}

impl Folder {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self {
            dir: tempfile::Builder::new()
                .prefix("fnlocal-test-")
                .tempdir()
                .unwrap(),
        };
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    /// A copy of one of the examples, without what npm or fnlocal left in it.
    pub fn example(name: &str) -> Self {
        let folder = Self::new(&[]);
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../examples")
            .join(name);
        copy(&from, folder.path());
        folder
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file the way editors do: beside it, then over it.
    pub fn write(&self, path: &str, text: &str) {
        let to = self.path().join(path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        let mut beside = tempfile::NamedTempFile::new_in(to.parent().unwrap()).unwrap();
        beside.write_all(text.as_bytes()).unwrap();
        beside.persist(&to).unwrap();
    }

    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.path().join(path)).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if name == "node_modules" || name == ".fnlocal" {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A running `fnlocal dev`.
pub struct Dev {
    child: Child,
    pub url: String,
    /// The platform's own origin.
    pub platform: String,
    /// The run's token, without which the platform shows nothing.
    pub token: String,
    pub ready: Value,
    records: Receiver<Value>,
    pub seen: Vec<Value>,
}

impl Dev {
    pub fn start(folder: &Folder) -> Self {
        Self::start_with(folder, &["--runtime", "docker"])
    }

    pub fn start_with(folder: &Folder, args: &[&str]) -> Self {
        Self::start_command(command(folder.path(), args))
    }

    /// `fnlocal up`: the folder as a release.
    pub fn up(folder: &Folder) -> Self {
        Self::up_with(folder, &[])
    }

    pub fn up_with(folder: &Folder, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fnlocal"));
        command
            .arg("up")
            .arg(folder.path())
            .args(["--port", "0", "--json"])
            .args(args);
        Self::start_command(command)
    }

    pub fn start_command(mut command: Command) -> Self {
        let folders: Vec<_> = command.get_args().map(PathBuf::from).collect();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, records) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line)
                    .unwrap_or_else(|_| panic!("not JSON on stdout: {line}"));
                if sender.send(value).is_err() {
                    break;
                }
            }
        });
        let mut dev = Self {
            child,
            url: String::new(),
            platform: String::new(),
            token: String::new(),
            ready: Value::Null,
            records,
            seen: Vec::new(),
        };
        dev.ready = dev.wait_for("ready", |record| record["event"] == "ready");
        dev.url = dev.ready["url"].as_str().unwrap().to_owned();
        dev.platform = dev.ready["platform"].as_str().unwrap().to_owned();
        dev.token = token_of(&folders, &dev.platform).unwrap_or_default();
        dev
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A path's URL: the platform's paths are of an origin of their own.
    pub fn at(&self, path: &str) -> String {
        let origin = if path.starts_with("/_fnlocal") {
            &self.platform
        } else {
            &self.url
        };
        format!("{origin}{path}")
    }

    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Waits for a record, keeping all that come before it.
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.records.recv_timeout(left) {
                Ok(record) => {
                    self.seen.push(record.clone());
                    if wanted(&record) {
                        return record;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("no {what} came; there were {:#?}", self.seen)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait();
                    panic!(
                        "fnlocal ended ({status:?}) before {what}; there were {:#?}",
                        self.seen
                    )
                }
            }
        }
    }

    pub fn wait_reloaded(&mut self, function: &str) -> Value {
        self.wait_for(&format!("reload of {function}"), |record| {
            record["event"] == "reloaded" && record["function"] == function
        })
    }

    /// The platform's picture of itself.
    pub async fn view(&self) -> Value {
        self.look("/_fnlocal/view").await.json().await.unwrap()
    }

    /// Gets a path of the platform with the run's token.
    pub async fn look(&self, path: &str) -> reqwest::Response {
        let request = reqwest::Client::new().get(self.at(path));
        let request = request.header("x-fnlocal-token", &self.token);
        request.send().await.unwrap()
    }

    /// All records that nobody has waited for yet, once it has ended.
    pub fn rest(&mut self) -> Vec<Value> {
        self.records.iter().collect()
    }

    /// Ctrl-C, and the exit code.
    pub fn interrupt(&mut self) -> Option<i32> {
        signal(self.pid(), "INT");
        self.child.wait().unwrap().code()
    }

    pub fn kill(&mut self) {
        signal(self.pid(), "KILL");
        self.child.wait().unwrap();
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            signal(self.pid(), "INT");
            let _status = self.child.wait();
        }
    }
}

/// The token of the run at an address, which serves one of these folders.
fn token_of(folders: &[PathBuf], platform: &str) -> Option<String> {
    folders.iter().find_map(|folder| {
        let text = std::fs::read_to_string(folder.join(".fnlocal/running.json")).ok()?;
        let running: Value = serde_json::from_str(&text).ok()?;
        let port = |url: &str| url.rsplit(':').next().map(str::to_owned);
        let is_its = port(running["platform"].as_str()?) == port(platform);
        is_its.then(|| running["token"].as_str().map(str::to_owned))?
    })
}

pub fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fnlocal"));
    command
        .arg("dev")
        .arg(folder)
        .args(["--port", "0", "--json"])
        .args(args);
    command
}

/// Runs `fnlocal` to its end: exit code, stdout, stderr.
pub fn fnlocal(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_fnlocal"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Containers with our label that run, or lie there, for a project's folder.
pub fn containers_of(folder: &Folder) -> Vec<String> {
    let filter = format!("label=fnlocal.folder={}", canonical(folder).display());
    let output = Command::new("docker")
        .args(["ps", "--all", "--quiet", "--filter", &filter])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn canonical(folder: &Folder) -> PathBuf {
    folder.path().canonicalize().unwrap()
}

pub fn header<'a>(answer: &'a reqwest::Response, name: &str) -> &'a str {
    answer
        .headers()
        .get(name)
        .unwrap_or_else(|| panic!("no {name} in {:?}", answer.headers()))
        .to_str()
        .unwrap()
}

/// Asks again until it holds. For what has no event to wait for.
pub async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
