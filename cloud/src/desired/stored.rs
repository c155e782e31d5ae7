//! The contents of ECR: the repository, images, and the release under its number.

use std::collections::{BTreeMap, BTreeSet};

use fnlocal_core::release::Release;
use serde_json::json;

use super::PromoteRequest;
use crate::delivery::StoredRelease;
use crate::environment::CloudEnvironment;
use crate::error::{CloudError, CloudErrorKind};
use crate::inventory::Inventory;
use crate::names::ResourceNames;
use crate::resource::{Artifact, Repository, RepositoryImage, Resource, ResourceKey, ResourceKind};

pub(super) fn sources(
    names: &ResourceNames,
    env: &CloudEnvironment,
    release: &Release,
) -> Result<BTreeMap<String, String>, CloudError> {
    let functions = release.functions();
    let wanted: BTreeSet<&String> = functions
        .values()
        .flat_map(|(_, function)| {
            let sources = function.triggers.sources.iter();
            let urls = sources.filter_map(|source| source.url_env.as_ref());
            function.env.iter().chain(urls)
        })
        .collect();
    let mut sources = BTreeMap::new();
    for name in wanted {
        let Some(parameter) = env.parameter(name, &names.parameters()) else {
            return Err(CloudError::new(
                CloudErrorKind::Config,
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
pub(super) fn artifact(
    names: &ResourceNames,
    delivery: StoredRelease,
    inventory: &Inventory,
) -> (Artifact, StoredRelease) {
    let current = inventory.current().map(|(tag, _)| tag);
    let fits = |tag: &str| {
        let stored = inventory.deliveries.get(tag);
        let stored = stored.filter(|stored| stored.does_the_same(&delivery))?;
        let key = ResourceKey {
            kind: ResourceKind::Release,
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
    let current = current.and_then(ResourceNames::release_number);
    let mut unused = inventory.deliveries.keys().rev();
    let unused = unused.find_map(|tag| {
        let is_newer = ResourceNames::release_number(tag) > current;
        is_newer.then(|| fits(tag)).flatten()
    });
    if let Some(fitting) = unused {
        return fitting;
    }
    let last = inventory.release_numbers().last().copied().unwrap_or(0);
    let artifact = Artifact {
        tag: ResourceNames::release_tag(last + 1),
        repository: names.repository(),
        digest: delivery.pack().digest.to_string(),
    };
    (artifact, delivery)
}

pub(super) fn repository(names: &ResourceNames) -> Repository {
    Repository {
        name: names.repository(),
        immutable_tags: true,
        scan_on_push: true,
        // Every image of a release has a tag. An image without one is left from a push that was cut
        // short.
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

pub(super) fn images<'a>(
    names: &'a ResourceNames,
    wish: &'a PromoteRequest,
) -> impl Iterator<Item = RepositoryImage> + 'a {
    let packages = wish.release.packages.iter();
    let of_packages =
        packages.map(|package| ResourceNames::image_tag(&package.name, &package.digest));
    let gateway = ResourceNames::image_tag("gateway", &wish.gateway);
    let tags: BTreeSet<String> = of_packages.chain([gateway]).collect();
    tags.into_iter().map(|tag| RepositoryImage {
        tag,
        repository: names.repository(),
    })
}
