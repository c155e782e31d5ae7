//! A release, served from images exactly as a node in the cloud does.
//!
//! Nothing is mounted and nothing is watched. The release decides what is served and within what
//! limits; only variables come from elsewhere.

mod images;
mod wanted;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fnlocal_core::CodeHash;
use fnlocal_core::release::{Release, ReleaseLimits, ReleasePackage};
use fnlocal_registry::Store;

use super::{OpenedWorkload, ServedProject, ServedWorkload};
use crate::describe::ReleaseDescriber;
use crate::error::ServeError;
use crate::limits::{node_limits, release_limits};
use crate::registry::ServedRegistry;
use crate::select::owner;
use crate::session::NodeFactory;
use fnlocal_driver::{Describe, DriverGroup, PackageCode};
use fnlocal_engine::connect::{Engine, EngineVariables, connect};
use fnlocal_image::build::REGISTRY;
use fnlocal_language::Language;
use fnlocal_logs::Logs;
use fnlocal_runtime::PackageRun;
use fnlocal_runtime::docker::mounts::{self, Mounts};
use fnlocal_runtime::open::{OpenError, Opener};
use images::ReleaseImages;
use wanted::wanted;

/// How long the packages of a release may take to be imported.
const LOAD_TIMEOUT: Duration = Duration::from_secs(120);

/// The release to serve.
#[derive(Clone, Debug)]
pub struct ReleaseOptions {
    /// A release: a file, or the beginning of its digest. Built anew if `None`.
    pub release: Option<String>,
    /// The time, RFC 3339 in UTC, for a release that is built.
    pub now: String,
}

/// A release whose images the engine holds.
pub(crate) struct ReleaseWorkload {
    describer: Rc<ReleaseDescriber>,
    runs: Vec<Arc<PackageRun>>,
}

/// Has the engine hold the release's images.
pub(super) async fn open(
    options: &ReleaseOptions,
    served: &ServedProject<'_>,
) -> Result<OpenedWorkload, ServeError> {
    let ServedProject { project, logs, .. } = *served;
    let kept = wanted(options, served).await?;
    let engine = connect(&EngineVariables::from_env()).await?;
    let store = Store::open(&served.state.path().join(REGISTRY))?;
    let images = images(&engine, &store, &kept.release, logs).await?;
    let runtime = format!("{}, release {}", engine.title, kept.short());
    let owner = owner(project, "n0");
    // Sandboxes only sleep, which every image of ours can.
    let base = images.first().cloned().unwrap_or_default();
    let state = served.state.path();
    let engine = mounts::settle(engine, &owner, &base, state, Mounts::Auto).await;
    let opener = Opener::docker(engine.map_err(OpenError::from)?, owner, base);
    let shell = project.shell();
    let describer = ReleaseDescriber::new(
        kept.release,
        served.environment.clone(),
        move |name| shell.get(name),
        logs.clone(),
    );
    let limits = release_limits(describer.release(), node_limits(project));
    let env = served.environment.shared();
    let release = ReleaseWorkload::new(describer, images, |_| env.clone())?;
    Ok(OpenedWorkload {
        factory: NodeFactory::new(opener, release.describe(), limits, logs.clone()),
        workload: ServedWorkload::Release(release),
        runtime,
    })
}

/// A package of a release whose language this fnlocal does not know.
#[derive(Debug, thiserror::Error)]
#[error("{package} is written in `{word}`, which this fnlocal does not know")]
pub struct UnknownLanguage {
    package: String,
    word: String,
}

fnlocal_api::user_error!(UnknownLanguage: Config {
    Self { .. } => "use the version of fnlocal that made the release";
});

fn language_of(package: &ReleasePackage) -> Result<&'static dyn Language, UnknownLanguage> {
    let Some(word) = &package.language else {
        return Ok(fnlocal_language::usual());
    };
    fnlocal_language::by_word(word).ok_or_else(|| UnknownLanguage {
        package: package.name.clone(),
        word: word.clone(),
    })
}

/// Has the engine hold every image, while the registry is there for it to pull from.
async fn images(
    engine: &Engine,
    store: &Store,
    release: &Release,
    logs: &Logs,
) -> Result<Vec<String>, ServeError> {
    let registry = if engine.shares_sockets {
        Some(ServedRegistry::start(store.clone()).await?)
    } else {
        None
    };
    let images = ReleaseImages {
        engine,
        store,
        registry: registry.as_ref().map(|registry| registry.address),
    };
    let progress = |text| logs.note(text);
    let mut ids = Vec::new();
    for package in &release.packages {
        ids.push(images.ensure(package, &progress).await?);
    }
    Ok(ids)
}

impl ReleaseWorkload {
    /// `images` are the ids of the packages' images, in the release's order. `env` are the variables
    /// that all functions of a package share.
    ///
    /// # Errors
    /// [`UnknownLanguage`] for the first package whose language this fnlocal does not know.
    pub fn new(
        describer: Rc<ReleaseDescriber>,
        images: Vec<String>,
        env: impl Fn(&ReleasePackage) -> BTreeMap<String, String>,
    ) -> Result<Self, UnknownLanguage> {
        let packages = describer.release().packages.iter();
        let run = |(package, image): (&ReleasePackage, String)| {
            Ok(Arc::new(PackageRun {
                name: package.name.clone(),
                language: language_of(package)?,
                image,
                code_root: None,
                env: env(package),
            }))
        };
        let runs: Result<Vec<_>, UnknownLanguage> = packages.zip(images).map(run).collect();
        Ok(Self {
            runs: runs?,
            describer,
        })
    }

    /// Returns the part that turns the descriptions of its images into functions.
    pub fn describe(&self) -> Rc<dyn Describe> {
        Rc::clone(&self.describer) as Rc<dyn Describe>
    }

    /// The limits of all functions together.
    pub fn limits(&self) -> &ReleaseLimits {
        &self.describer.release().limits
    }

    /// Tells the nodes of `group` of its code, which they then import.
    pub fn load(&self, group: &DriverGroup) {
        for ((id, package), run) in self.describer.packages().zip(&self.runs) {
            // Hexadecimal: the release was checked.
            let code = CodeHash(u64::from_str_radix(&package.code, 16).unwrap_or_default());
            group.set_package(id, Arc::clone(run), format!("{}/", package.name));
            let what = PackageCode {
                files: package.code.clone(),
                folder: String::new(),
                entries: package.entries.clone(),
            };
            group.set_code(id, code, what, true);
        }
    }

    /// Waits until every package has been imported: a release is served whole or not at all.
    ///
    /// # Errors
    /// The reason each function that cannot be served was rejected.
    pub async fn loaded(&self, group: &DriverGroup) -> Result<(), Vec<String>> {
        let imported = tokio::time::timeout(LOAD_TIMEOUT, group.described()).await;
        let mut broken = self.describer.broken();
        if imported.is_err() {
            let seconds = LOAD_TIMEOUT.as_secs();
            broken.push(format!(
                "some packages were not imported within {seconds} s"
            ));
        }
        if broken.is_empty() {
            Ok(())
        } else {
            Err(broken)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_that_names_no_language_is_in_the_usual_one() {
        let mut package = ReleasePackage {
            name: "shop".to_owned(),
            repository: "shop".to_owned(),
            digest: String::new(),
            code: String::new(),
            language: None,
            entries: Vec::new(),
            functions: Vec::new(),
        };
        assert_eq!(language_of(&package).unwrap(), fnlocal_language::usual());
        package.language = Some(fnlocal_language::usual().word().to_owned());
        assert_eq!(language_of(&package).unwrap(), fnlocal_language::usual());
        package.language = Some("cobol".to_owned());
        let error = language_of(&package).unwrap_err().to_string();
        assert!(error.contains("shop") && error.contains("cobol"), "{error}");
    }
}
