//! The ids on AWS of the resources that plans name by their names.

use std::collections::BTreeMap;

use crate::error::{CloudError, CloudErrorKind};
use crate::inventory::Inventory;
use crate::resource::{ResourceKey, ResourceKind};

/// Ids and ARNs by kind and name.
#[derive(Clone, Debug, Default)]
pub struct Ids(BTreeMap<ResourceKey, String>);

impl Ids {
    /// Those of all that is there.
    #[must_use]
    pub fn from_inventory(inventory: &Inventory) -> Self {
        let found = inventory.found.iter();
        Self(
            found
                .map(|found| (found.resource.key(), found.id.clone()))
                .collect(),
        )
    }

    /// Notes one.
    pub fn insert(&mut self, key: ResourceKey, id: String) {
        self.0.insert(key, id);
    }

    /// Forgets one.
    pub fn remove(&mut self, key: &ResourceKey) {
        self.0.remove(key);
    }

    /// One that must be known, since the plan makes it before.
    pub(super) fn get(&self, kind: ResourceKind, name: &str) -> Result<&str, CloudError> {
        let key = ResourceKey {
            kind,
            name: name.to_owned(),
        };
        self.0.get(&key).map(String::as_str).ok_or_else(|| {
            CloudError::new(CloudErrorKind::TryAgain, format!("the {key} is gone"))
                .hint("run the command again: it makes a new plan")
        })
    }

    /// The name of one that is ours, by its id; else the id.
    pub(super) fn name_of(&self, kind: ResourceKind, id: &str) -> String {
        let mut entries = self.0.iter();
        let found = entries.find(|(key, known)| key.kind == kind && *known == id);
        found.map_or_else(|| id.to_owned(), |(key, _)| key.name.clone())
    }
}
