//! Starts what plays AWS, and ends it. Used by the tests of this crate and of the commands.

#![allow(dead_code, reason = "each crate's tests use what they need of this")]

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

/// A server that plays AWS, until dropped.
pub struct Play {
    process: Child,
    address: SocketAddr,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

/// The calls since they were last forgotten.
#[derive(Clone, Debug, Deserialize)]
pub struct Calls {
    /// Actions as policies name them, and which call of that action it was, from 1.
    pub calls: Vec<(String, u32)>,
    /// Bytes of blobs the registry received.
    pub bytes: u64,
    /// Blobs the registry received.
    pub blobs: u64,
    /// Faults that have not happened yet.
    pub left: Vec<Value>,
    /// The metrics published in CloudWatch.
    pub metrics: Vec<Value>,
}

impl Play {
    pub fn start() -> Self {
        // The crates whose tests use this lie side by side.
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let python = root.join("target/tools/aws/bin/python");
        assert!(
            python.exists(),
            "run `.ci/tools` first: it installs what plays AWS"
        );
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(python)
            .arg(root.join("cloud/tests/aws/strict.py"))
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = process.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let port: u16 = line.trim().parse().expect("strict.py says its port");
        Self {
            process,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            _folder: folder,
        }
    }

    /// Where it answers. Never anything but this machine.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub async fn calls(&self) -> Calls {
        let answer = self.http.get(self.url("calls")).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// Forgets what was called.
    pub async fn clear(&self) {
        self.post("clear", json!({})).await;
    }

    /// Nothing is there any more, apart from the parameters.
    pub async fn reset(&self) {
        self.post("reset", json!({})).await;
    }

    /// An SSM parameter that somebody has made in eu-west-1.
    pub async fn parameter(&self, name: &str) {
        self.post("parameter", json!({ "name": name })).await;
    }

    /// The call `action` number `nth` goes wrong.
    pub async fn fault(&self, action: &str, nth: u32, fault: Value) {
        let mut fault = fault;
        fault["action"] = action.into();
        fault["nth"] = nth.into();
        self.post("fault", fault).await;
    }

    /// Releases the calls that are held.
    pub async fn go(&self) {
        self.post("go", json!({})).await;
    }

    /// Has it do what AWS, or its console, would do: see strict.py.
    pub async fn post(&self, what: &str, body: Value) -> Value {
        let answer = self
            .http
            .post(self.url(what))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success());
        answer.json().await.unwrap()
    }

    fn url(&self, what: &str) -> String {
        format!("{}/_strict/{what}", self.endpoint())
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        // The process ends with its input, and takes the registry along.
        drop(self.process.stdin.take());
        let _ended = self.process.wait();
    }
}
