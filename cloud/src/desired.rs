//! The wanted state: from fnlocal.toml, a release, and the surroundings.

mod checked;
mod durable;
mod fleet;
mod front;
mod stored;

use std::collections::BTreeSet;

use fnlocal_core::release::Release;

use crate::delivery::StoredRelease;
use crate::environment::CloudEnvironment;
use crate::error::CloudError;
use crate::inventory::{AccountRegion, Inventory};
use crate::names::ResourceNames;
use crate::resource::{
    CurrentRelease, IamRole, InstanceProfile, LogGroup, Nodes, PeerKey, Resource,
};
use crate::role;
use checked::CheckedSurroundings;
pub use checked::instance_type;
pub use durable::queue_url;
use durable::{durable, is_asynchronous};
use fleet::{fleet, template};
use front::{firewalls, front};
use stored::{artifact, images, repository, sources};

/// The release to promote, and its destination.
#[derive(Clone, Debug)]
pub struct PromoteRequest {
    /// The environment.
    pub env: CloudEnvironment,
    /// The release.
    pub release: Release,
    /// The gateway image's digest.
    pub gateway: String,
    /// Processors the images are for, as images call them: `amd64`, `arm64`.
    pub architectures: BTreeSet<String>,
    /// Nodes are to be started from the newest machine image even if nothing else changes.
    pub renew: bool,
}

/// The wanted state.
#[derive(Clone, Debug)]
pub struct Desired {
    /// All of it.
    pub resources: Vec<Resource>,
    /// The delivery the nodes should follow.
    pub delivery: StoredRelease,
    /// Warnings for people.
    pub warnings: Vec<String>,
}

/// Works out what should be there.
///
/// # Errors
/// The environment asks for what the region, the images or AWS do not have.
pub fn desired(
    names: &ResourceNames,
    wish: &PromoteRequest,
    inventory: &Inventory,
) -> Result<Desired, CloudError> {
    let env = &wish.env;
    let surroundings = CheckedSurroundings::new(wish, inventory)?;
    let is_durable = env.durable && is_asynchronous(&wish.release);
    let sources = sources(names, env, &wish.release)?;
    let delivery = StoredRelease {
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
    if env.logs {
        resources.push(Resource::LogGroup(LogGroup {
            name: names.log_group(),
            days: env.log_days,
        }));
    }
    let role = node_role(names, wish, &inventory.place, &delivery, is_durable);
    let role_name = role.name.clone();
    resources.push(Resource::Role(role));
    let mut warnings = warnings(env, &surroundings);
    if is_durable {
        let parts = durable(names, wish, &inventory.place)?;
        resources.extend(parts.resources);
        warnings.extend(parts.warnings);
    }
    resources.push(Resource::Profile(InstanceProfile {
        name: role_name.clone(),
        role: Some(role_name),
    }));
    resources.extend(firewalls(names, env, surroundings.vpc).map(Resource::SecurityGroup));
    let template = template(names, wish, inventory, surroundings.machine_image);
    let fingerprint = template.fingerprint();
    resources.push(Resource::Template(template));
    resources.extend(front(names, wish, &surroundings));
    resources.extend(fleet(names, env, inventory, &surroundings));
    resources.push(Resource::Nodes(Nodes {
        name: names.group(),
        template: fingerprint,
    }));
    resources.push(Resource::CurrentRelease(CurrentRelease {
        name: names.group(),
        release,
    }));
    Ok(Desired {
        resources,
        delivery,
        warnings,
    })
}

fn node_role(
    names: &ResourceNames,
    wish: &PromoteRequest,
    place: &AccountRegion,
    delivery: &StoredRelease,
    durable: bool,
) -> IamRole {
    let parameters: BTreeSet<String> = delivery.sources.values().cloned().collect();
    let queues = role::queues(&wish.release, place);
    let logs = wish.env.logs;
    let extras = role::NodeExtras { logs, durable };
    IamRole {
        name: names.role(&place.region),
        trust: role::trust(),
        policy: role::policy(names, place, &parameters, &queues, extras),
    }
}

fn warnings(env: &CloudEnvironment, around: &CheckedSurroundings<'_>) -> Vec<String> {
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
