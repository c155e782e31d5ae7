//! The present state, as plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::delivery::StoredRelease;
use crate::endpoint::Endpoint;
use crate::names::ResourceNames;
use crate::resource::{Resource, ResourceKey, ResourceKind};

/// The present state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inventory {
    /// Where it was looked.
    pub place: AccountRegion,
    /// Surroundings that are needed but not ours.
    pub around: Surroundings,
    /// Resources with our names.
    pub found: Vec<FoundResource>,
    /// The release the pointer names, and older ones that were read, by tag.
    pub deliveries: BTreeMap<String, StoredRelease>,
    /// Nodes as the group lists them.
    pub nodes: Vec<GroupNode>,
    /// A replacement of nodes that is under way.
    pub refresh: Option<Refresh>,
    /// Where requests come in.
    pub door: Option<Endpoint>,
}

/// An account and a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRegion {
    /// `aws`, or that of China or a government.
    pub partition: String,
    /// The account's number.
    pub account: String,
    /// The region.
    pub region: String,
    /// The registry's address, without `https://`.
    pub registry: String,
}

/// Surroundings that are needed but not ours. A missing one is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// The network of the subnets.
    pub vpc: Option<String>,
    /// The subnets to use.
    pub subnets: Vec<Subnet>,
    /// AWS's facts about the instance type.
    pub instance_type: Option<InstanceType>,
    /// The newest machine image of Amazon Linux for the instance type's processor.
    pub machine_image: Option<String>,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// Its availability zone.
    pub zone: String,
    /// Its network.
    pub vpc: String,
}

/// An instance type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceType {
    /// Its name.
    pub name: String,
    /// Its processor as images call it: `amd64` or `arm64`.
    pub architecture: String,
    /// Its memory in MiB.
    pub memory_mib: u64,
    /// Zones of the region that offer it.
    pub zones: Vec<String>,
}

/// A resource that is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundResource {
    /// The resource.
    pub resource: Resource,
    /// The id on AWS.
    pub id: String,
    /// Whose it is.
    pub owner: ResourceOwner,
}

/// Whose a resource is, by its tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceOwner {
    /// This environment's.
    Ours,
    /// The resource has our name, but not our tags.
    Untagged,
    /// Another environment's, as `PROJECT/ENV`.
    Other(String),
}

/// A node as the group lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupNode {
    /// The instance's id.
    pub id: String,
    /// Its zone.
    pub zone: String,
    /// Where it is in its life, as AWS says.
    pub state: String,
    /// `true` if AWS calls the machine healthy.
    pub healthy: bool,
    /// The template it was started from, if that version is still known.
    pub template: Option<String>,
}

/// A replacement of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// Its id.
    pub id: String,
    /// The template it goes to, if known.
    pub template: Option<String>,
    /// How far it is, in percent.
    pub percent: u32,
}

impl Inventory {
    /// A resource by kind and name.
    #[must_use]
    pub fn get(&self, key: &ResourceKey) -> Option<&FoundResource> {
        self.found.iter().find(|found| found.resource.key() == *key)
    }

    /// All of a kind.
    pub fn of_kind(&self, kind: ResourceKind) -> impl Iterator<Item = &FoundResource> {
        let is_of = move |found: &&FoundResource| found.resource.key().kind == kind;
        self.found.iter().filter(is_of)
    }

    /// The release the nodes follow, as `TAG@DIGEST`.
    #[must_use]
    pub fn pointer(&self) -> Option<&str> {
        self.of_kind(ResourceKind::CurrentRelease)
            .find_map(|found| match &found.resource {
                Resource::CurrentRelease(pointer) => Some(pointer.release.as_str()),
                _ => None,
            })
    }

    /// The delivery the nodes follow.
    #[must_use]
    pub fn current(&self) -> Option<(&str, &StoredRelease)> {
        let (tag, _) = self.pointer()?.split_once('@')?;
        let (tag, delivery) = self.deliveries.get_key_value(tag)?;
        Some((tag, delivery))
    }

    /// Numbers of all releases, the newest last.
    #[must_use]
    pub fn release_numbers(&self) -> Vec<u32> {
        let releases = self.of_kind(ResourceKind::Release);
        let mut numbers: Vec<u32> = releases
            .filter_map(|found| ResourceNames::release_number(&found.resource.key().name))
            .collect();
        numbers.sort_unstable();
        numbers
    }

    /// A hash of everything a plan is made from. Resources that come and go by themselves, such as
    /// nodes, are not in the hash.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let basis = (&self.place, &self.around, &self.found);
        let text = serde_json::to_string(&basis).expect("an inventory is plain data");
        hex::encode(Sha256::digest(text))
    }
}

/// The tags that say whose a resource is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnerTags<'a> {
    /// The project's name.
    pub project: Option<&'a str>,
    /// The environment's name.
    pub env: Option<&'a str>,
    /// The region. Earlier versions did not set it.
    pub region: Option<&'a str>,
}

impl ResourceOwner {
    /// From a resource's tags, for an environment in the region `here`.
    #[must_use]
    pub fn from_tags(names: &ResourceNames, here: &str, tags: &OwnerTags<'_>) -> Self {
        let (project, env) = (tags.project, tags.env);
        if (project, env) == (None, None) {
            return Self::Untagged;
        }
        let elsewhere = tags.region.filter(|region| *region != here);
        match (project, env, elsewhere) {
            (Some(project), Some(env), None)
                if project == names.project() && env == names.env() =>
            {
                Self::Ours
            }
            (project, env, elsewhere) => {
                let place = elsewhere.map(|region| format!(" in {region}"));
                let (project, env) = (project.unwrap_or("?"), env.unwrap_or("?"));
                Self::Other(format!("{project}/{env}{}", place.unwrap_or_default()))
            }
        }
    }
}
