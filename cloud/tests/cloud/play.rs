//! Starts what plays AWS, and ends it.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::Credentials;
use fnlocal_cloud::Names;
use fnlocal_cloud::aws::{Aws, Pace};
use serde::Deserialize;
use serde_json::{Value, json};

/// What plays AWS, until dropped.
pub struct Play {
    process: Child,
    address: SocketAddr,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

/// What was called since it was last forgotten.
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
    /// What was published in CloudWatch.
    pub metrics: Vec<Value>,
}

impl Play {
    pub fn start() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("../target/tools/aws/bin/python");
        assert!(
            python.exists(),
            "run `.ci/tools` first: it installs what plays AWS"
        );
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(python)
            .arg(root.join("../cloud/tests/aws/strict.py"))
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
            http: reqwest::Client::new(),
            _folder: folder,
        }
    }

    /// A connection as the product makes it, but to the play.
    pub async fn aws(&self, project: &str, env: &str) -> Aws {
        let config = self.config().await;
        let endpoint = config.endpoint_url().unwrap_or_default();
        assert!(
            endpoint.starts_with("http://127.0.0.1:"),
            "{endpoint} is not this machine"
        );
        let names = Names::new(project, env).unwrap();
        Aws::connect(&config, names, pace()).await.unwrap()
    }

    pub async fn config(&self) -> SdkConfig {
        let credentials = Credentials::new("AKIDPLAY", "secret", None, None, "play");
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(format!("http://{}", self.address))
            .credentials_provider(credentials)
            .load()
            .await
    }

    pub async fn calls(&self) -> Calls {
        let answer = self.http.get(self.url("calls")).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// Forgets what was called.
    pub async fn clear(&self) {
        self.post("clear", json!({})).await;
    }

    /// Nothing is there any more.
    pub async fn reset(&self) {
        self.post("reset", json!({})).await;
    }

    /// The call `action` number `nth` goes wrong.
    pub async fn fault(&self, action: &str, nth: u32, fault: Value) {
        let mut fault = fault;
        fault["action"] = action.into();
        fault["nth"] = nth.into();
        self.post("fault", fault).await;
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Has it do what AWS, or its console, would do; see strict.py.
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
        format!("http://{}/_strict/{what}", self.address)
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        // It ends with its input, and takes the registry along.
        drop(self.process.stdin.take());
        let _ended = self.process.wait();
    }
}

/// As fast as a play can be.
pub fn pace() -> Pace {
    Pace {
        poll: Duration::from_millis(5),
        settle: Duration::from_millis(2),
        attempts: 3,
        looks: 50,
    }
}
