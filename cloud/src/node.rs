//! What a node is told when it boots: its settings, and the user data that carries them.
//!
//! No secret and no release is in them: changing one of those must not replace a machine.

use serde::{Deserialize, Serialize};

/// The port the balancer talks to.
pub const PORT: u16 = 8080;
/// The port nodes talk to each other on.
pub const PEER_PORT: u16 = 8081;
/// The path that answers 200 when the node has loaded its release.
pub const HEALTH_PATH: &str = "/_fnlocal/health";
/// Where nodes publish metrics in CloudWatch.
pub const METRICS: &str = "fnlocal";
/// The metric of memory committed, in percent, by the dimension `AutoScalingGroupName`.
pub const MEMORY_METRIC: &str = "MemoryCommitted";
/// Seconds a node has to finish its requests before it ends.
pub const DRAIN_SECONDS: u32 = 120;
/// The lifecycle hook that gives it this time.
pub const DRAIN_HOOK: &str = "fnlocal-drain";

const OPEN: &str = "cat >/etc/fnlocal/node.json <<'FNLOCAL_NODE'\n";
const CLOSE: &str = "\nFNLOCAL_NODE\n";

/// The settings of `fnlocal node`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSettings {
    /// The version of this format: 1.
    pub schema: u32,
    /// The project.
    pub project: String,
    /// The environment.
    pub env: String,
    /// AWS region.
    pub region: String,
    /// The registry's address, without `https://`.
    pub registry: String,
    /// The repository of images and releases.
    pub repository: String,
    /// The gateway image's digest.
    pub gateway: String,
    /// The auto-scaling group: its members are the peers, its tag `fnlocal:release` the release.
    pub group: String,
    /// The port for the balancer.
    pub port: u16,
    /// The port for peers.
    pub peer_port: u16,
    /// The SSM parameter with the peers' key.
    pub peer_key: String,
    /// The lifecycle hook to answer when drained.
    pub drain_hook: String,
    /// The namespace of its metrics.
    pub metrics: String,
    /// The CloudWatch log group for functions' logs, if they are kept.
    pub logs: Option<String>,
}

impl NodeSettings {
    /// The shell script a machine runs when it boots.
    #[must_use]
    pub fn user_data(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("settings are plain data");
        let Self {
            region,
            registry,
            repository,
            gateway,
            ..
        } = self;
        // Host networking: the nodes' ports are the machine's, and the metadata service stays one
        // hop away for the node and two for its functions.
        format!(
            "#!/bin/bash
set -euo pipefail
mkdir -p /etc/fnlocal
{OPEN}{json}{CLOSE}
dnf install -y docker
systemctl enable --now docker
until aws ecr get-login-password --region {region} | docker login --username AWS --password-stdin {registry}; do sleep 5; done
until docker pull {registry}/{repository}@{gateway}; do sleep 5; done
docker run --detach --name fnlocal-node --restart always --network host \\
  --volume /var/run/docker.sock:/var/run/docker.sock \\
  --volume /etc/fnlocal:/etc/fnlocal:ro --volume /var/lib/fnlocal:/var/lib/fnlocal \\
  {registry}/{repository}@{gateway} node --settings /etc/fnlocal/node.json
"
        )
    }

    /// The settings in a machine's user data; none when it is not ours.
    #[must_use]
    pub fn from_user_data(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(OPEN)?;
        let (json, _) = rest.split_once(CLOSE)?;
        serde_json::from_str(json).ok()
    }
}
