//! What a package exports, asked of its code.
//!
//! First with this machine's node, which takes a fraction of what a container does: under Node's
//! permission model, so that the code can read itself and its dependencies but neither write, start
//! programs, load native addons nor see this machine's environment. Whatever does not succeed
//! there, for any reason, is asked again of the image itself; that answer counts.

pub(super) mod host;

use std::collections::BTreeMap;
use std::path::Path;

use fnlocal_registry::{Digest, RepositoryName, Store};
use serde::Deserialize;

use super::error::BuildError;
use super::records::Records;
use crate::driver::Failure;
use crate::image::oci::layer::Layer;
use crate::image::{short_hash, wrapper};
use crate::project::{DescribedModule, Package};

/// Whom to ask about what.
pub(super) struct Question<'a> {
    pub package: &'a Package,
    pub deps: Option<&'a Layer>,
    pub store: &'a Store,
    pub repository: &'a RepositoryName,
    pub records: &'a Records,
    /// Variables the functions will have.
    pub env: &'a BTreeMap<String, String>,
}

impl Question<'_> {
    /// A key for records: the same for the same code, dependencies and variables.
    pub fn key(&self, source: &Digest) -> String {
        let deps = self.deps.map(|deps| deps.diff_id.to_string());
        let deps = deps.unwrap_or_default();
        let env = format!("{:?}", self.env);
        let settings = format!("{:?}", settings(self.package, Path::new("")));
        let texts = [&source.to_string(), &deps, &env, &settings];
        let mut parts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        parts.push(wrapper::RUNNER);
        short_hash(&parts)
    }
}

#[derive(Deserialize)]
struct Description {
    modules: Vec<DescribedModule>,
}

/// The wrapper's settings, for code in a folder.
pub(super) fn settings(package: &Package, code: &Path) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("FNLOCAL_CODE", code.display().to_string()),
        ("FNLOCAL_PACKAGE", package.name.clone()),
    ];
    settings.extend(entries(package).map(|entries| ("FNLOCAL_ENTRIES", entries)));
    settings
}

/// The entries as the wrapper reads them. One with a comma in its name it has to find itself.
fn entries(package: &Package) -> Option<String> {
    let entries = &package.entries;
    let plain = entries.iter().all(|entry| !entry.contains(','));
    plain.then(|| entries.join(","))
}

/// What the wrapper wrote, if it described anything.
pub(super) fn parse(stdout: &[u8]) -> Option<Vec<DescribedModule>> {
    let description: Description = serde_json::from_slice(stdout).ok()?;
    Some(description.modules)
}

/// The first file that could not be imported, as an error.
pub(super) fn failed(package: &Package, described: &[DescribedModule]) -> Result<(), BuildError> {
    for module in described {
        if let Some(error) = &module.error {
            let failure = Failure::deserialize(error);
            let mut failure = failure.unwrap_or_else(|_| Failure::plain(error.to_string(), None));
            let root = format!("{}/", package.root.display());
            failure.rebase("/app/", &root);
            return Err(BuildError::Import {
                package: package.name.clone(),
                entry: module.entry.clone(),
                failure: Box::new(failure),
            });
        }
    }
    Ok(())
}
