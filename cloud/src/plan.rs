//! The plan, step by step: the difference between the present and the wanted state.
//!
//! A plan is complete: who carries it out chooses nothing. Stored as JSON, it is carried out exactly
//! as it was shown, or not at all when things have moved since.

mod delete;
mod replace;
mod text;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cost::Estimate;
use crate::delivery::StoredRelease;
use crate::desired::Desired;
use crate::environment::CloudEnvironment;
use crate::error::{CloudError, CloudErrorKind};
use crate::inventory::{AccountRegion, FoundResource, Inventory, ResourceOwner};
use crate::names::ResourceNames;
use crate::resource::{Resource, ResourceKey, ResourceKind};
use delete::{in_reverse, no_longer_wanted, too_old};
use replace::{is_gone_with_another, is_inside_replaced, replaced};

/// The version of this format.
pub const SCHEMA: u32 = 1;

/// The steps, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Whose it is.
    pub names: ResourceNames,
    pub place: AccountRegion,
    /// Hash of the inventory it was made from.
    pub inventory: String,
    /// The steps.
    pub steps: Vec<PlanStep>,
    /// The stored release, if there is one.
    pub delivery: Option<StoredRelease>,
    /// Warnings for people.
    pub warnings: Vec<String>,
    /// The cost, if known.
    pub cost: Option<Estimate>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanStep {
    /// The action.
    pub action: Action,
    /// With what: as it shall be, or as it is for what is deleted.
    pub resource: Resource,
    /// The id on AWS, if the resource exists.
    pub id: Option<String>,
    /// The differences.
    pub changes: Vec<FieldChange>,
    pub reason: String,
}

/// The action of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Creates the resource.
    Create,
    /// Changes the resource in place.
    Change,
    /// Replaces the resource bit by bit.
    Replace,
    /// Deletes the resource.
    Delete,
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldChange {
    /// Its name.
    pub field: String,
    /// As it is.
    pub from: Value,
    /// As it shall be.
    pub to: Value,
}

impl Plan {
    /// The plan that makes what is there into what should be.
    ///
    /// # Errors
    /// Something bears our name and is not ours.
    pub fn promote(
        names: &ResourceNames,
        env: &CloudEnvironment,
        inventory: &Inventory,
        desired: Desired,
    ) -> Result<Self, CloudError> {
        refuse_strangers(inventory)?;
        let replaced = replaced(inventory, &desired.resources);
        let mut steps = Vec::new();
        for found in in_reverse(inventory, |found| replaced.contains(&found.resource.key())) {
            if !is_gone_with_another(found, &replaced) {
                steps.push(PlanStep::delete(
                    found,
                    "is made anew, since it cannot be changed to what is wanted",
                ));
            }
        }
        let mut wanted: Vec<&Resource> = desired.resources.iter().collect();
        wanted.sort_by_key(|resource| resource.key().kind);
        for resource in wanted {
            let key = resource.key();
            let found = inventory
                .get(&key)
                .filter(|_| !replaced.contains(&key) && !is_inside_replaced(key.kind, &replaced));
            steps.extend(PlanStep::towards(found, resource, &steps));
        }
        steps.extend(no_longer_wanted(inventory, &desired.resources, &replaced));
        steps.extend(too_old(env, inventory, &desired));
        let cost = Estimate::from_environment(env, &inventory.place.region);
        Ok(Self {
            warnings: desired.warnings,
            delivery: Some(desired.delivery),
            cost: Some(cost),
            ..Self::from_steps(names, inventory, steps)
        })
    }

    /// The plan that moves the pointer to a stored release, and changes nothing else.
    ///
    /// # Errors
    /// There is no such release, nothing is promoted, or an image it names is gone.
    pub fn rollback(
        names: &ResourceNames,
        inventory: &Inventory,
        number: u32,
    ) -> Result<Self, CloudError> {
        refuse_strangers(inventory)?;
        let tag = ResourceNames::release_tag(number);
        let key = |kind: ResourceKind, name: &str| ResourceKey {
            kind,
            name: name.to_owned(),
        };
        let missing = |what: String| {
            CloudError::new(CloudErrorKind::Failed, what)
                .hint("`fnlocal status` lists what there is")
        };
        let artifact = match inventory
            .get(&key(ResourceKind::Release, &tag))
            .map(|found| &found.resource)
        {
            Some(Resource::Release(artifact)) => artifact,
            _ => return Err(missing(format!("there is no release {tag}"))),
        };
        if inventory
            .get(&key(ResourceKind::Group, &names.group()))
            .is_none()
        {
            return Err(missing(format!("nothing is promoted to `{}`", names.env())));
        }
        let delivery = inventory.deliveries.get(&tag);
        for package in delivery
            .iter()
            .flat_map(|delivery| &delivery.release.packages)
        {
            let image = ResourceNames::image_tag(&package.name, &package.digest);
            if inventory.get(&key(ResourceKind::Image, &image)).is_none() {
                return Err(missing(format!(
                    "the image of `{}` in {tag} is gone",
                    package.name
                )));
            }
        }
        let pointer = Resource::CurrentRelease(crate::resource::CurrentRelease {
            name: names.group(),
            release: format!("{}@{}", artifact.tag, artifact.digest),
        });
        let found = inventory.get(&pointer.key());
        let steps = PlanStep::towards(found, &pointer, &[])
            .into_iter()
            .collect();
        Ok(Self::from_steps(names, inventory, steps))
    }

    /// The plan that deletes all that is ours.
    ///
    /// # Errors
    /// Never for strangers: what is not ours is left alone.
    #[must_use]
    pub fn destroy(names: &ResourceNames, inventory: &Inventory) -> Self {
        let is_ours = |found: &FoundResource| {
            let kind = found.resource.key().kind;
            found.owner == ResourceOwner::Ours && kind.inside().is_none()
        };
        let steps = in_reverse(inventory, is_ours)
            .into_iter()
            .map(|found| PlanStep::delete(found, "everything of this environment is deleted"))
            .collect();
        Self::from_steps(names, inventory, steps)
    }

    /// Returns whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Checks that a stored plan still fits.
    ///
    /// # Errors
    /// Fails if the plan has another format, is for another place, or if the state has changed
    /// since.
    pub fn check(&self, names: &ResourceNames, inventory: &Inventory) -> Result<(), CloudError> {
        let refuse = |kind, what: String| {
            Err(CloudError::new(kind, what).hint("make a new plan and look at it"))
        };
        if self.schema != SCHEMA {
            return refuse(
                CloudErrorKind::Failed,
                format!("the plan's format is {}, and this is {SCHEMA}", self.schema),
            );
        }
        if self.names != *names || self.place != inventory.place {
            return refuse(
                CloudErrorKind::Failed,
                format!(
                    "the plan is for {}/{} in {} ({})",
                    self.names.project(),
                    self.names.env(),
                    self.place.region,
                    self.place.account
                ),
            );
        }
        if self.inventory != inventory.fingerprint() {
            return refuse(
                CloudErrorKind::TryAgain,
                "what is there has changed since the plan was made".to_owned(),
            );
        }
        Ok(())
    }

    fn from_steps(names: &ResourceNames, inventory: &Inventory, steps: Vec<PlanStep>) -> Self {
        Self {
            schema: SCHEMA,
            names: names.clone(),
            place: inventory.place.clone(),
            inventory: inventory.fingerprint(),
            steps,
            delivery: None,
            warnings: Vec::new(),
            cost: None,
        }
    }
}

impl PlanStep {
    /// The step from what is there to what should be, if they differ; `before` are the steps taken
    /// until then.
    fn towards(found: Option<&FoundResource>, wanted: &Resource, before: &[Self]) -> Option<Self> {
        let kind = wanted.key().kind;
        let Some(found) = found else {
            let makes_group = |step: &Self| {
                step.action == Action::Create && step.resource.key().kind == ResourceKind::Group
            };
            // A new group starts its nodes from the newest template by itself.
            if kind == ResourceKind::Nodes && before.iter().any(makes_group) {
                return None;
            }
            return Some(Self {
                action: Action::Create,
                resource: wanted.clone(),
                id: None,
                changes: Vec::new(),
                reason: "it is missing".to_owned(),
            });
        };
        let changes = differences(&found.resource, wanted);
        let (action, reason) = match kind {
            ResourceKind::Nodes => (
                Action::Replace,
                "nodes were started from another template; one after the other is replaced",
            ),
            ResourceKind::CurrentRelease => {
                (Action::Change, "nodes load the release, then switch to it")
            }
            _ => (
                Action::Change,
                "it is not as fnlocal.toml and the release want it",
            ),
        };
        (!changes.is_empty()).then(|| Self {
            action,
            resource: wanted.clone(),
            id: Some(found.id.clone()),
            changes,
            reason: reason.to_owned(),
        })
    }

    fn delete(found: &FoundResource, reason: &str) -> Self {
        Self {
            action: Action::Delete,
            resource: found.resource.clone(),
            id: Some(found.id.clone()),
            changes: Vec::new(),
            reason: reason.to_owned(),
        }
    }
}

/// Fields in which two resources of one kind differ.
#[must_use]
pub fn differences(found: &Resource, wanted: &Resource) -> Vec<FieldChange> {
    let found = found.fields();
    let wanted = wanted.fields();
    let changed = wanted.into_iter().filter_map(|(field, to)| {
        let from = found.get(&field).cloned().unwrap_or_default();
        (from != to).then_some(FieldChange { field, from, to })
    });
    changed.collect()
}

fn refuse_strangers(inventory: &Inventory) -> Result<(), CloudError> {
    for found in &inventory.found {
        let key = found.resource.key();
        let whose = match &found.owner {
            ResourceOwner::Ours => continue,
            ResourceOwner::Untagged => "was not made by fnlocal".to_owned(),
            ResourceOwner::Other(whose) => format!("belongs to {whose}"),
        };
        return Err(CloudError::new(
            CloudErrorKind::Failed,
            format!("the {key} is there already and {whose}"),
        )
        .hint("it is left alone: rename it, or give this project or environment another name"));
    }
    Ok(())
}
