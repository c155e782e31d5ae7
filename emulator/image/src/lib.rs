//! Images: base, wrapper and dependencies.
//!
//! Code is in none of them while developing: it is mounted. An image's tag is a hash of what it is
//! made of, so one that exists is right. [`Images::ensure`] makes what is missing.
#![warn(clippy::disallowed_macros)]

pub mod base;
pub mod build;
mod engine_build;
pub mod error;
pub mod host;
pub mod install;
pub mod oci;
mod on_host;
mod plan;
pub mod release;
mod root;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::Mutex;

pub use error::ImageError;
pub use on_host::on_host;
pub use root::Root;

use base::Base;
use fnlocal_engine::OnProgress;
use fnlocal_engine::connect::Engine;
use fnlocal_engine::identity::{fit, local_image, short_hash};
use fnlocal_engine::labels::Owner;
use fnlocal_language::{InstallPlan, Language};
use fnlocal_project::{INSTALL_TIME, Package};

/// For a pull or an import.
pub const SLOW_CALL_TIMEOUT: Duration = Duration::from_mins(10);
/// The version of the recipe for everything above the base; a change here makes every image new.
const RECIPE: &str = "4";

/// The label that says whose an image is.
pub const PROJECT: &str = "dev.fnlocal.project";

/// How images are made.
#[derive(Clone, Debug)]
pub struct ImageOptions {
    /// The base the person asked for; the language's when none.
    pub base_image: Option<String>,
    /// The project's name, in the images' names.
    pub project: String,
    /// Whose the containers are that images are made in.
    pub owner: Owner,
    /// The host's interpreter, for a base made from it; looked up in `PATH` when none.
    pub interpreter: Option<std::path::PathBuf>,
}

/// Makes images, each at most once at a time.
pub struct Images {
    engine: Engine,
    options: ImageOptions,
    install_time: Duration,
    /// By languages' words.
    bases: Mutex<BTreeMap<&'static str, Base>>,
    building: Mutex<()>,
}

impl Images {
    /// Makes nothing yet.
    #[must_use]
    pub fn new(engine: &Engine, options: ImageOptions) -> Self {
        let mut engine = engine.clone();
        engine.docker = engine.docker.with_timeout(SLOW_CALL_TIMEOUT);
        Self {
            engine,
            options,
            install_time: INSTALL_TIME,
            bases: Mutex::default(),
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

    /// The base of a language: local, pulled, or made from this host's interpreter. Decided once.
    ///
    /// # Errors
    /// [`ImageError`] when there is none and none can be made.
    pub async fn base(
        &self,
        language: &'static dyn Language,
        progress: OnProgress<'_>,
    ) -> Result<Base, ImageError> {
        let mut known = self.bases.lock().await;
        if let Some(base) = known.get(language.word()) {
            return Ok(base.clone());
        }
        let found = base::find(&self.engine.docker, language, &self.options, progress).await?;
        known.insert(language.word(), found.clone());
        Ok(found)
    }

    /// The image a package's instances run: made if it is missing. Packages without dependencies
    /// share one.
    ///
    /// # Errors
    /// [`ImageError`]; the package manager's own words when an install fails.
    pub async fn ensure(
        &self,
        package: &Package,
        progress: OnProgress<'_>,
    ) -> Result<String, ImageError> {
        let base = self.base(package.language, progress).await?;
        let dependencies = plan::read(package)?;
        let reference = self.reference(&base, package, dependencies.as_deref());
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
            for note in dependencies.notes() {
                progress(format!("package {}: {note}", package.name));
            }
            progress(format!("package {}: installing dependencies", package.name));
        }
        let build = engine_build::EngineBuild {
            engine: &self.engine,
            owner: &self.options.owner,
            base: &base.id,
            // Without dependencies it is shared by all projects.
            project: dependencies
                .is_some()
                .then_some(self.options.project.as_str()),
            package,
            reference: &reference,
            install_time: self.install_time,
        };
        build.run(dependencies.as_deref(), progress).await?;
        Ok(reference)
    }

    fn reference(
        &self,
        base: &Base,
        package: &Package,
        dependencies: Option<&dyn InstallPlan>,
    ) -> String {
        let mut parts = vec![
            RECIPE.as_bytes(),
            base.id.as_bytes(),
            package.language.wrapper().bytes,
        ];
        let Some(dependencies) = dependencies else {
            return local_image(&format!("runner:{}", short_hash(&parts)));
        };
        parts.extend(dependencies.parts());
        let project = self.options.project.as_str();
        let name = fit(&format!("{project}-{}", package.name));
        // The hyphen between the two does not say where one ends.
        parts.extend([project.as_bytes(), package.name.as_bytes()]);
        local_image(&format!("{name}:{}", short_hash(&parts)))
    }
}
