//! What a package exports, asked of its code.
//!
//! An earlier build may know, if nothing has changed since that runs while the code is imported. Else
//! this machine's node is asked, which takes a fraction of what a container does: under Node's
//! permission model, so that the code can read itself and its dependencies but neither write, start
//! programs, load native addons nor see this machine's environment. Whatever does not succeed
//! there, for any reason, is asked again of the image itself; that answer counts.

mod asking;
mod host;
mod known;
mod outline;

pub(super) use asking::Asking;

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
        short_hash(&[source.to_string().as_bytes(), self.about().as_bytes()])
    }

    /// The same for the same dependencies, variables and wrapper.
    fn about(&self) -> String {
        let deps = self.deps.map(|deps| deps.diff_id.to_string());
        let deps = deps.unwrap_or_default();
        let env = format!("{:?}", self.env);
        let settings = format!("{:?}", settings(self.package, Path::new("")));
        let texts = [&deps, &env, &settings];
        let mut parts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        parts.push(wrapper::RUNNER);
        short_hash(&parts)
    }
}

#[derive(Deserialize)]
struct Description {
    modules: Vec<DescribedModule>,
    #[serde(default)]
    watched: Option<Watched>,
}

/// What happened while the code was loaded, where it carried marks.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Watched {
    /// The bodies that ran, by their numbers.
    ran: Vec<usize>,
    /// Whether nothing was left that could have run later.
    settled: bool,
    /// Whether the code read its own text, and met the marks in it.
    read: bool,
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
