//! The whole inventory, as much at once as what names what allows.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use super::{Aws, Ids};
use crate::delivery::StoredRelease;
use crate::environment::CloudEnvironment;
use crate::error::CloudError;
use crate::inventory::{FoundResource, Inventory, Surroundings};
use crate::names::ResourceNames;
use crate::resource::{Artifact, RepositoryImage, Resource, ResourceKind};

impl Aws {
    /// Returns everything: our resources and their surroundings.
    ///
    /// # Errors
    /// A call is refused or not answered.
    pub async fn inventory(&self, env: &CloudEnvironment) -> Result<Inventory, CloudError> {
        let (around, found) = tokio::join!(
            Box::pin(self.surroundings(env)),
            Box::pin(self.everything())
        );
        Ok(Inventory {
            around: around?,
            ..found?
        })
    }

    /// Returns the surroundings, without our resources.
    ///
    /// # Errors
    /// A call is refused or not answered.
    pub async fn around(&self, env: &CloudEnvironment) -> Result<Inventory, CloudError> {
        Ok(Inventory {
            around: Box::pin(self.surroundings(env)).await?,
            ..self.nothing()
        })
    }

    fn nothing(&self) -> Inventory {
        Inventory {
            place: self.place.clone(),
            around: Surroundings::default(),
            found: Vec::new(),
            deliveries: BTreeMap::new(),
            nodes: Vec::new(),
            refresh: None,
            door: None,
        }
    }

    /// Returns our resources, without their surroundings.
    ///
    /// # Errors
    /// A call is refused or not answered.
    pub async fn everything(&self) -> Result<Inventory, CloudError> {
        let (stored, roles, durable, profile, peer_key, log_group, machines) = tokio::join!(
            Box::pin(self.stored()),
            self.read_roles(),
            Box::pin(self.durable()),
            self.read_profile(),
            self.read_peer_key(),
            self.read_log_group(),
            Box::pin(self.machines()),
        );
        let (mut found, deliveries) = stored?;
        let mut inventory = machines?;
        found.extend(roles?);
        found.extend(durable?);
        found.extend(profile?);
        found.extend(peer_key?);
        found.extend(log_group?);
        found.append(&mut inventory.found);
        found.sort_by_key(|found| found.resource.key());
        Ok(Inventory {
            found,
            deliveries,
            ..inventory
        })
    }

    /// Returns what keeps asynchronous work: queues and schedules.
    async fn durable(&self) -> Result<Vec<FoundResource>, CloudError> {
        let (queues, schedules) = tokio::join!(self.read_queues(), self.read_schedule_group());
        Ok(queues?.into_iter().chain(schedules?).collect())
    }

    /// Repository, images and releases.
    async fn stored(
        &self,
    ) -> Result<(Vec<FoundResource>, BTreeMap<String, StoredRelease>), CloudError> {
        let Some(repository) = self.read_repository().await? else {
            return Ok((Vec::new(), BTreeMap::new()));
        };
        let mut found = vec![repository];
        let mut releases = Vec::new();
        let name = self.names.repository();
        for tag in self.registry.tags().await? {
            if ResourceNames::release_number(&tag).is_some() {
                releases.push(tag);
            } else if let Some(digest) = ResourceNames::tagged_digest(&tag) {
                let repository = name.clone();
                found.push(Self::inside(
                    Resource::Image(RepositoryImage { tag, repository }),
                    &digest,
                ));
            }
        }
        let read = releases.into_iter().map(|tag| async {
            let delivery = self.registry.delivery(&tag).await?;
            Ok::<_, CloudError>((tag, delivery))
        });
        let mut deliveries = BTreeMap::new();
        for (tag, (digest, delivery)) in try_join_all(read).await? {
            let artifact = Artifact {
                tag: tag.clone(),
                repository: name.clone(),
                digest: digest.clone(),
            };
            found.push(Self::inside(Resource::Release(artifact), &digest));
            deliveries.extend(delivery.map(|delivery| (tag, delivery)));
        }
        Ok((found, deliveries))
    }

    /// Returns the running machines, and the balancer in front of them.
    async fn machines(&self) -> Result<Inventory, CloudError> {
        let firewalls = self.read_firewalls().await?;
        let mut ids = Ids::default();
        for found in &firewalls {
            ids.insert(found.resource.key(), found.id.clone());
        }
        let (template, front) = tokio::join!(self.read_template(&ids), self.read_front(&ids));
        let ((template, versions), (front, door)) = (template?, front?);
        for found in front.iter().chain(&template) {
            ids.insert(found.resource.key(), found.id.clone());
        }
        let (found_group, nodes) = self.read_group(&ids, &versions).await?;
        let is_there = found_group
            .iter()
            .any(|found| found.resource.key().kind == ResourceKind::Group);
        let (scaling, refresh) = if is_there {
            let (scaling, refresh) =
                tokio::join!(self.read_scaling(&ids), self.read_refresh(&versions));
            (scaling?, refresh?)
        } else {
            (Vec::new(), None)
        };
        let parts = [firewalls, front, found_group, scaling];
        Ok(Inventory {
            found: parts.into_iter().flatten().chain(template).collect(),
            nodes,
            refresh,
            door,
            ..self.nothing()
        })
    }
}
