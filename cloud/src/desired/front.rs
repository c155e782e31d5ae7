//! The front of the nodes: security groups, balancer, target group, listeners.

use std::time::Duration;

use fnlocal_core::release::Release;

use super::PromoteRequest;
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

/// TLS 1.2 and 1.3, AWS's recommendation:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html>.
const TLS_POLICY: &str = "ELBSecurityPolicy-TLS13-1-2-2021-06";
/// The bounds of a balancer's idle timeout in seconds: its default, and the maximum of
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html>.
const IDLE_SECONDS: std::ops::RangeInclusive<u64> = 60..=4000;
/// Seconds that the gateway has to answer a request that is out of time itself.
const ANSWER_SECONDS: u64 = 5;

/// Returns the seconds for which a connection may be silent: as long as the slowest function may
/// wait and run, or a stream may pause.
fn idle_seconds(release: &Release) -> u32 {
    let longest = release
        .packages
        .iter()
        .flat_map(|package| &package.functions);
    let longest = longest.map(|one| one.limits.timeout.saturating_add(one.limits.queue_timeout));
    let stream = Duration::from_millis(release.limits.idle_timeout_ms.unwrap_or(0));
    let longest = longest.fold(stream, Duration::max).as_secs();
    let seconds = longest.saturating_add(ANSWER_SECONDS);
    let seconds = seconds.clamp(*IDLE_SECONDS.start(), *IDLE_SECONDS.end());
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// Balancer, target group and listeners.
pub(super) fn front(
    names: &ResourceNames,
    PromoteRequest { env, release, .. }: &PromoteRequest,
    around: &CheckedSurroundings<'_>,
) -> Vec<Resource> {
    let name = names.balancer();
    let listener = |port: &str, certificate: Option<&String>, forwards: bool| {
        Resource::Listener(Listener {
            name: port.to_owned(),
            certificate: certificate.cloned(),
            tls_policy: certificate.map(|_| TLS_POLICY.to_owned()),
            forward: forwards.then(|| name.clone()),
        })
    };
    let secure = env.certificate.as_ref();
    let mut front = vec![
        Resource::Balancer(LoadBalancer {
            name: name.clone(),
            subnets: around.subnet_ids(),
            firewalls: vec![names.balancer_firewall()],
            idle_seconds: idle_seconds(release),
            drops_invalid_headers: true,
        }),
        Resource::TargetGroup(TargetGroup {
            name: name.clone(),
            port: node::PORT,
            vpc: around.vpc.to_owned(),
            health_path: node::HEALTH_PATH.to_owned(),
            health_seconds: 10,
            drain_seconds: node::DRAIN_SECONDS,
        }),
        listener("80", None, secure.is_none()),
    ];
    front.extend(secure.map(|certificate| listener("443", Some(certificate), true)));
    front
}
