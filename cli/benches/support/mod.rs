//! Parts that the benches share: a running `fnlocal dev`, wrk, and a place for results.
#![allow(dead_code, reason = "each bench uses what it needs of this")]

pub mod cpu;
pub mod engine;
pub mod http;
pub mod pairs;
pub mod relay;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before a bench gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A running `fnlocal dev`, ended when dropped.
pub struct Dev {
    child: Child,
    pub port: u16,
    /// The port of the platform's own origin.
    pub platform: u16,
    /// The run's token, without which the platform shows nothing.
    pub token: String,
    pub records: std::sync::mpsc::Receiver<Value>,
}

impl Dev {
    pub fn start(folder: &Path, args: &[&str], env: &[(&str, &Path)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fnlocal"));
        command
            .arg("dev")
            .arg(folder)
            .args(["--port", "0", "--json"])
            .args(args);
        command.envs(env.iter().copied());
        let mut child = command
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .expect("fnlocal starts");
        let (sender, records) = std::sync::mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut lines = stdout.lines().map_while(Result::ok);
        let ready = lines
            .by_ref()
            .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
            .find(|record| record["event"] == "ready")
            .expect("fnlocal became ready");
        std::thread::spawn(move || {
            for record in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                if sender.send(record).is_err() {
                    // The test reads no more, but the pipe must not fill up.
                    continue;
                }
            }
        });
        let port = |name: &str| {
            let url = ready[name].as_str().expect("it says where");
            let port = url.rsplit(':').next().and_then(|port| port.parse().ok());
            port.expect("the URL ends in a port")
        };
        Self {
            child,
            port: port("url"),
            platform: port("platform"),
            token: token_of(folder),
            records,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Dev {
    /// The platform's picture of itself.
    pub async fn view(&self) -> Value {
        let answer = http::look(self.platform, "/_fnlocal/view", &self.token)
            .await
            .expect("the platform answers");
        serde_json::from_str(&answer.body).expect("the view is JSON")
    }

    /// Waits until the picture shows something.
    pub async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&self.view().await["node"]) {
            assert!(Instant::now() < deadline, "never happened: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Resident memory of fnlocal itself, in MiB.
    pub fn memory(&self) -> f64 {
        resident(self.pid())
    }
}

fn token_of(folder: &Path) -> String {
    let text = std::fs::read(folder.join(".fnlocal/running.json")).expect("it says where it is");
    let running: Value = serde_json::from_slice(&text).expect("it is JSON");
    running["token"]
        .as_str()
        .expect("it has a token")
        .to_owned()
}

/// Resident memory of a process, in MiB.
pub fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _gone = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        let _status = self.child.wait();
    }
}

/// The measurements of wrk.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub failed: u64,
}

/// Sends load to this machine's own port for some seconds.
pub fn wrk(url: &str, connections: u32, seconds: u32) -> Load {
    assert!(
        url.starts_with("http://127.0.0.1:"),
        "load stays on this machine"
    );
    let output = Command::new("wrk")
        .args([
            "--latency",
            "-t1",
            &format!("-c{connections}"),
            &format!("-d{seconds}s"),
            url,
        ])
        .output()
        .expect("wrk is installed: .ci/tools bench");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    let field = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(name));
        line.and_then(|line| line.split_whitespace().last().map(str::to_owned))
    };
    let failed = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Non-2xx or 3xx responses: "))
        .and_then(|count| count.trim().parse().ok());
    Load {
        per_second: field("Requests/sec:")
            .and_then(|n| n.parse().ok())
            .expect("wrk says so"),
        p50_us: micros(&field("50%").expect("wrk says so")),
        p99_us: micros(&field("99%").expect("wrk says so")),
        failed: failed.unwrap_or(0),
    }
}

fn micros(text: &str) -> f64 {
    let end = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let number: f64 = text[..end].parse().unwrap_or(f64::NAN);
    match &text[end..] {
        "us" => number,
        "ms" => number * 1e3,
        "s" => number * 1e6,
        _ => f64::NAN,
    }
}

pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

pub fn percentile(mut numbers: Vec<f64>, of_a_hundred: usize) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[(numbers.len() * of_a_hundred / 100).min(numbers.len() - 1)]
}

/// A series of times as it is written down.
pub fn spread(numbers: &[f64]) -> Value {
    let at = |of_a_hundred| percentile(numbers.to_vec(), of_a_hundred);
    serde_json::json!({
        "p50": at(50), "p95": at(95), "min": at(0), "max": at(100), "count": numbers.len(),
    })
}

/// Prints a series of milliseconds.
pub fn times(what: &str, numbers: &[f64]) {
    let at = |of_a_hundred| percentile(numbers.to_vec(), of_a_hundred);
    println!(
        "  {what:<34} p50 {:>8.1} ms   p95 {:>8.1} ms   of {}",
        at(50),
        at(95),
        numbers.len()
    );
}

/// Writes a bench's figures to `bench-results/NAME.json` and prints where.
pub fn write(name: &str, figures: &Value) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../bench-results");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let path = folder.join(format!("{name}.json"));
    std::fs::write(&path, format!("{figures:#}\n")).expect("the file can be written");
    println!("written to bench-results/{name}.json");
}

/// Prints a ratio beside what was hoped for.
pub fn ratio(what: &str, value: f64, wanted: &str) {
    println!("  {what:<52} {value:>7.3}   wanted {wanted}");
}
