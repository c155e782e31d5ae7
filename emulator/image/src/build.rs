//! `fnlocal build`: an OCI image per package, in the project's own registry.
//!
//! An image is the base, dependencies, the wrapper and code, each a layer made here so that the
//! same input gives the same digests on every machine, in every folder, at any time. Records
//! remember unchanged parts, so that the same code talks to no engine and no network. Code and
//! install scripts run in containers and nowhere else.
//!
//! Several builds beside each other are safe, and so is one beside `dev`: contents go by their
//! digests. `fnlocal build` still takes a lock of its own, for two at once do the same work twice.

mod bases;
mod code;
mod container;
mod deps;
mod describe;
mod dockerfile;
mod error;
mod git;
mod image;
mod labels;
mod layers;
mod listing;
mod records;
mod report;
mod size;
mod smoke_test;

use std::path::{Path, PathBuf};
use std::time::Instant;

use fnlocal_registry::{Digest, RepositoryName, Store};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use bases::{cache, known as known_base, manifests as base_manifests};
pub use error::BuildError;
pub use git::GitCommit;
pub use listing::{ListedPackage, list};
pub use report::{
    BuildProgress, BuildReport, Built, BuiltLayer, BuiltPlatform, Described, LayerPart,
};
pub use smoke_test::{SmokeTestResult, try_program};

use crate::SLOW_CALL_TIMEOUT;
use crate::oci::base::StoredBase;
use crate::oci::layer::Layer;
use crate::oci::manifest::ImagePlatform;
use fnlocal_engine::connect::{Engine, EngineVariables, connect};
use fnlocal_engine::identity::random_hex;
use fnlocal_engine::identity::{fit, local_image};
use fnlocal_engine::labels::Owner;
use fnlocal_engine::labels::project_label;
use fnlocal_engine::reaper;
use fnlocal_project::{Project, StateDir};
use records::BuildRecords;

/// The size of code and dependencies, in bytes, from which a warning is given.
pub const LARGE: u64 = 2 << 30;
/// The registry's folder in a project's `.fnlocal`.
pub const REGISTRY: &str = "registry";
/// The records' folder there.
const RECORDS: &str = "build";
/// Added to the project's label on containers of builds, so that `dev`, which removes what its
/// former runs left, leaves them alone.
const OWNER: &str = "build";

/// The options of `fnlocal build`.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// A folder of functions, or one file.
    pub path: PathBuf,
    /// For which platforms; this machine's when none.
    pub platforms: Vec<ImagePlatform>,
    /// Look for the base anew, even if one is known.
    pub pull: bool,
    /// The size of code and dependencies, in bytes, from which a warning is given: [`LARGE`].
    pub large: u64,
}

/// Where news of a build go.
pub type OnBuildProgress<'a> = &'a dyn Fn(BuildProgress);

/// Builds every package of a project.
///
/// # Errors
/// [`BuildError`]; what was built before it is in the registry, whole.
pub async fn run(
    options: &BuildOptions,
    tell: OnBuildProgress<'_>,
) -> Result<BuildReport, BuildError> {
    let project = Project::open(&options.path, None)?;
    build_project(&project, options, tell).await
}

/// As [`run`], of a project that was opened by the options' path.
///
/// # Errors
/// [`BuildError`]; what was built before it is in the registry, whole.
pub async fn build_project(
    project: &Project,
    options: &BuildOptions,
    tell: OnBuildProgress<'_>,
) -> Result<BuildReport, BuildError> {
    let began = Instant::now();
    let environment = project.environment()?;
    for warning in project.warnings.iter().chain(environment.warnings()) {
        tell(BuildProgress::Warning(warning.clone()));
    }
    let state = StateDir::lock_build(&project.root)?;
    let mut site = Site::new(project, state.path(), owner(project), tell)?;
    site.pull = options.pull;
    site.large = options.large;
    site.reap = true;
    let here = [ImagePlatform::here()];
    let platforms = match options.platforms.as_slice() {
        [] => &here[..],
        some => some,
    };
    let mut images = Vec::new();
    for package in &project.packages {
        images.push(image::build(&site, package, platforms).await?);
    }
    Ok(BuildReport {
        project: project.name.clone(),
        images,
        took: began.elapsed(),
    })
}

/// Sees to it that a project's registry has the default base for a platform, and returns its
/// repository and digest. The gateway of the cloud's nodes stands on it.
///
/// # Errors
/// [`BuildError`] when it can neither be pulled nor made.
pub async fn usual_base(
    options: &BuildOptions,
    platform: ImagePlatform,
    tell: OnBuildProgress<'_>,
) -> Result<(RepositoryName, Digest), BuildError> {
    let project = Project::open(&options.path, None)?;
    let state = StateDir::lock_build(&project.root)?;
    let site = Site::new(&project, state.path(), owner(&project), tell)?;
    let base = bases::usual(&site, platform).await?;
    Ok((StoredBase::repository(), base.manifest().clone()))
}

/// Returns the labels of the containers of a project's builds.
fn owner(project: &Project) -> Owner {
    Owner {
        project: format!("{}-{OWNER}", project_label(&project.name, &project.root)),
        folder: project.root.display().to_string(),
        run: random_hex(4),
        node: "n0".to_owned(),
    }
}

/// Builds a project for `dev`, which holds its state folder, until told to stop.
pub async fn in_background(
    project: &Project,
    state: &Path,
    stop: &CancellationToken,
) -> Result<(), BuildError> {
    let owner = Owner {
        project: project_label(&project.name, &project.root),
        folder: project.root.display().to_string(),
        run: random_hex(4),
        node: "n0".to_owned(),
    };
    let site = Site::new(project, state, owner, &|_| {})?;
    let building = async {
        for package in &project.packages {
            image::build(&site, package, &[ImagePlatform::here()]).await?;
        }
        Ok(())
    };
    let built = tokio::select! {
        built = building => built,
        () = stop.cancelled() => Ok(()),
    };
    if stop.is_cancelled()
        && let Some(engine) = site.engine.get()
    {
        reaper::remove_own(&engine.docker, &site.owner).await;
    }
    built
}

/// The shared parts of the builds of a project's packages.
pub(crate) struct Site<'a> {
    project: &'a Project,
    store: Store,
    records: BuildRecords,
    owner: Owner,
    engine: OnceCell<Engine>,
    tell: OnBuildProgress<'a>,
    pull: bool,
    large: u64,
    /// `true` if containers of former builds are ours to remove: no other process builds now.
    reap: bool,
}

impl<'a> Site<'a> {
    pub(crate) fn new(
        project: &'a Project,
        state: &Path,
        owner: Owner,
        tell: OnBuildProgress<'a>,
    ) -> Result<Self, BuildError> {
        let store = Store::open(&state.join(REGISTRY)).map_err(crate::ImageError::from)?;
        Ok(Self {
            project,
            store,
            records: BuildRecords::new(state.join(RECORDS)),
            owner,
            engine: OnceCell::new(),
            tell,
            pull: false,
            large: LARGE,
            reap: false,
        })
    }

    fn report(&self, news: BuildProgress) {
        // Notes and warnings may quote what a package manager writes.
        match &news {
            BuildProgress::Began { package, part } => info!(package, %part, "begins"),
            BuildProgress::Done {
                package,
                part,
                size,
                cached,
            } => info!(package, %part, size, cached, "is there"),
            BuildProgress::Note(_) | BuildProgress::Warning(_) => {}
        }
        (self.tell)(news);
    }

    /// The engine, asked for when something needs it.
    async fn engine(&self, what: &str) -> Result<&Engine, BuildError> {
        let connecting = async || {
            let mut engine = connect(&EngineVariables::from_env()).await?;
            engine.docker = engine.docker.with_timeout(SLOW_CALL_TIMEOUT);
            if self.reap {
                let sockets = self.records.folder().join("none");
                let _next_time = reaper::reap(&engine.docker, &self.owner, &sockets).await;
            }
            Ok(engine)
        };
        self.engine
            .get_or_try_init(connecting)
            .await
            .map_err(|source| BuildError::Engine {
                what: what.to_owned(),
                source,
            })
    }

    /// Returns whether a repository has a layer, or can get it from another.
    fn has(
        &self,
        layer: &Layer,
        from: &RepositoryName,
        to: &RepositoryName,
    ) -> Result<bool, BuildError> {
        if self.store.has_blob(to, &layer.digest) {
            return Ok(true);
        }
        let mounted = self.store.mount(&layer.digest, from, to);
        Ok(mounted.map_err(crate::ImageError::from)?)
    }

    /// Returns an image's name in the engine while it is being built.
    fn engine_name(&self, repository: &RepositoryName, tag: &str) -> String {
        local_image(&format!("{}:{tag}", repository.as_str().replace('/', "-")))
    }

    /// Where a package's images are.
    fn repository(&self, package: &str) -> RepositoryName {
        let name = format!("{}/{}", fit(&self.project.name), fit(package));
        name.parse().expect("parts are made fit to be names")
    }
}
