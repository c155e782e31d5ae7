//! One package's image: made while its code is asked what it exports, and named once it has said.

use fnlocal_registry::{Digest, RepositoryName};
use tracing::{info, instrument};

use super::code::{self, CodeFiles};
use super::describe::{Question, placeholders};
use super::error::{BuildError, bug};
use super::git::{self, GitCommit};
use super::layers::{self, Stack};
use super::report::{BuildProgress, Built, BuiltPlatform, Described, LayerPart};
use super::{Site, dockerfile, labels, size};
use crate::oci::content;
use crate::oci::layer;
use crate::oci::manifest::{self, ImagePlatform, Stored};
use fnlocal_project::{DescribedModule, Package};

/// How often a package that is saved while it is built is built anew.
const TRIES: usize = 3;

/// Builds a package's image for some platforms; anew if it is saved meanwhile.
#[instrument(level = "info", name = "build", skip_all, fields(package = package.name))]
pub(super) async fn build(
    site: &Site<'_>,
    package: &Package,
    platforms: &[ImagePlatform],
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
    platforms: &[ImagePlatform],
) -> Result<Built, BuildError> {
    let repository = site.repository(&package.name);
    let (made, functions, described) = if dockerfile::dockerfile_of(package).is_some() {
        own(site, package, platforms, &repository).await?
    } else {
        ours(site, package, platforms, &repository).await?
    };
    content::publish(&site.store, &repository, &made.digest)?;
    info!(digest = %made.digest, %described, "built");
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
    platforms: &[ImagePlatform],
    repository: &RepositoryName,
) -> Result<(BuiltImage, Vec<DescribedModule>, Described), BuildError> {
    let mut stacks = Vec::new();
    for &platform in platforms {
        stacks.push(layers::below(site, package, platform, repository).await?);
    }
    let here = |stack: &&Stack| stack.platform == ImagePlatform::here();
    let below = stacks.iter().find(here).unwrap_or(&stacks[0]).clone();
    let question = Question {
        package,
        repository,
        below: &below,
        env: placeholders(site.project.environment()?.shared()),
    };
    let code = read(site, package).await?;
    let source = measure(&code).await?;
    // Git takes as long as the disk does for the layer.
    let packing = layers::code(site, package, &code, repository);
    let (packed, commit, ()) = tokio::join!(
        packing,
        git::commit(&package.root),
        question.prepare(site, &source)
    );
    let packed = packed?;
    if packed.layer.diff_id != source {
        return Err(BuildError::Restless);
    }
    // The packed code is described, even if files are saved meanwhile.
    let layer = packed.layer.clone();
    let making = async {
        for stack in &mut stacks {
            stack.settle(package);
            stack.layers.push(packed.clone());
        }
        BuiltImage::store(site, package, (&code, source, commit), stacks, repository).await
    };
    let (said, made) = tokio::join!(question.answer(site, &layer), making);
    let (functions, described) = said?;
    Ok((made?, functions, described))
}

/// Builds a package's own Dockerfile, and adds the wrapper.
async fn own(
    site: &Site<'_>,
    package: &Package,
    platforms: &[ImagePlatform],
    repository: &RepositoryName,
) -> Result<(BuiltImage, Vec<DescribedModule>, Described), BuildError> {
    let code = read(site, package).await?;
    let env = placeholders(site.project.environment()?.shared());
    let wrapper = layers::wrapper(site, package.language, repository)?;
    let (mut stacks, mut said) = (Vec::new(), (Vec::new(), Described::Image));
    for &platform in platforms {
        let made = dockerfile::build(site, package, &code, platform, repository, &env).await?;
        layers::tell_done(site, package, LayerPart::Base, &made.layers);
        let mut layers = made.layers;
        layers.push(wrapper.clone());
        said = made.said;
        stacks.push(Stack {
            platform,
            layers,
            config: made.config,
            base: "the package's own Dockerfile".to_owned(),
        });
    }
    let source = measure(&code).await?;
    let files = (&code, source, git::commit(&package.root).await);
    let made = BuiltImage::store(site, package, files, stacks, repository).await?;
    let (functions, described) = said;
    Ok((made, functions, described))
}

async fn read(site: &Site<'_>, package: &Package) -> Result<CodeFiles, BuildError> {
    let package = package.clone();
    let code = tokio::task::spawn_blocking(move || CodeFiles::read(&package));
    let code = code.await.map_err(bug)??;
    for warning in &code.warnings {
        site.report(BuildProgress::Warning(warning.clone()));
    }
    Ok(code)
}

/// The digest of some code.
async fn measure(code: &CodeFiles) -> Result<Digest, BuildError> {
    let root = code.root(code::FOLDER);
    let measured = tokio::task::spawn_blocking(move || layer::measure(|out| root.write(out)));
    Ok(measured.await.map_err(bug)??.0)
}

/// An image in the registry, whole, but without a tag.
struct BuiltImage {
    images: Vec<(Stack, Stored)>,
    /// The only image's, or of an index over several.
    digest: Digest,
    source: Digest,
    hash: String,
    commit: Option<GitCommit>,
}

impl BuiltImage {
    async fn store(
        site: &Site<'_>,
        package: &Package,
        (code, source, commit): (&CodeFiles, Digest, Option<GitCommit>),
        stacks: Vec<Stack>,
        repository: &RepositoryName,
    ) -> Result<Self, BuildError> {
        let code = code.clone();
        let hashing = tokio::task::spawn_blocking(move || code.hash());
        let hash = hashing.await.map_err(bug)?.map_err(layer::full)?;
        if let Some(stack) = stacks.first()
            && let Some(warning) = size::warning(&package.name, &stack.layers, site.large)
        {
            site.report(BuildProgress::Warning(warning));
        }
        let labels = labels::image_labels(&site.project.name, &source, commit.as_ref());
        let mut images = Vec::new();
        for stack in stacks {
            let stored = layers::store(site, repository, &stack, &labels)?;
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

fn whole(
    site: &Site<'_>,
    repository: &RepositoryName,
    images: &[(Stack, Stored)],
) -> Result<Digest, BuildError> {
    if let [(_, only)] = images {
        return Ok(only.digest.clone());
    }
    let images: Vec<(ImagePlatform, Stored)> = images
        .iter()
        .map(|(stack, stored)| (stack.platform, stored.clone()))
        .collect();
    Ok(manifest::index(&site.store, repository, &images)?)
}
