//! Resources that cannot be changed and must be created again, with everything that depends on
//! them.

use std::collections::BTreeSet;

use super::differences;
use crate::inventory::{FoundResource, Inventory};
use crate::resource::{Resource, ResourceKey, ResourceKind};

/// Resources that cannot be changed to what is wanted, and those that hang on them.
pub(super) fn replaced(inventory: &Inventory, wanted: &[Resource]) -> BTreeSet<ResourceKey> {
    let is_fixed = |resource: &&Resource| {
        let key = resource.key();
        let found = inventory.get(&key);
        found.is_some_and(|found| {
            differences(&found.resource, resource)
                .iter()
                .any(|change| key.kind.fixed().contains(&change.field.as_str()))
        })
    };
    let mut kinds: BTreeSet<ResourceKind> = BTreeSet::new();
    let mut keys: BTreeSet<ResourceKey> =
        wanted.iter().filter(is_fixed).map(Resource::key).collect();
    let mut more: Vec<ResourceKind> = keys.iter().map(|key| key.kind).collect();
    while let Some(kind) = more.pop() {
        more.extend(kind.dependents().iter().filter(|kind| kinds.insert(**kind)));
    }
    let dependents = inventory.found.iter().map(|found| found.resource.key());
    keys.extend(dependents.filter(|key| kinds.contains(&key.kind)));
    keys
}

pub(super) fn is_inside_replaced(kind: ResourceKind, replaced: &BTreeSet<ResourceKey>) -> bool {
    let outer = kind.inside();
    outer.is_some_and(|outer| replaced.iter().any(|key| key.kind == outer))
}

pub(super) fn is_gone_with_another(
    found: &FoundResource,
    replaced: &BTreeSet<ResourceKey>,
) -> bool {
    is_inside_replaced(found.resource.key().kind, replaced)
}
