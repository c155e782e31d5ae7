//! The resources to delete: those that are wanted no more, and releases beyond those that are kept.

use std::collections::BTreeSet;

use super::PlanStep;
use super::replace::is_inside_replaced;
use crate::delivery::StoredRelease;
use crate::desired::Desired;
use crate::environment::CloudEnvironment;
use crate::inventory::{FoundResource, Inventory};
use crate::names::ResourceNames;
use crate::resource::{Resource, ResourceKey, ResourceKind};

/// Those of what is there that are chosen, in the order in which they can be deleted.
pub(super) fn in_reverse(
    inventory: &Inventory,
    which: impl Fn(&FoundResource) -> bool,
) -> Vec<&FoundResource> {
    let mut chosen: Vec<&FoundResource> = inventory
        .found
        .iter()
        .filter(|found| which(found))
        .collect();
    chosen.sort_by_key(|found| std::cmp::Reverse(found.resource.key()));
    chosen
}

/// Returns resources with our name and tags that are wanted no more.
pub(super) fn no_longer_wanted(
    inventory: &Inventory,
    wanted: &[Resource],
    replaced: &BTreeSet<ResourceKey>,
) -> Vec<PlanStep> {
    let wanted: BTreeSet<ResourceKey> = wanted.iter().map(Resource::key).collect();
    let may_go = |kind| {
        matches!(
            kind,
            ResourceKind::FunctionSchedule
                | ResourceKind::Listener
                | ResourceKind::Hook
                | ResourceKind::WarmPool
                | ResourceKind::Scaling
                | ResourceKind::Schedule
        )
    };
    let chosen = in_reverse(inventory, |found| {
        let key = found.resource.key();
        may_go(key.kind)
            && !wanted.contains(&key)
            && !replaced.contains(&key)
            && !is_inside_replaced(key.kind, replaced)
    });
    let gone = chosen.into_iter();
    gone.map(|found| PlanStep::delete(found, "fnlocal.toml no longer asks for it"))
        .collect()
}

/// Releases beyond those that are kept, and the images only they name.
pub(super) fn too_old(
    env: &CloudEnvironment,
    inventory: &Inventory,
    desired: &Desired,
) -> Vec<PlanStep> {
    let numbers = inventory.release_numbers();
    let keep = env.keep_releases as usize;
    let old = &numbers[..numbers.len().saturating_sub(keep)];
    let current = inventory.current().map(|(tag, _)| tag);
    let old: BTreeSet<String> = old
        .iter()
        .map(|number| ResourceNames::release_tag(*number))
        .filter(|tag| Some(tag.as_str()) != current)
        .filter(|tag| !desired.resources.iter().any(|it| it.key().name == *tag))
        .collect();
    let stays = inventory
        .deliveries
        .iter()
        .filter(|(tag, _)| !old.contains(*tag));
    let kept: BTreeSet<String> = stays
        .map(|(_, delivery)| delivery)
        .chain([&desired.delivery])
        .flat_map(StoredRelease::images)
        .map(str::to_owned)
        .collect();
    let unnamed: BTreeSet<String> = inventory
        .deliveries
        .iter()
        .filter(|(tag, _)| old.contains(*tag))
        .flat_map(|(_, delivery)| delivery.images())
        .filter(|image| !kept.contains(*image))
        .map(str::to_owned)
        .collect();
    let reason = format!("only the last {keep} releases are kept, and what they name");
    let chosen = in_reverse(inventory, |found| match &found.resource {
        Resource::Release(artifact) => old.contains(&artifact.tag),
        Resource::Image(image) => {
            ResourceNames::tagged_digest(&image.tag).is_some_and(|digest| unnamed.contains(&digest))
        }
        _ => false,
    });
    chosen
        .into_iter()
        .map(|found| PlanStep::delete(found, &reason))
        .collect()
}
