//! The front of the nodes: security groups, balancer, target group, listeners.

use super::checked::CheckedSurroundings;
use crate::environment::CloudEnvironment;
use crate::names::ResourceNames;
use crate::node;
use crate::resource::{Listener, LoadBalancer, Resource, Rule, SecurityGroup, TargetGroup};

pub(super) fn firewalls(
    names: &ResourceNames,
    env: &CloudEnvironment,
    vpc: &str,
) -> impl Iterator<Item = SecurityGroup> {
    let anybody = |port| Rule {
        port,
        from: "0.0.0.0/0".to_owned(),
    };
    let open = if env.certificate.is_some() {
        vec![anybody(80), anybody(443)]
    } else {
        vec![anybody(80)]
    };
    let inner = vec![
        Rule {
            port: node::PORT,
            from: names.balancer_firewall(),
        },
        Rule {
            port: node::PEER_PORT,
            from: names.node_firewall(),
        },
    ];
    let firewall = |name: String, description: &str, ingress| SecurityGroup {
        name,
        description: description.to_owned(),
        vpc: vpc.to_owned(),
        ingress,
    };
    [
        firewall(
            names.balancer_firewall(),
            "fnlocal: anybody to balancer",
            open,
        ),
        firewall(
            names.node_firewall(),
            "fnlocal: balancer to node and node to node",
            inner,
        ),
    ]
    .into_iter()
}

/// Balancer, target group and listeners.
pub(super) fn front(
    names: &ResourceNames,
    env: &CloudEnvironment,
    around: &CheckedSurroundings<'_>,
) -> Vec<Resource> {
    let name = names.balancer();
    let listener = |port: &str, certificate: Option<&String>, forwards: bool| {
        Resource::Listener(Listener {
            name: port.to_owned(),
            certificate: certificate.cloned(),
            forward: forwards.then(|| name.clone()),
        })
    };
    let secure = env.certificate.as_ref();
    let mut front = vec![
        Resource::Balancer(LoadBalancer {
            name: name.clone(),
            subnets: around.subnet_ids(),
            firewalls: vec![names.balancer_firewall()],
        }),
        Resource::TargetGroup(TargetGroup {
            name: name.clone(),
            port: node::PORT,
            vpc: around.vpc.to_owned(),
            health_path: node::HEALTH_PATH.to_owned(),
            health_seconds: 10,
        }),
        listener("80", None, secure.is_none()),
    ];
    front.extend(secure.map(|certificate| listener("443", Some(certificate), true)));
    front
}
