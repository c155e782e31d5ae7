//! One package's image: made while its code is asked what it exports, and named once it has said.

use std::collections::BTreeMap;

use bollard::query_parameters::RemoveImageOptions;
use fnlocal_registry::{Digest, RepositoryName};

use super::code::{self, Code};
use super::describe::{Asking, Question};
use super::error::{BuildError, bug};
use super::git::{self, Commit};
use super::report::{Built, BuiltPlatform, Described, News, Part};
use super::stack::{self, Stack};
use super::{Site, container, dockerfile, labels, size};
use crate::image::oci::content;
use crate::image::oci::layer::{self, Layer};
use crate::image::oci::load::{Loading, load};
use crate::image::oci::manifest::{self, Image, Platform, Stored};
use crate::project::{DescribedModule, Package};

/// How often a package that is saved while it is built is built anew.
const TRIES: usize = 3;

/// Builds a package's image for some platforms; anew if it is saved meanwhile.
pub(super) async fn build(
    site: &Site<'_>,
    package: &Package,
    platforms: &[Platform],
) -> Result<Built, BuildError> {
    for _ in 1..TRIES {
        match attempt(site, package, platforms).await {
            Err(BuildError::Restless) => {}
            other => return other,
        }
    }
    attempt(site, package, platforms).await
}

async fn attempt(
    site: &Site<'_>,
    package: &Package,
    platforms: &[Platform],
) -> Result<Built, BuildError> {
    let repository = site.repository(&package.name);
    let (made, functions, described) = if dockerfile::of(package).is_some() {
        own(site, package, platforms, &repository).await?
    } else {
        ours(site, package, platforms, &repository).await?
    };
    content::publish(&site.store, &repository, &made.digest)?;
    let platform = |(stack, stored): (Stack, Stored)| BuiltPlatform {
        platform: stack.platform,
        manifest: stored.digest,
        config: stored.config,
        base: stack.base,
        layers: stack.layers,
    };
    Ok(Built {
        package: package.name.clone(),
        repository,
        tag: content::tag(&made.digest),
        digest: made.digest,
        platforms: made.images.into_iter().map(platform).collect(),
        functions,
        described,
        source: made.source,
        code: made.hash,
        commit: made.commit,
    })
}

/// Base, dependencies, wrapper and code.
async fn ours(
    site: &Site<'_>,
    package: &Package,
    platforms: &[Platform],
    repository: &RepositoryName,
) -> Result<(Made, Vec<DescribedModule>, Described), BuildError> {
    let mut stacks = Vec::new();
    for &platform in platforms {
        stacks.push(stack::below(site, package, platform, repository).await?);
    }
    let deps = stacks[0].layers.iter().find(|one| one.part == Part::Deps);
    let deps = deps.map(|one| one.layer.clone());
    let environment = site.project.environment()?;
    let question = Question {
        package,
        deps: deps.as_ref(),
        store: &site.store,
        repository,
        records: &site.records,
        env: environment.shared(),
    };
    let code = read(site, package).await?;
    let source = measure(&code).await?;
    let key = question.key(&source);
    // Before it is packed, as is all that reads it: a save in between shows by what was packed.
    let asking = Asking::begin(&question, &key, &code).await?;
    let making = async {
        // Git takes as long as the disk does for the layer.
        let packing = stack::code(site, package, &code, repository);
        let (packed, commit) = tokio::join!(packing, git::commit(&package.root));
        let packed = packed?;
        if packed.layer.diff_id != source {
            return Err(BuildError::Restless);
        }
        let wrapper = stack::wrapper(site, repository)?;
        for stack in &mut stacks {
            stack.layers.extend([wrapper.clone(), packed.clone()]);
        }
        let files = (&code, source.clone(), commit);
        Made::store(site, package, files, stacks, repository).await
    };
    let (said, made) = tokio::join!(asking.answer(&question, &code, &source), making);
    let (said, made) = (said?, made?);
    let functions = match &said.modules {
        Some(functions) => functions.clone(),
        None => in_container(site, package, &made, repository, question.env).await?,
    };
    said.keep(&question, &key, &functions);
    let described = said.how;
    Ok((made, functions, described))
}

/// What a package's own Dockerfile makes, and the wrapper.
async fn own(
    site: &Site<'_>,
    package: &Package,
    platforms: &[Platform],
    repository: &RepositoryName,
) -> Result<(Made, Vec<DescribedModule>, Described), BuildError> {
    let code = read(site, package).await?;
    let environment = site.project.environment()?;
    let wrapper = stack::wrapper(site, repository)?;
    let (mut stacks, mut functions) = (Vec::new(), Vec::new());
    for &platform in platforms {
        let env = environment.shared();
        let made = dockerfile::build(site, package, &code, platform, repository, env).await?;
        stack::tell_done(site, package, Part::Base, &made.layers);
        let mut layers = made.layers;
        layers.push(wrapper.clone());
        functions = made.described;
        stacks.push(Stack {
            platform,
            layers,
            config: made.config,
            base: "the package's own Dockerfile".to_owned(),
        });
    }
    let source = measure(&code).await?;
    let files = (&code, source, git::commit(&package.root).await);
    let made = Made::store(site, package, files, stacks, repository).await?;
    Ok((made, functions, Described::Image))
}

async fn read(site: &Site<'_>, package: &Package) -> Result<Code, BuildError> {
    let package = package.clone();
    let code = tokio::task::spawn_blocking(move || Code::read(&package));
    let code = code.await.map_err(bug)??;
    for warning in &code.warnings {
        site.tell(News::Warning(warning.clone()));
    }
    Ok(code)
}

/// The digest of some code.
async fn measure(code: &Code) -> Result<Digest, BuildError> {
    let root = code.root(code::FOLDER);
    let measured = tokio::task::spawn_blocking(move || layer::measure(|out| root.write(out)));
    Ok(measured.await.map_err(bug)??.0)
}

/// An image in the registry, whole, but without a tag.
struct Made {
    images: Vec<(Stack, Stored)>,
    /// The only image's, or of an index over several.
    digest: Digest,
    source: Digest,
    hash: String,
    commit: Option<Commit>,
}

impl Made {
    async fn store(
        site: &Site<'_>,
        package: &Package,
        (code, source, commit): (&Code, Digest, Option<Commit>),
        stacks: Vec<Stack>,
        repository: &RepositoryName,
    ) -> Result<Self, BuildError> {
        let code = code.clone();
        let hashing = tokio::task::spawn_blocking(move || code.hash());
        let hash = hashing.await.map_err(bug)?.map_err(layer::full)?;
        if let Some(stack) = stacks.first()
            && let Some(warning) = size::warning(&package.name, &stack.layers, site.large)
        {
            site.tell(News::Warning(warning));
        }
        let labels = labels::of(&site.project.name, &source, commit.as_ref());
        let mut images = Vec::new();
        for stack in stacks {
            let stored = store(site, repository, &stack, &labels)?;
            images.push((stack, stored));
        }
        Ok(Self {
            digest: whole(site, repository, &images)?,
            images,
            source,
            hash: hash.to_string(),
            commit,
        })
    }
}

/// What the image itself says of its functions, when node on this machine could not.
async fn in_container(
    site: &Site<'_>,
    package: &Package,
    made: &Made,
    repository: &RepositoryName,
    env: &BTreeMap<String, String>,
) -> Result<Vec<DescribedModule>, BuildError> {
    let here = |(stack, _): &&(Stack, Stored)| stack.platform == Platform::here();
    let (_, stored) = made.images.iter().find(here).unwrap_or(&made.images[0]);
    let what = format!("asking {} for its functions", package.name);
    let engine = site.engine(&what).await?;
    let loading = Loading {
        repository: repository.clone(),
        manifest: stored.digest.clone(),
        name: site.engine_name(repository, "describe"),
    };
    load(&engine.docker, &site.store, &loading).await?;
    let described = container::describe(site, engine, package, &loading.name, env).await;
    let _stays = engine
        .docker
        .remove_image(&loading.name, None::<RemoveImageOptions>, None)
        .await;
    described
}

fn store(
    site: &Site<'_>,
    repository: &RepositoryName,
    stack: &Stack,
    labels: &BTreeMap<String, String>,
) -> Result<Stored, BuildError> {
    let layers: Vec<(String, Layer)> = stack
        .layers
        .iter()
        .map(|built| (built.part.to_string(), built.layer.clone()))
        .collect();
    let mut config = stack.config.clone();
    let own = config.labels.take().unwrap_or_default();
    let all = own.into_iter().chain(labels.clone());
    config.labels = Some(all.collect());
    let image = Image {
        platform: stack.platform,
        layers: &layers,
        config,
    };
    Ok(image.store(&site.store, repository)?)
}

fn whole(
    site: &Site<'_>,
    repository: &RepositoryName,
    images: &[(Stack, Stored)],
) -> Result<Digest, BuildError> {
    if let [(_, only)] = images {
        return Ok(only.digest.clone());
    }
    let images: Vec<(Platform, Stored)> = images
        .iter()
        .map(|(stack, stored)| (stack.platform, stored.clone()))
        .collect();
    Ok(manifest::index(&site.store, repository, &images)?)
}
