//! One package's image: its layers, what they say of themselves, and its tags.

use std::collections::BTreeMap;

use bollard::query_parameters::RemoveImageOptions;
use fnlocal_registry::{Digest, RepositoryName};
use oci_client::config::Config;

use super::code::{self, Code};
use super::describe::{self, Question};
use super::error::{BuildError, bug};
use super::git::{self, Commit};
use super::report::{Built, BuiltLayer, BuiltPlatform, News, Part};
use super::{Site, bases, container, deps, dockerfile, labels, size};
use crate::image::oci::base::Base;
use crate::image::oci::content::{self, Named};
use crate::image::oci::layer::{self, Layer};
use crate::image::oci::load::{Loading, load};
use crate::image::oci::manifest::{self, Image, Platform, Stored, entrypoint};
use crate::image::{Root, short_hash, wrapper};
use crate::project::{DescribedModule, Package};

/// Who the functions run as: the `node` of Node's own images, and never root.
const USER: &str = "1000:1000";

/// How often a package that is saved while it is built is built anew.
const TRIES: usize = 3;
/// What records of descriptions are called.
const KIND: &str = "functions";

/// What of an image stands before it is known what it exports.
struct Stack {
    platform: Platform,
    layers: Vec<BuiltLayer>,
    config: Config,
    base: String,
}

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
    let reading = package.clone();
    let code = tokio::task::spawn_blocking(move || Code::read(&reading));
    let code = code.await.map_err(bug)??;
    for warning in &code.warnings {
        site.tell(News::Warning(warning.clone()));
    }
    let (stacks, source, functions, commit) = if dockerfile::of(package).is_some() {
        own(site, package, &code, platforms, &repository).await?
    } else {
        ours(site, package, &code, platforms, &repository).await?
    };
    let hashing = code.clone();
    let hash = tokio::task::spawn_blocking(move || hashing.hash());
    let hash = hash.await.map_err(bug)?.map_err(layer::full)?;
    if let Some(stack) = stacks.first()
        && let Some(warning) = size::warning(&package.name, &stack.layers, site.large)
    {
        site.tell(News::Warning(warning));
    }
    let labels = labels::of(&site.project.name, &source, &functions, commit.as_ref());
    let mut built = Vec::new();
    let named = match stacks.as_slice() {
        [_] => Named::Tagged,
        _ => Named::ByDigest,
    };
    for stack in stacks {
        let stored = store(site, &repository, &stack, &labels, named)?;
        built.push((stack, stored));
    }
    let digest = whole(site, &repository, &built)?;
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
        tag: content::tag(&digest),
        digest,
        platforms: built.into_iter().map(platform).collect(),
        functions,
        source,
        code: hash.to_string(),
        commit,
    })
}

type Layers = (Vec<Stack>, Digest, Vec<DescribedModule>, Option<Commit>);

/// Base, dependencies, wrapper and code.
async fn ours(
    site: &Site<'_>,
    package: &Package,
    code: &Code,
    platforms: &[Platform],
    repository: &RepositoryName,
) -> Result<Layers, BuildError> {
    let mut stacks = Vec::new();
    for &platform in platforms {
        stacks.push(below(site, package, platform, repository).await?);
    }
    let deps = stacks[0].layers.iter().find(|one| one.part == Part::Deps);
    let deps = deps.map(|one| one.layer.clone());
    let environment = site.project.environment()?;
    let question = Question {
        package,
        code,
        deps: deps.as_ref(),
        store: &site.store,
        repository,
        records: &site.records,
        env: environment.shared(),
        node: None,
    };
    let source = measure(code).await?;
    let key = question.key(&source);
    let known = site.records.get::<Vec<DescribedModule>>(KIND, &key);
    let asked = async {
        match &known {
            Some(known) => Some(known.clone()),
            None => describe::on_host(&question).await,
        }
    };
    // Node takes the longest, so that it goes first and all else happens beside it.
    let (described, packed, commit, wrapper) = tokio::join!(
        asked,
        code_layer(site, package, code, repository),
        git::commit(&package.root),
        async { wrapper_layer(site, repository) },
    );
    let (packed, wrapper) = (packed?, wrapper?);
    // Saved meanwhile: what was described may not be what was packed.
    if packed.layer.diff_id != source {
        return Err(BuildError::Restless);
    }
    for stack in &mut stacks {
        stack.layers.extend([wrapper.clone(), packed.clone()]);
    }
    let functions = match described {
        Some(functions) => functions,
        None => in_container(site, package, &stacks, repository, &question).await?,
    };
    if known.is_none() {
        site.records.put(KIND, &key, &functions);
    }
    Ok((stacks, source, functions, commit))
}

/// What a package's own Dockerfile makes, and the wrapper.
async fn own(
    site: &Site<'_>,
    package: &Package,
    code: &Code,
    platforms: &[Platform],
    repository: &RepositoryName,
) -> Result<Layers, BuildError> {
    let environment = site.project.environment()?;
    let wrapper = wrapper_layer(site, repository)?;
    let (mut stacks, mut functions) = (Vec::new(), Vec::new());
    for &platform in platforms {
        let env = environment.shared();
        let made = dockerfile::build(site, package, code, platform, repository, env).await?;
        tell_done(site, package, Part::Base, &made.layers);
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
    let source = measure(code).await?;
    let commit = git::commit(&package.root).await;
    Ok((stacks, source, functions, commit))
}

/// The digest of some code.
async fn measure(code: &Code) -> Result<Digest, BuildError> {
    let root = code.root(code::FOLDER);
    let measured = tokio::task::spawn_blocking(move || layer::measure(|out| root.write(out)));
    Ok(measured.await.map_err(bug)??.0)
}

/// Base and dependencies.
async fn below(
    site: &Site<'_>,
    package: &Package,
    platform: Platform,
    repository: &RepositoryName,
) -> Result<Stack, BuildError> {
    site.tell(News::Began {
        package: package.name.clone(),
        part: Part::Base,
    });
    let (base, cached) = bases::get(site, platform).await?;
    let mut layers = Vec::new();
    for layer in &base.layers {
        if !site.has(layer, &Base::repository(), repository)? {
            return Err(bug("a base's layer went away"));
        }
        layers.push(BuiltLayer {
            part: Part::Base,
            layer: layer.clone(),
            cached,
        });
    }
    tell_done(site, package, Part::Base, &layers);
    if let Some((layer, cached)) = deps::layer(site, package, &base, platform, repository).await? {
        let built = BuiltLayer {
            part: Part::Deps,
            layer,
            cached,
        };
        tell_done(site, package, Part::Deps, std::slice::from_ref(&built));
        layers.push(built);
    }
    Ok(Stack {
        platform,
        layers,
        config: config(package, base.env),
        base: base.origin,
    })
}

/// How an image of ours runs: alone with `PORT`, or as an instance of the platform.
fn config(package: &Package, mut env: Vec<String>) -> Config {
    let settings = describe::settings(package, std::path::Path::new(code::FOLDER));
    env.extend(settings.iter().map(|(key, value)| format!("{key}={value}")));
    Config {
        user: Some(USER.to_owned()),
        env: Some(env),
        entrypoint: Some(entrypoint()),
        working_dir: Some(code::FOLDER.to_owned()),
        ..Config::default()
    }
}

fn wrapper_layer(site: &Site<'_>, repository: &RepositoryName) -> Result<BuiltLayer, BuildError> {
    let key = short_hash(&[wrapper::RUNNER]);
    let known = site.records.get::<(RepositoryName, Layer)>("wrapper", &key);
    if let Some((from, layer)) = known
        && site.has(&layer, &from, repository)?
    {
        return Ok(BuiltLayer {
            part: Part::Wrapper,
            layer,
            cached: true,
        });
    }
    let mut root = Root::default();
    root.text(wrapper::PATH, wrapper::RUNNER, 0o755);
    let layer = layer::pack(&site.store, repository, |out| root.write(out))?;
    site.records.put("wrapper", &key, &(repository, &layer));
    Ok(BuiltLayer {
        part: Part::Wrapper,
        layer,
        cached: false,
    })
}

async fn code_layer(
    site: &Site<'_>,
    package: &Package,
    code: &Code,
    repository: &RepositoryName,
) -> Result<BuiltLayer, BuildError> {
    site.tell(News::Began {
        package: package.name.clone(),
        part: Part::Code,
    });
    let (code, store) = (code.clone(), site.store.clone());
    let (repository, records) = (repository.clone(), site.records.clone());
    let packed =
        tokio::task::spawn_blocking(move || code::layer(&code, &store, &repository, &records));
    let (layer, cached) = packed.await.map_err(bug)??;
    let built = BuiltLayer {
        part: Part::Code,
        layer,
        cached,
    };
    tell_done(site, package, Part::Code, std::slice::from_ref(&built));
    Ok(built)
}

/// What the image itself says of its functions, when node on this machine could not.
async fn in_container(
    site: &Site<'_>,
    package: &Package,
    stacks: &[Stack],
    repository: &RepositoryName,
    question: &Question<'_>,
) -> Result<Vec<DescribedModule>, BuildError> {
    let stack = stacks
        .iter()
        .find(|stack| stack.platform == Platform::here())
        .unwrap_or(&stacks[0]);
    let what = format!("asking {} for its functions", package.name);
    let engine = site.engine(&what).await?;
    let stored = store(site, repository, stack, &BTreeMap::new(), Named::ByDigest)?;
    let loading = Loading {
        repository: repository.clone(),
        manifest: stored.digest,
        name: site.engine_name(repository, "describe"),
    };
    load(&engine.docker, &site.store, &loading).await?;
    let described = container::describe(site, engine, package, &loading.name, question.env).await;
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
    named: Named,
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
    Ok(image.store(&site.store, repository, named)?)
}

/// The digest of what was built: the only image's, or of an index over several.
fn whole(
    site: &Site<'_>,
    repository: &RepositoryName,
    built: &[(Stack, Stored)],
) -> Result<Digest, BuildError> {
    if let [(_, only)] = built {
        return Ok(only.digest.clone());
    }
    let images: Vec<(Platform, Stored)> = built
        .iter()
        .map(|(stack, stored)| (stack.platform, stored.clone()))
        .collect();
    Ok(manifest::index(&site.store, repository, &images)?)
}

fn tell_done(site: &Site<'_>, package: &Package, part: Part, layers: &[BuiltLayer]) {
    site.tell(News::Done {
        package: package.name.clone(),
        part,
        size: layers.iter().map(|built| built.layer.size).sum(),
        cached: layers.iter().all(|built| built.cached),
    });
}
