//! A promoted project, and its machines played.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sts::config::Credentials;
use fnlocal_cloud::ResourceNames;
use fnlocal_cloud::aws::{Aws, PollPace};
use fnlocal_cloud::node::{NodePace, NodeSettings};
use fnlocal_cloud::resource::{Resource, ResourceKind as What};
use serde_json::{Value, json};

use super::balancer::Balancer;
use super::metadata::Metadata;
use super::play::Play;
use super::support::{Folder, PATIENCE, eventually, signal};

/// As quick as a balancer that looks ten times a second allows.
const PACE: NodePace = NodePace {
    poll_ms: 200,
    metrics_ms: 500,
    quiet_ms: 1_500,
    drain_ms: 20_000,
};

/// A project, what plays AWS, and the machines.
pub struct Stage {
    pub play: Play,
    pub aws: Aws,
    pub folder: Folder,
    pub balancer: Balancer,
    pub machines: BTreeMap<String, Machine>,
    place: tempfile::TempDir,
}

/// A machine of the group.
pub struct Machine {
    pub address: SocketAddr,
    pub metadata: Metadata,
    child: Child,
}

impl Stage {
    /// Promotes a folder, and boots the machines of its group. `network` is a range of loopback
    /// addresses that no other stage has.
    pub async fn new(folder: Folder, project: &str, network: &str, machines: u32) -> Self {
        let play = Play::start();
        let made = play.post("network", json!({ "cidr": network })).await;
        let subnets = &made["subnets"];
        let toml = folder.path().join("fnlocal.toml");
        let toml = std::fs::read_to_string(toml).unwrap();
        let env = format!(
            "{toml}\n[env.prod]\nregion = \"eu-west-1\"\nsubnets = {subnets}\n\
             nodes = {{ min = {machines}, max = 4 }}\n"
        );
        folder.write("fnlocal.toml", &env);
        let aws = connect(&play, project).await;
        let mut stage = Self {
            balancer: Balancer::start(fnlocal_cloud::node::HEALTH_PATH).await,
            play,
            aws,
            folder,
            machines: BTreeMap::new(),
            place: tempfile::tempdir().unwrap(),
        };
        stage.promote().await;
        stage.boot().await;
        stage
    }

    /// Builds the folder and promotes it; returns the release's number as a tag.
    pub async fn promote(&mut self) -> String {
        // The nodes run as processes of this very binary, so what is in the image is never run; a
        // small program is quickly sent.
        let args = [
            "promote",
            "--env",
            "prod",
            "--yes",
            "--node-binary",
            "/bin/sleep",
        ];
        self.command(&args);
        self.release().await
    }

    /// The release the nodes follow.
    pub async fn release(&self) -> String {
        let inventory = self.aws.everything().await.unwrap();
        let pointer = inventory.pointer().unwrap();
        pointer.split('@').next().unwrap().to_owned()
    }

    /// Runs a command in the project's folder, which must go well.
    pub fn command(&self, args: &[&str]) -> Output {
        let output = self.output(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        output
    }

    /// Runs a command in the project's folder.
    pub fn output(&self, args: &[&str]) -> Output {
        self.asked(args).output().unwrap()
    }

    /// Starts a command in the project's folder that goes on until it is ended.
    pub fn start(&self, args: &[&str]) -> Running {
        let child = self.asked(args).stdout(Stdio::piped()).spawn();
        Running(child.unwrap())
    }

    fn asked(&self, args: &[&str]) -> Command {
        let mut command = self.fnlocal();
        command
            .args(args)
            .current_dir(self.folder.path())
            .env("AWS_ACCESS_KEY_ID", "AKIDPLAY")
            .env("AWS_SECRET_ACCESS_KEY", "secret");
        command
    }

    /// One that knows of no other AWS than the play.
    fn fnlocal(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fnlocal"));
        let inherited = std::env::vars().map(|(name, _)| name);
        for name in inherited.filter(|name| name.starts_with("AWS_")) {
            command.env_remove(name);
        }
        command
            .stdin(Stdio::null())
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_ENDPOINT_URL", self.play.endpoint());
        command
    }

    /// Starts what the user data would start, for every machine of the group.
    async fn boot(&mut self) {
        let inventory = self.aws.everything().await.unwrap();
        let mut templates = inventory.of_kind(What::Template);
        let user_data = templates.find_map(|found| match &found.resource {
            Resource::Template(template) => Some(template.user_data.clone()),
            _ => None,
        });
        let settings = NodeSettings::from_user_data(&user_data.unwrap()).unwrap();
        let settings = NodeSettings {
            pace: Some(PACE),
            ..settings
        };
        let file = self.place.path().join("node.json");
        std::fs::write(&file, serde_json::to_vec(&settings).unwrap()).unwrap();
        // Calls from here on are those of nodes.
        self.play.clear().await;
        let addresses = self.play.post("addresses", json!({})).await;
        for node in &inventory.nodes {
            let address: IpAddr = addresses[&node.id].as_str().unwrap().parse().unwrap();
            assert!(address.is_loopback(), "{address} is not this machine");
            let metadata = Metadata::start(&node.id, address).await;
            let log = File::create(self.place.path().join(&node.id)).unwrap();
            let state = self.place.path().join(format!("{}-state", node.id));
            let mut command = self.node(&metadata);
            command.arg(&file).arg("--state").arg(state);
            let child = command.stdout(log).spawn().unwrap();
            let address = SocketAddr::new(address, settings.port);
            self.balancer.register(address);
            let machine = Machine {
                address,
                metadata,
                child,
            };
            self.machines.insert(node.id.clone(), machine);
        }
        let all = self.machines.len();
        eventually("all nodes are healthy", async || {
            self.balancer.healthy() == all
        })
        .await;
    }

    fn node(&self, metadata: &Metadata) -> Command {
        let mut command = self.fnlocal();
        command.args(["node", "--json", "--settings"]).env(
            "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            format!("http://{}", metadata.address),
        );
        command
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.balancer.url)
    }

    /// Returns a node's health.
    pub async fn health(&self, id: &str) -> Value {
        let url = self.machines[id].at(fnlocal_cloud::node::HEALTH_PATH);
        let answer = reqwest::get(url).await.unwrap();
        answer.json().await.unwrap()
    }

    /// Waits until all nodes say so of their health.
    pub async fn all_say(&self, key: &str, value: &str) {
        let deadline = Instant::now() + PATIENCE;
        for id in self.machines.keys() {
            let mut says = self.health(id).await;
            while says[key] != value {
                let log = || self.log(id);
                assert!(
                    Instant::now() < deadline,
                    "{key} is not {value}: {says}\n{}",
                    log()
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
                says = self.health(id).await;
            }
        }
    }

    /// Returns a node's output.
    pub fn log(&self, id: &str) -> String {
        std::fs::read_to_string(self.place.path().join(id)).unwrap()
    }

    /// The group's machines as AWS has them.
    pub async fn members(&self) -> BTreeSet<String> {
        let inventory = self.aws.everything().await.unwrap();
        inventory.nodes.into_iter().map(|node| node.id).collect()
    }
}

/// A command that goes on.
pub struct Running(Child);

impl Running {
    /// Returns its output line by line, as it comes.
    pub fn lines(&mut self) -> impl Iterator<Item = String> {
        let output = self.0.stdout.take().unwrap();
        BufReader::new(output).lines().map(Result::unwrap)
    }

    /// Ends it as Ctrl-C does.
    pub fn end(mut self) {
        signal(self.0.id(), "INT");
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves it; one that went well has ended it.
        let _ended = self.0.kill();
    }
}

impl Machine {
    pub fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Has it end as `docker stop` would; returns the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        signal(self.child.id(), "TERM");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Once would have it wait for requests to stop coming.
            signal(self.child.id(), "TERM");
            signal(self.child.id(), "TERM");
            let _status = self.child.wait();
        }
    }
}

/// Looks at the play as the commands do.
async fn connect(play: &Play, project: &str) -> Aws {
    let credentials = Credentials::new("AKIDPLAY", "secret", None, None, "play");
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(play.endpoint())
        .credentials_provider(credentials)
        .load()
        .await;
    let names = ResourceNames::new(project, "prod").unwrap();
    Aws::connect(&config, names, PollPace::default())
        .await
        .unwrap()
}
