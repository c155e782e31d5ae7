//! The front of the nodes.

use serde::{Deserialize, Serialize};

/// EC2 security group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Its name.
    pub name: String,
    /// The purpose.
    pub description: String,
    /// The network it is in.
    pub vpc: String,
    /// The permitted ingress, sorted.
    pub ingress: Vec<Rule>,
}

/// Permitted ingress: TCP on one port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rule {
    /// The port; 0 for anything that is not one TCP port.
    pub port: u16,
    /// From where: a block of addresses, or the name of a security group.
    pub from: String,
}

/// Application load balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// Its name.
    pub name: String,
    /// Its subnets, sorted.
    pub subnets: Vec<String>,
    /// Its security groups.
    pub firewalls: Vec<String>,
    /// Seconds without a byte after which it ends a connection, 60 to 4,000.
    pub idle_seconds: u32,
    /// Removes headers whose names have other characters than letters, digits and hyphens.
    pub drops_invalid_headers: bool,
}

/// Target group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// Its name.
    pub name: String,
    /// The nodes' port.
    pub port: u16,
    /// The network it is in.
    pub vpc: String,
    /// Path that tells whether a node is ready.
    pub health_path: String,
    /// Seconds between two looks.
    pub health_seconds: u32,
    /// Seconds for which requests under way may go on at a node that leaves.
    pub drain_seconds: u32,
}

/// Listener of the balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    /// Its name: the port.
    pub name: String,
    /// ARN of its certificate, for HTTPS.
    pub certificate: Option<String>,
    /// Name of its TLS policy, for HTTPS.
    pub tls_policy: Option<String>,
    /// The target group it forwards to; none when it sends people to HTTPS.
    pub forward: Option<String>,
}
