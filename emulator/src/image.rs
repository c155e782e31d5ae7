//! Images: base, wrapper and dependencies.
//!
//! Code is in none of them while developing: it is mounted. An image's tag is a hash of what it is
//! made of, so one that exists is right. [`Images::ensure`] makes what is missing.

pub mod base;
mod build;
pub mod deps;
pub(crate) mod error;
pub(crate) mod host;
pub(crate) mod install;
pub(crate) mod manager;
mod npm;
pub mod oci;
mod root;
pub mod wrapper;

use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

pub use error::ImageError;
pub(crate) use root::Root;

use crate::project::Package;
use crate::runtime::docker::connect::Engine;
use crate::runtime::docker::labels::Owner;
use base::Base;
use deps::Dependencies;

/// For a pull or an import.
pub(crate) const LONG: Duration = Duration::from_mins(10);
/// How long an install may take unless fnlocal.toml says otherwise.
pub const INSTALL_TIME: Duration = Duration::from_mins(10);
/// What is put on top of a base; a change here makes every image anew.
const RECIPE: &str = "4";

/// The label that says whose an image is.
pub(crate) const PROJECT: &str = "dev.fnlocal.project";

/// Where images tell what they are doing, for people.
pub type Progress<'a> = &'a dyn Fn(String);

/// How images are made.
#[derive(Clone, Debug)]
pub struct ImageOptions {
    /// The base the person asked for; [`base::DEFAULT`] when none.
    pub base_image: Option<String>,
    /// The project's name, in the images' names.
    pub project: String,
    /// Whose the containers are that images are made in.
    pub owner: Owner,
    /// The host's node, for a base made from it; looked up in `PATH` when none.
    pub node: Option<std::path::PathBuf>,
}

/// Makes images, each at most once at a time.
pub struct Images {
    engine: Engine,
    options: ImageOptions,
    install_time: Duration,
    base: Mutex<Option<Base>>,
    building: Mutex<()>,
}

impl Images {
    /// Makes nothing yet.
    #[must_use]
    pub fn new(engine: &Engine, options: ImageOptions) -> Self {
        let mut engine = engine.clone();
        engine.docker = engine.docker.with_timeout(LONG);
        Self {
            engine,
            options,
            install_time: INSTALL_TIME,
            base: Mutex::new(None),
            building: Mutex::new(()),
        }
    }

    /// Sets how long an install may take; [`INSTALL_TIME`] without this.
    #[must_use]
    pub fn with_install_time(self, install_time: Duration) -> Self {
        Self {
            install_time,
            ..self
        }
    }

    /// The base: local, pulled, or made from this host's node. Decided once.
    ///
    /// # Errors
    /// [`ImageError`] when there is none and none can be made.
    pub async fn base(&self, progress: Progress<'_>) -> Result<Base, ImageError> {
        let mut known = self.base.lock().await;
        if let Some(base) = &*known {
            return Ok(base.clone());
        }
        let found = base::find(&self.engine.docker, &self.options, progress).await?;
        Ok(known.insert(found).clone())
    }

    /// The image a package's instances run: made if it is missing. Packages without dependencies
    /// share one.
    ///
    /// # Errors
    /// [`ImageError`]; npm's own words when an install fails.
    pub async fn ensure(
        &self,
        package: &Package,
        progress: Progress<'_>,
    ) -> Result<String, ImageError> {
        let base = self.base(progress).await?;
        let dependencies = Dependencies::read(package)?;
        let reference = self.reference(&base, package, dependencies.as_ref());
        // Packages without dependencies share an image: the second finds what the first made.
        let _one_at_a_time = self.building.lock().await;
        if base::inspect(&self.engine.docker, &reference)
            .await?
            .is_some()
        {
            return Ok(reference);
        }
        if let Some(dependencies) = &dependencies {
            if let Some(warning) = dependencies.warning() {
                progress(format!("package {}: {warning}", package.name));
            }
            progress(format!("package {}: installing dependencies", package.name));
        }
        let build = build::Build {
            engine: &self.engine,
            owner: &self.options.owner,
            base: &base.id,
            // Without dependencies it is shared by all projects.
            project: dependencies
                .is_some()
                .then_some(self.options.project.as_str()),
            package: &package.name,
            reference: &reference,
            install_time: self.install_time,
        };
        build.run(dependencies.as_ref(), progress).await?;
        Ok(reference)
    }

    fn reference(
        &self,
        base: &Base,
        package: &Package,
        dependencies: Option<&Dependencies>,
    ) -> String {
        let mut parts = vec![RECIPE.as_bytes(), base.id.as_bytes(), wrapper::RUNNER];
        let Some(dependencies) = dependencies else {
            return format!("fnlocal/runner:{}", short_hash(&parts));
        };
        parts.extend(dependencies.parts());
        let project = self.options.project.as_str();
        let name = fit(&format!("{project}-{}", package.name));
        // The hyphen between the two does not say where one ends.
        parts.extend([project.as_bytes(), package.name.as_bytes()]);
        format!("fnlocal/{name}:{}", short_hash(&parts))
    }
}

/// Twelve hexadecimal digits of the hash of `parts`, which cannot run into each other.
pub(crate) fn short_hash(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher
        .finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The maximum length of a part of an image's name, in bytes.
const MAX_FIT: usize = 100;

/// `name` as a part of an image's name: what that cannot hold is replaced, and what is too long is
/// cut. A name that had to be changed ends in a hash of the original, so that no two become one.
pub(crate) fn fit(name: &str) -> String {
    let mut fit = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            fit.push(c);
        } else if !fit.is_empty() && !fit.ends_with('-') {
            fit.push('-');
        }
    }
    if fit == name && !fit.is_empty() && !fit.ends_with('-') && fit.len() <= MAX_FIT {
        return fit;
    }
    let hash = short_hash(&[name.as_bytes()]);
    fit.truncate(MAX_FIT - 1 - hash.len());
    match fit.trim_end_matches('-') {
        "" => format!("package-{hash}"),
        fit => format!("{fit}-{hash}"),
    }
}

#[cfg(test)]
mod tests {
    use fnlocal_registry::RepositoryName;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn repository_names_hold_only_what_is_allowed() {
        assert_eq!(fit("my-app2"), "my-app2");
        assert!(fit("My App-@scope/π_x").starts_with("my-app-scope-x-"));
        assert!(fit("π").starts_with("package-"));
        // Cut after the hyphen, engines would refuse it.
        let long = format!("{}-{}", "a".repeat(99), "b".repeat(11));
        assert!(is_part(&fit(&long)), "{}", fit(&long));
    }

    fn is_part(name: &str) -> bool {
        (1..=MAX_FIT).contains(&name.len()) && name.parse::<RepositoryName>().is_ok()
    }

    proptest! {
        #[test]
        fn every_name_becomes_a_part_of_an_images_name_and_no_two_the_same(
            one in "\\PC{0,130}|[-a-zA-Z_.]{0,130}|[aA-]{0,3}",
            other in "\\PC{0,130}|[-a-zA-Z_.]{0,130}|[aA-]{0,3}",
        ) {
            prop_assert!(is_part(&fit(&one)) && is_part(&fit(&other)));
            prop_assert_eq!(fit(&one) == fit(&other), one == other);
        }
    }

    #[test]
    fn parts_of_a_hash_do_not_run_into_each_other() {
        assert_ne!(short_hash(&[b"ab", b"c"]), short_hash(&[b"a", b"bc"]));
        assert_eq!(short_hash(&[b"x"]).len(), 12);
    }
}
