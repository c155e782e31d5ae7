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
}

/// Listener of the balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    /// Its name: the port.
    pub name: String,
    /// ARN of its certificate, for HTTPS.
    pub certificate: Option<String>,
    /// The target group it forwards to; none when it sends people to HTTPS.
    pub forward: Option<String>,
}
