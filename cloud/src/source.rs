//! Where images come from: the project's store on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fnlocal_api::UserError;
use fnlocal_core::release::Release;
use fnlocal_registry::StoreError;
use serde_json::Value;

use crate::error::{CloudError, CloudErrorKind};
use crate::gateway;
use crate::names::ResourceNames;
use crate::plan::Plan;
use crate::resource::Resource;

pub use fnlocal_registry::{Digest, RepositoryName, Store};

/// Where images come from.
#[derive(Clone, Debug)]
pub struct ImageSource {
    /// The store.
    pub store: Store,
    /// The repository of an image, by its digest.
    pub repositories: BTreeMap<String, RepositoryName>,
}

/// Opens a project's store.
///
/// # Errors
/// Fails if the store cannot be created or read.
pub fn open(folder: &Path) -> Result<Store, CloudError> {
    Store::open(folder).map_err(broken)
}

impl ImageSource {
    /// Where the images are that a plan sends: those of its release, and the gateway's.
    ///
    /// # Errors
    /// The release names a repository that cannot be one.
    pub fn from_plan(store: Store, plan: &Plan) -> Result<Self, CloudError> {
        let mut repositories = BTreeMap::new();
        for step in &plan.steps {
            if let Resource::Image(image) = &step.resource
                && let Some(digest) = ResourceNames::tagged_digest(&image.tag)
            {
                repositories.insert(digest, gateway::repository());
            }
        }
        let packages = plan.delivery.iter().flat_map(|it| &it.release.packages);
        for package in packages {
            let repository = repository(&package.repository)?;
            repositories.insert(package.digest.clone(), repository);
        }
        Ok(Self {
            store,
            repositories,
        })
    }
}

/// Processors that all images of a release are for, as images call them.
///
/// # Errors
/// The store lacks an image.
pub fn architectures(store: &Store, release: &Release) -> Result<BTreeSet<String>, CloudError> {
    let mut common: Option<BTreeSet<String>> = None;
    for package in &release.packages {
        let repository = repository(&package.repository)?;
        let found = of_image(store, &repository, &package.digest)?;
        common = Some(match common {
            None => found,
            Some(common) => common.intersection(&found).cloned().collect(),
        });
    }
    Ok(common.unwrap_or_default())
}

/// From an index, or from the configuration of the only image.
fn of_image(
    store: &Store,
    repository: &RepositoryName,
    digest: &str,
) -> Result<BTreeSet<String>, CloudError> {
    let parsed: Digest = digest.parse().map_err(|_| missing(digest))?;
    let manifest = store.manifest(repository, &parsed.into()).map_err(broken)?;
    let manifest = manifest.ok_or_else(|| missing(digest))?;
    let manifest: Value =
        serde_json::from_slice(&manifest.bytes).map_err(|error| missing(digest).because(error))?;
    if let Some(children) = manifest["manifests"].as_array() {
        let named = children.iter().map(|it| &it["platform"]["architecture"]);
        return Ok(named.filter_map(Value::as_str).map(str::to_owned).collect());
    }
    let config = manifest["config"]["digest"].as_str().unwrap_or_default();
    let parsed: Digest = config.parse().map_err(|_| missing(config))?;
    let blob = store.blob(repository, &parsed).map_err(broken)?;
    let (file, _) = blob.ok_or_else(|| missing(config))?;
    let config: Value =
        serde_json::from_reader(file).map_err(|error| missing(config).because(error))?;
    let architecture = config["architecture"].as_str();
    Ok(architecture.map(str::to_owned).into_iter().collect())
}

fn repository(name: &str) -> Result<RepositoryName, CloudError> {
    name.parse().map_err(|error| {
        CloudError::new(CloudErrorKind::Failed, format!("`{name}` is no repository"))
            .because(error)
            .hint("run `fnlocal build`: it makes a new release")
    })
}

/// The store lacks something.
pub(crate) fn missing(what: &str) -> CloudError {
    CloudError::new(
        CloudErrorKind::Failed,
        format!("the local registry lacks {what}"),
    )
    .hint("run `fnlocal build`")
}

/// The store cannot be read or written.
pub(crate) fn broken(error: StoreError) -> CloudError {
    let hint = error
        .hint()
        .unwrap_or_else(|| "run `fnlocal doctor`".to_owned());
    CloudError::new(CloudErrorKind::Failed, "the local registry cannot be used")
        .because(error)
        .hint(hint)
}
