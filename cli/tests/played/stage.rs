//! A promoted project, and its machines played.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};

use fnlocal_cloud::apply::apply;
use fnlocal_cloud::aws::Aws;
use fnlocal_cloud::copy::Source;
use fnlocal_cloud::desired::Wish;
use fnlocal_cloud::environment::Environment;
use fnlocal_cloud::node::{NodePace, NodeSettings};
use fnlocal_cloud::promote;
use fnlocal_cloud::resource::{Kind as What, Resource};
use fnlocal_core::release::Release;
use fnlocal_registry::{Digest, RepositoryName};
use serde_json::{Value, json};

use super::balancer::Balancer;
use super::metadata::Metadata;
use super::play::Play;
use super::support::images::{build, store};
use super::support::{Folder, eventually, fnlocal, signal};

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
    env: Environment,
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
    pub async fn new(folder: Folder, network: &str, machines: u32) -> Self {
        let play = Play::start();
        let made = play.post("network", json!({ "cidr": network })).await;
        let subnets = made["subnets"].as_array().unwrap().iter();
        let subnets = subnets.map(|id| id.as_str().unwrap().to_owned()).collect();
        let env = Environment {
            region: Some("eu-west-1".to_owned()),
            min: machines,
            subnets,
            ..Environment::new("prod")
        };
        let aws = play.aws("shop", "prod").await;
        let mut stage = Self {
            balancer: Balancer::start(fnlocal_cloud::node::HEALTH_PATH).await,
            play,
            aws,
            folder,
            machines: BTreeMap::new(),
            env,
            place: tempfile::tempdir().unwrap(),
        };
        stage.promote().await;
        stage.boot().await;
        stage
    }

    /// Builds the folder and promotes it; returns the release's number as a tag.
    pub async fn promote(&mut self) -> String {
        let (wish, source) = self.wish();
        let (inventory, plan) = promote::plan(&self.aws, &wish).await.unwrap();
        let sent = apply(&self.aws, &plan, &inventory, Some(&source), &|_| {});
        sent.await.unwrap();
        self.release().await
    }

    /// The release the nodes follow.
    pub async fn release(&self) -> String {
        let inventory = self.aws.everything().await.unwrap();
        let pointer = inventory.pointer().unwrap();
        pointer.split('@').next().unwrap().to_owned()
    }

    fn wish(&self) -> (Wish, Source) {
        let (code, built, stderr) = build(&self.folder, &[], &[]);
        assert_eq!(code, 0, "{stderr}");
        let digest = built["release"]["digest"].as_str().unwrap();
        let folder = self.folder.path().to_str().unwrap();
        let (code, shown, stderr) = fnlocal(&["release", "show", digest, "--folder", folder]);
        assert_eq!(code, 0, "{stderr}");
        let release: Release = serde_json::from_str(&shown).unwrap();
        let store = store(&self.folder);
        let package = &release.packages[0];
        let repository: RepositoryName = package.repository.parse().unwrap();
        let base: Digest = package.digest.parse().unwrap();
        // The nodes run as processes of this very binary, so the image's content is never run; it is
        // the same for every release, as the binary is.
        let binary = self.place.path().join("fnlocal");
        std::fs::write(&binary, "played by a process").unwrap();
        let known = self.place.path().join("gateway");
        let gateway = match std::fs::read_to_string(&known) {
            Ok(known) => known,
            Err(_) => {
                let made = fnlocal_cloud::gateway::compose(&store, &repository, &base, &binary);
                let digest = made.unwrap().to_string();
                std::fs::write(&known, &digest).unwrap();
                digest
            }
        };
        let images = release.packages.iter();
        let mut repositories: BTreeMap<String, RepositoryName> = images
            .map(|one| (one.digest.clone(), one.repository.parse().unwrap()))
            .collect();
        let of_gateway = fnlocal_cloud::gateway::REPOSITORY.parse().unwrap();
        repositories.insert(gateway.clone(), of_gateway);
        let architecture = if cfg!(target_arch = "aarch64") {
            "arm64"
        } else {
            "amd64"
        };
        let wish = Wish {
            env: self.env.clone(),
            release,
            gateway,
            architectures: BTreeSet::from([architecture.to_owned()]),
            renew: false,
        };
        let source = Source {
            store,
            repositories,
        };
        (wish, source)
    }

    /// Starts what the user data would start, for every machine of the group.
    async fn boot(&mut self) {
        let inventory = self.aws.everything().await.unwrap();
        let mut templates = inventory.of(What::Template);
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
        // What is called from here on is called by nodes.
        self.play.clear().await;
        let addresses = self.play.post("addresses", json!({})).await;
        for node in &inventory.nodes {
            let address: IpAddr = addresses[&node.id].as_str().unwrap().parse().unwrap();
            assert!(address.is_loopback(), "{address} is not this machine");
            let metadata = Metadata::start(&node.id, address).await;
            let log = File::create(self.place.path().join(&node.id)).unwrap();
            let child = self.node(&metadata).arg(&file).stdout(log).spawn().unwrap();
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
        let mut command = Command::new(env!("CARGO_BIN_EXE_fnlocal"));
        let own = std::env::vars().filter(|(name, _)| name.starts_with("AWS_"));
        for (name, _) in own {
            command.env_remove(name);
        }
        command
            .args(["node", "--json", "--settings"])
            .stdin(Stdio::null())
            .env("HOME", self.place.path())
            .env("AWS_ENDPOINT_URL", self.play.endpoint())
            .env(
                "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                format!("http://{}", metadata.address),
            );
        command
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.balancer.url)
    }

    /// What a node says of its health.
    pub async fn health(&self, id: &str) -> Value {
        let url = self.machines[id].at(fnlocal_cloud::node::HEALTH_PATH);
        let answer = reqwest::get(url).await.unwrap();
        answer.json().await.unwrap()
    }

    /// Waits until all nodes say so of their health.
    pub async fn all_say(&self, key: &str, value: &str) {
        eventually(&format!("all nodes say {key}: {value}"), async || {
            for id in self.machines.keys() {
                if self.health(id).await[key] != value {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// What a node has written.
    pub fn log(&self, id: &str) -> String {
        std::fs::read_to_string(self.place.path().join(id)).unwrap()
    }

    /// The group's machines as AWS has them.
    pub async fn members(&self) -> BTreeSet<String> {
        let inventory = self.aws.everything().await.unwrap();
        inventory.nodes.into_iter().map(|node| node.id).collect()
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
