//! What should be there: from fnlocal.toml, a release, and what surrounds it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use fnlocal_core::release::Release;

use crate::delivery::Delivery;
use crate::environment::{Environment, Prescale, ScaleOn};
use crate::error::{CloudError, Kind};
use crate::inventory::{InstanceType, Inventory, Subnet};
use crate::names::Names;
use crate::node::{self, NodeSettings};
use crate::resource::{
    Artifact, Balancer, Firewall, Group, Hook, Image, Key, Kind as What, Listener, Metric, Nodes,
    PeerKey, Pointer, Profile, Repository, Resource, Role, Rule, Scaling, Schedule, TargetGroup,
    Template,
};
use crate::role;

/// What is to be promoted, and where to.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The environment.
    pub env: Environment,
    /// The release.
    pub release: Release,
    /// The gateway image's digest.
    pub gateway: String,
    /// Processors the images are for, as images call them: `amd64`, `arm64`.
    pub architectures: BTreeSet<String>,
    /// Nodes are to be started from the newest machine image even if nothing else changes.
    pub renew: bool,
}

/// What should be there.
#[derive(Clone, Debug)]
pub struct Desired {
    /// All of it.
    pub resources: Vec<Resource>,
    /// The delivery the nodes should follow.
    pub delivery: Delivery,
    /// What people should know.
    pub warnings: Vec<String>,
}

/// Works out what should be there.
///
/// # Errors
/// The environment asks for what the region, the images or AWS do not have.
pub fn desired(names: &Names, wish: &Wish, inventory: &Inventory) -> Result<Desired, CloudError> {
    let env = &wish.env;
    let surroundings = Checked::new(wish, inventory)?;
    let sources = sources(names, env, &wish.release)?;
    let delivery = Delivery {
        release: wish.release.clone(),
        sources,
    };
    let (artifact, delivery) = artifact(names, delivery, inventory);
    let release = format!("{}@{}", artifact.tag, artifact.digest);

    let mut resources = vec![Resource::Repository(repository(names))];
    resources.extend(images(names, wish).map(Resource::Image));
    resources.push(Resource::Release(artifact));
    let peer_key = PeerKey {
        name: names.peer_key(),
    };
    resources.push(Resource::PeerKey(peer_key));
    let parameters: BTreeSet<String> = delivery.sources.values().cloned().collect();
    resources.push(Resource::Role(Role {
        name: names.role(),
        trust: role::trust(),
        policy: role::policy(names, &inventory.place, &parameters, env.logs),
    }));
    resources.push(Resource::Profile(Profile {
        name: names.role(),
        role: Some(names.role()),
    }));
    resources.extend(firewalls(names, env, surroundings.vpc).map(Resource::Firewall));
    let template = template(names, wish, inventory, surroundings.machine_image);
    let fingerprint = template.fingerprint();
    resources.push(Resource::Template(template));
    resources.extend(front(names, env, &surroundings));
    resources.extend(fleet(names, env, inventory, &surroundings));
    resources.push(Resource::Nodes(Nodes {
        name: names.group(),
        template: fingerprint,
    }));
    resources.push(Resource::Pointer(Pointer {
        name: names.group(),
        release,
    }));
    Ok(Desired {
        resources,
        delivery,
        warnings: warnings(env, &surroundings),
    })
}

/// Surroundings in which nothing that is needed is missing.
struct Checked<'a> {
    vpc: &'a str,
    subnets: Vec<&'a Subnet>,
    machine_image: &'a str,
}

impl<'a> Checked<'a> {
    fn new(wish: &Wish, inventory: &'a Inventory) -> Result<Self, CloudError> {
        let (env, around) = (&wish.env, &inventory.around);
        let region = &inventory.place.region;
        let config = |what: String, hint: String| CloudError::new(Kind::Config, what).hint(hint);
        check_schedules(env)?;
        let Some(kind) = &around.instance_type else {
            return Err(config(
                format!("{region} has no instance type `{}`", env.instance_type),
                format!("name another `instance_type` in [env.{}]", env.name),
            ));
        };
        if !wish.architectures.contains(&kind.architecture) {
            return Err(wrong_processor(wish, kind));
        }
        let Some(vpc) = around.vpc.as_deref() else {
            return Err(config(
                format!("{region} has no default VPC"),
                format!(
                    "name `subnets` in [env.{}], in two zones at least",
                    env.name
                ),
            ));
        };
        if let Some(stranger) = around.subnets.iter().find(|subnet| subnet.vpc != vpc) {
            return Err(config(
                format!("subnet {} is not in {vpc} as the others are", stranger.id),
                "name subnets of one VPC".to_owned(),
            ));
        }
        let offered = |subnet: &&Subnet| kind.zones.contains(&subnet.zone);
        let subnets: Vec<&Subnet> = around.subnets.iter().filter(offered).collect();
        let zones: BTreeSet<&str> = subnets.iter().map(|subnet| subnet.zone.as_str()).collect();
        if zones.len() < 2 {
            return Err(config(
                format!(
                    "`{}` can be had in {} zone(s) of the subnets of {vpc}, and two are needed",
                    kind.name,
                    zones.len()
                ),
                format!(
                    "name `subnets` in more zones in [env.{}], or another `instance_type`",
                    env.name
                ),
            ));
        }
        let Some(machine_image) = around.machine_image.as_deref() else {
            return Err(config(
                format!(
                    "{region} has no machine image of Amazon Linux 2023 for {}",
                    kind.architecture
                ),
                "choose another region".to_owned(),
            ));
        };
        Ok(Self {
            vpc,
            subnets: one_a_zone(&subnets),
            machine_image,
        })
    }

    fn subnet_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self
            .subnets
            .iter()
            .map(|subnet| subnet.id.clone())
            .collect();
        ids.sort();
        ids
    }
}

/// A balancer takes one subnet a zone.
fn one_a_zone<'a>(subnets: &[&'a Subnet]) -> Vec<&'a Subnet> {
    let mut by_zone: BTreeMap<&str, &Subnet> = BTreeMap::new();
    for subnet in subnets {
        let chosen = by_zone.entry(&subnet.zone).or_insert(subnet);
        if subnet.id < chosen.id {
            *chosen = subnet;
        }
    }
    by_zone.into_values().collect()
}

fn wrong_processor(wish: &Wish, kind: &InstanceType) -> CloudError {
    let have: Vec<&str> = wish.architectures.iter().map(String::as_str).collect();
    CloudError::new(
        Kind::Config,
        format!(
            "`{}` has a processor of the kind {}, and the images are for {}",
            kind.name,
            kind.architecture,
            have.join(" and ")
        ),
    )
    .hint(format!(
        "build for {}, or name another `instance_type`",
        kind.architecture
    ))
}

fn check_schedules(env: &Environment) -> Result<(), CloudError> {
    for Prescale {
        name, cron, min, ..
    } in &env.prescale
    {
        let wrong = |what: String| {
            Err(CloudError::new(Kind::Config, what)
                .hint(format!("see `prescale` in [env.{}]", env.name)))
        };
        if cron.split_whitespace().count() != 5 {
            return wrong(format!(
                "`{cron}` of `{name}` is not a cron expression of five fields"
            ));
        }
        if *min > env.max {
            return wrong(format!(
                "`{name}` wants {min} nodes, and {} is the most",
                env.max
            ));
        }
    }
    Ok(())
}

fn sources(
    names: &Names,
    env: &Environment,
    release: &Release,
) -> Result<BTreeMap<String, String>, CloudError> {
    let functions = release.functions();
    let wanted: BTreeSet<&String> = functions
        .values()
        .flat_map(|(_, function)| &function.env)
        .collect();
    let mut sources = BTreeMap::new();
    for name in wanted {
        let Some(parameter) = env.parameter(name, &names.parameters()) else {
            return Err(CloudError::new(
                Kind::Config,
                format!("the value of `{name}` does not come from an SSM parameter"),
            )
            .hint(format!(
                "write `{name} = \"ssm:/path\"` in [env.{}.variables]; values themselves do not belong there",
                env.name
            )));
        };
        sources.insert(name.clone(), parameter);
    }
    Ok(sources)
}

/// The current release if it does the same, else a new one with the next number.
fn artifact(names: &Names, delivery: Delivery, inventory: &Inventory) -> (Artifact, Delivery) {
    let current = inventory.current().map(|(tag, _)| tag);
    let fits = |tag: &str| {
        let stored = inventory.deliveries.get(tag);
        let stored = stored.filter(|stored| stored.does_the_same(&delivery))?;
        let key = Key {
            kind: What::Release,
            name: tag.to_owned(),
        };
        match &inventory.get(&key)?.resource {
            Resource::Release(artifact) => Some((artifact.clone(), stored.clone())),
            _ => None,
        }
    };
    if let Some(fitting) = current.and_then(fits) {
        return fitting;
    }
    // One that was stored by a promote that ended too early is taken up, unless it is older than
    // what runs: a number that comes back would be a rollback in disguise.
    let current = current.and_then(Names::release_number);
    let mut unused = inventory.deliveries.keys().rev();
    let unused = unused.find_map(|tag| {
        let is_newer = Names::release_number(tag) > current;
        is_newer.then(|| fits(tag)).flatten()
    });
    if let Some(fitting) = unused {
        return fitting;
    }
    let last = inventory.release_numbers().last().copied().unwrap_or(0);
    let artifact = Artifact {
        tag: Names::release_tag(last + 1),
        repository: names.repository(),
        digest: delivery.pack().digest.to_string(),
    };
    (artifact, delivery)
}

fn repository(names: &Names) -> Repository {
    Repository {
        name: names.repository(),
        immutable_tags: true,
        scan_on_push: true,
        // Whatever a release names has a tag. What has none is left from a push that was cut short.
        lifecycle: json!({ "rules": [{
            "rulePriority": 1,
            "description": "left from a push that was cut short",
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": 30,
            },
            "action": { "type": "expire" },
        }] }),
    }
}

fn images<'a>(names: &'a Names, wish: &'a Wish) -> impl Iterator<Item = Image> + 'a {
    let packages = wish.release.packages.iter();
    let of_packages = packages.map(|package| Names::image_tag(&package.name, &package.digest));
    let gateway = Names::image_tag("gateway", &wish.gateway);
    let tags: BTreeSet<String> = of_packages.chain([gateway]).collect();
    tags.into_iter().map(|tag| Image {
        tag,
        repository: names.repository(),
    })
}

fn firewalls(names: &Names, env: &Environment, vpc: &str) -> impl Iterator<Item = Firewall> {
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
    let firewall = |name: String, description: &str, ingress| Firewall {
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

fn template(names: &Names, wish: &Wish, inventory: &Inventory, newest: &str) -> Template {
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
        logs: wish.env.logs.then(|| role::log_group(names)),
        pace: None,
    };
    let mut template = Template {
        name: names.template(),
        image: newest.to_owned(),
        instance_type: wish.env.instance_type.clone(),
        profile: names.role(),
        firewalls: vec![names.node_firewall()],
        disk_gb: wish.env.disk_gb,
        metadata_guarded: true,
        user_data: settings.user_data(),
    };
    // A newer machine image alone replaces no nodes: those who promote twice must get the same.
    let key = Key {
        kind: What::Template,
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

/// Balancer, target group and listeners.
fn front(names: &Names, env: &Environment, around: &Checked<'_>) -> Vec<Resource> {
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
        Resource::Balancer(Balancer {
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

/// The group and what is in it.
fn fleet(
    names: &Names,
    env: &Environment,
    inventory: &Inventory,
    around: &Checked<'_>,
) -> Vec<Resource> {
    let group = names.group();
    let mut fleet = vec![
        Resource::Group(Group {
            name: group.clone(),
            min: least(names, env, inventory),
            max: env.max,
            subnets: around.subnet_ids(),
            target_group: Some(names.balancer()),
            balancer_health: true,
            grace_seconds: 180,
        }),
        Resource::Hook(Hook {
            name: node::DRAIN_HOOK.to_owned(),
            group: group.clone(),
            seconds: node::DRAIN_SECONDS,
        }),
    ];
    fleet.extend(env.scale_on.map(|scale_on| {
        let (metric, target) = match scale_on {
            ScaleOn::RequestsPerNode(target) => (Metric::Requests(names.balancer()), target),
            ScaleOn::MemoryPercent(target) => (Metric::Memory, target),
        };
        Resource::Scaling(Scaling {
            name: "fnlocal".to_owned(),
            group: group.clone(),
            metric,
            target,
        })
    }));
    fleet.extend(env.prescale.iter().map(|prescale| {
        Resource::Schedule(Schedule {
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

/// Nodes at the least. What a schedule has set stays until another schedule changes it.
fn least(names: &Names, env: &Environment, inventory: &Inventory) -> u32 {
    let key = Key {
        kind: What::Group,
        name: names.group(),
    };
    match inventory.get(&key).map(|found| &found.resource) {
        Some(Resource::Group(group)) if env.prescale.iter().any(|p| p.min == group.min) => {
            group.min
        }
        _ => env.min,
    }
}

fn warnings(env: &Environment, around: &Checked<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    if env.certificate.is_none() {
        warnings.push(format!(
            "requests travel without encryption: name a `certificate` in [env.{}]",
            env.name
        ));
    }
    let zones = around.subnets.len();
    if (env.min as usize) < 2 {
        warnings.push(format!(
            "with `min = {}` a zone that fails takes everything with it ({zones} are in use)",
            env.min
        ));
    }
    warnings
}
