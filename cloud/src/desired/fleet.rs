//! The nodes: what they are started from, how many there are, and when.

use super::PromoteRequest;
use super::checked::CheckedSurroundings;
use crate::environment::{CloudEnvironment, ScalingTarget};
use crate::inventory::Inventory;
use crate::names::ResourceNames;
use crate::node::{self, NodeSettings};
use crate::resource::{
    Hook, LaunchTemplate, MachineGroup, Resource, ResourceKey, ResourceKind, Scaling,
    ScheduledAction, TrackedMetric, WarmPool,
};

pub(super) fn template(
    names: &ResourceNames,
    wish: &PromoteRequest,
    inventory: &Inventory,
    newest: &str,
) -> LaunchTemplate {
    let place = &inventory.place;
    let settings = NodeSettings {
        schema: 1,
        project: names.project().to_owned(),
        env: names.env().to_owned(),
        region: place.region.clone(),
        registry: place.registry.clone(),
        repository: names.repository(),
        gateway: wish.gateway.clone(),
        group: names.group(),
        port: node::PORT,
        peer_port: node::PEER_PORT,
        peer_key: names.peer_key(),
        drain_hook: node::DRAIN_HOOK.to_owned(),
        metrics: node::METRICS.to_owned(),
        boot_hook: (wish.env.warm_pool > 0).then(|| node::BOOT_HOOK.to_owned()),
        logs: wish.env.logs.then(|| names.log_group()),
        pace: None,
    };
    let mut template = LaunchTemplate {
        name: names.template(),
        image: newest.to_owned(),
        instance_type: wish.env.instance_type.clone(),
        profile: names.role(&inventory.place.region),
        firewalls: vec![names.node_firewall()],
        disk_gb: wish.env.disk_gb,
        metadata_guarded: true,
        user_data: settings.user_data(),
    };
    // A newer machine image alone replaces no nodes: those who promote twice must get the same.
    let key = ResourceKey {
        kind: ResourceKind::Template,
        name: names.template(),
    };
    if let Some(Resource::Template(current)) = inventory.get(&key).map(|found| &found.resource)
        && !wish.renew
    {
        let newest = std::mem::replace(&mut template.image, current.image.clone());
        if template != *current {
            template.image = newest;
        }
    }
    template
}

/// The group and what is in it.
pub(super) fn fleet(
    names: &ResourceNames,
    env: &CloudEnvironment,
    inventory: &Inventory,
    around: &CheckedSurroundings<'_>,
) -> Vec<Resource> {
    let group = names.group();
    let mut fleet = vec![
        Resource::Group(MachineGroup {
            name: group.clone(),
            min: least(names, env, inventory),
            max: env.max,
            subnets: around.subnet_ids(),
            target_group: Some(names.balancer()),
            balancer_health: true,
            grace_seconds: 180,
            warm_up_seconds: env.warm_up,
        }),
        Resource::Hook(Hook {
            name: node::DRAIN_HOOK.to_owned(),
            group: group.clone(),
            at_launch: false,
            seconds: node::DRAIN_SECONDS,
        }),
    ];
    if env.warm_pool > 0 {
        // A machine must not be stopped before it has booted to its end.
        fleet.push(Resource::Hook(Hook {
            name: node::BOOT_HOOK.to_owned(),
            group: group.clone(),
            at_launch: true,
            seconds: node::BOOT_SECONDS,
        }));
        fleet.push(Resource::WarmPool(WarmPool {
            name: group.clone(),
            size: env.warm_pool,
        }));
    }
    fleet.extend(env.scale_on.map(|scale_on| {
        let (metric, target) = match scale_on {
            ScalingTarget::RequestsPerNode(target) => {
                (TrackedMetric::Requests(names.balancer()), target)
            }
            ScalingTarget::MemoryPercent(target) => (TrackedMetric::Memory, target),
        };
        Resource::Scaling(Scaling {
            name: "fnlocal".to_owned(),
            group: group.clone(),
            metric,
            target,
        })
    }));
    fleet.extend(env.prescale.iter().map(|prescale| {
        Resource::Schedule(ScheduledAction {
            name: format!("fnlocal-{}", prescale.name),
            group: group.clone(),
            cron: prescale.cron.clone(),
            timezone: prescale
                .timezone
                .clone()
                .unwrap_or_else(|| "UTC".to_owned()),
            min: prescale.min,
        })
    }));
    fleet
}

/// The minimum number of nodes. A minimum that a schedule has set stays until another schedule
/// changes it.
fn least(names: &ResourceNames, env: &CloudEnvironment, inventory: &Inventory) -> u32 {
    let key = ResourceKey {
        kind: ResourceKind::Group,
        name: names.group(),
    };
    match inventory.get(&key).map(|found| &found.resource) {
        Some(Resource::Group(group)) if env.prescale.iter().any(|p| p.min == group.min) => {
            group.min
        }
        _ => env.min,
    }
}
