//! A node's settings at boot and the user data that carries them; and the node's dealings with AWS
//! from then on.
//!
//! [`Follower`] looks at the group and at the machine's own metadata, tells what is new there, and
//! publishes how the node stands. How functions are run is none of its business.
//!
//! No secret and no release is in them: changing one of those must not replace a machine.

mod calls;
mod follow;
mod machine;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{CloudError, CloudErrorKind};
pub use follow::{Assigned, Follower, GroupPeer, GroupUpdate, NodeStanding};
pub use machine::ThisMachine;

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
/// Seconds a machine has to boot until its node is ready, where machines are kept stopped.
pub const BOOT_SECONDS: u32 = 900;
/// The lifecycle hook that waits for that.
pub const BOOT_HOOK: &str = "fnlocal-boot";

const OPEN: &str = "cat >/etc/fnlocal/node.json <<'FNLOCAL_NODE'\n";
/// Keeps the machine's metadata, and with it its credentials, from functions.
const RULE: &str = "DOCKER-USER --destination 169.254.169.254/32 --jump REJECT";
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
    /// The lifecycle hook that the machine answers whenever its node is ready; `None` if machines
    /// are not kept stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_hook: Option<String>,
    /// The namespace of its metrics.
    pub metrics: String,
    /// The CloudWatch log group for the node's records, which hold functions' logs; none to keep
    /// them on the machine.
    pub logs: Option<String>,
    /// How often it looks and how long it waits, if not as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<NodePace>,
}

/// How often a node looks at AWS and how long it waits when it ends, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePace {
    /// Between two looks at the group; more in groups of many nodes.
    pub poll_ms: u64,
    /// Between two metrics.
    pub metrics_ms: u64,
    /// Without a request, until a node that ends takes none any more. Longer than the balancer
    /// needs to notice.
    pub quiet_ms: u64,
    /// Until it takes none any more, whatever comes.
    pub drain_ms: u64,
}

impl Default for NodePace {
    /// The drain ends a little before the time that the lifecycle hook gives.
    fn default() -> Self {
        Self {
            poll_ms: 5_000,
            metrics_ms: 60_000,
            quiet_ms: 20_000,
            drain_ms: u64::from(DRAIN_SECONDS - 15) * 1000,
        }
    }
}

impl NodeSettings {
    /// The shell script a machine runs when it boots.
    #[must_use]
    pub fn user_data(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("settings are plain data");
        let Self {
            registry,
            repository,
            gateway,
            ..
        } = self;
        let (log_options, booted) = (self.log_options(), self.booted());
        let image = quoted(&format!("{registry}/{repository}@{gateway}"));
        let (region, registry) = (quoted(&self.region), quoted(registry));
        // The base image may have no certificates to know AWS by; the machine has.
        // Host networking: the nodes' ports are the machine's, and the metadata service stays one
        // hop away for the node and two for its functions, which the rule refuses besides: from
        // before the engine starts, also after the machine was stopped. Without it no node starts.
        format!(
            "#!/bin/bash
set -euo pipefail
mkdir -p /etc/fnlocal /etc/systemd/system/docker.service.d
{OPEN}{json}{CLOSE}
cat >/etc/systemd/system/docker.service.d/fnlocal.conf <<'FNLOCAL_GUARD'
[Service]
ExecStartPre=-/bin/sh -c 'iptables --wait --new-chain DOCKER-USER'
ExecStartPre=/bin/sh -c 'iptables --wait --check {RULE} || iptables --wait --insert {RULE}'
FNLOCAL_GUARD
dnf install -y docker
systemctl daemon-reload
systemctl enable --now docker
iptables --wait --check {RULE}
until aws ecr get-login-password --region {region} | docker login --username AWS --password-stdin {registry}; do sleep 5; done
until docker pull {image}; do sleep 5; done
docker run --detach --name fnlocal-node --restart always --network host \\
  --stop-timeout {DRAIN_SECONDS} {log_options} --env XDG_RUNTIME_DIR=/var/lib/fnlocal \\
  --env SSL_CERT_FILE=/etc/pki/tls/certs/ca-bundle.crt --volume /etc/pki:/etc/pki:ro \\
  --volume /var/run/docker.sock:/var/run/docker.sock \\
  --volume /etc/fnlocal:/etc/fnlocal:ro --volume /var/lib/fnlocal:/var/lib/fnlocal \\
  {image} node --json --settings /etc/fnlocal/node.json
{booted}"
        )
    }

    /// Returns the script that answers the group when a machine has booted. That happens each time,
    /// since the group waits again for one that was kept stopped.
    fn booted(&self) -> String {
        let Some(hook) = &self.boot_hook else {
            return String::new();
        };
        let (region, group, hook) = (quoted(&self.region), quoted(&self.group), quoted(hook));
        let port = self.port;
        format!(
            "cat >/etc/fnlocal/booted <<'FNLOCAL_BOOTED'
set -euo pipefail
metadata=http://169.254.169.254/latest
token=$(curl -sf -X PUT -H 'x-aws-ec2-metadata-token-ttl-seconds: 300' $metadata/api/token)
known() {{ curl -sf -H \"x-aws-ec2-metadata-token: $token\" $metadata/meta-data/$1; }}
until curl -sf -o /dev/null http://$(known local-ipv4):{port}{HEALTH_PATH}; do sleep 2; done
aws autoscaling complete-lifecycle-action --region {region} --auto-scaling-group-name {group} \\
  --lifecycle-hook-name {hook} --instance-id $(known instance-id) --lifecycle-action-result CONTINUE
FNLOCAL_BOOTED
cat >/etc/systemd/system/fnlocal-booted.service <<'FNLOCAL_UNIT'
[Unit]
After=docker.service network-online.target
[Service]
Type=oneshot
ExecStart=/bin/bash /etc/fnlocal/booted
[Install]
WantedBy=multi-user.target
FNLOCAL_UNIT
systemctl daemon-reload
systemctl enable --now --no-block fnlocal-booted
"
        )
    }

    /// Where the container's output goes: every line of it is a record, and functions' lines are
    /// records with their function and request.
    fn log_options(&self) -> String {
        let Some(group) = &self.logs else {
            return "--log-driver local".to_owned();
        };
        format!(
            "--log-driver awslogs --log-opt {} --log-opt {} --log-opt mode=non-blocking",
            quoted(&format!("awslogs-region={}", self.region)),
            quoted(&format!("awslogs-group={group}")),
        )
    }

    /// How often it looks and how long it waits.
    #[must_use]
    pub fn pace(&self) -> NodePace {
        self.pace.unwrap_or_default()
    }

    /// The settings in a file.
    ///
    /// # Errors
    /// Fails if the file cannot be read, or is not of this version of fnlocal.
    pub fn read(path: &Path) -> Result<Self, CloudError> {
        let broken = |what: &str| {
            CloudError::new(CloudErrorKind::Config, format!("{} {what}", path.display()))
                .hint("`fnlocal promote` writes these settings into a node's user data")
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| broken("cannot be read").because(error))?;
        let settings: Self = serde_json::from_str(&text)
            .map_err(|error| broken("holds no settings of a node").because(error))?;
        if settings.schema != 1 {
            return Err(broken("is of another version of fnlocal"));
        }
        Ok(settings)
    }

    /// The settings in a machine's user data; none when it is not ours.
    #[must_use]
    pub fn from_user_data(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(OPEN)?;
        let (json, _) = rest.split_once(CLOSE)?;
        serde_json::from_str(json).ok()
    }
}

/// A word of a shell's command, whatever is in it.
fn quoted(word: &str) -> String {
    // No name of AWS has a NUL.
    shlex::try_quote(word).map_or_else(|_| "''".to_owned(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(logs: Option<&str>) -> NodeSettings {
        NodeSettings {
            schema: 1,
            project: "shop".to_owned(),
            env: "prod".to_owned(),
            region: "eu-west-1".to_owned(),
            registry: "registry".to_owned(),
            repository: "fnlocal/shop/prod".to_owned(),
            gateway: "sha256:0f".to_owned(),
            group: "fnlocal-shop-prod".to_owned(),
            port: PORT,
            peer_port: PEER_PORT,
            peer_key: "/fnlocal/shop/prod/peers".to_owned(),
            drain_hook: DRAIN_HOOK.to_owned(),
            boot_hook: None,
            metrics: METRICS.to_owned(),
            logs: logs.map(str::to_owned),
            pace: None,
        }
    }

    #[test]
    fn node_settings_survive_a_round_trip_through_user_data() {
        let settings = settings(Some("/shop"));
        let data = settings.user_data();
        assert_eq!(NodeSettings::from_user_data(&data), Some(settings));
    }

    #[test]
    fn user_data_blocks_the_metadata_service_before_the_node_starts() {
        let data = settings(None).user_data();
        let put = data.find(&format!("--insert {RULE}")).unwrap();
        let begun = data.find("systemctl enable --now docker").unwrap();
        let checked = data.rfind(&format!("--check {RULE}")).unwrap();
        assert!(put < begun && begun < checked);
        assert!(checked < data.find("docker run").unwrap());
    }

    #[test]
    fn container_logs_go_to_cloudwatch_only_if_a_log_group_is_set() {
        let kept = settings(None).user_data();
        assert!(kept.contains("--log-driver local") && !kept.contains("awslogs"));
        let sent = settings(Some("/shop")).user_data();
        assert!(sent.contains("awslogs-group=/shop"), "{sent}");
        assert!(!sent.contains("create-group"), "promote makes it: {sent}");
    }

    #[test]
    fn a_drain_ends_before_the_time_limit_of_the_scaling_group() {
        let pace = NodePace::default();
        assert!(pace.drain_ms < u64::from(DRAIN_SECONDS) * 1000);
        assert!(pace.quiet_ms < pace.drain_ms);
    }
}
