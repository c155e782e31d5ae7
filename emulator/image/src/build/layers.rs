//! The parts of an image: base, dependencies, wrapper and code.

use std::collections::BTreeMap;

use fnlocal_registry::RepositoryName;
use oci_client::config::Config;

use super::code::{self, CodeFiles};
use super::error::{BuildError, bug};
use super::report::{BuildProgress, BuiltLayer, LayerPart};
use super::{Site, bases, deps, describe};
use crate::Root;
use crate::oci::base::StoredBase;
use crate::oci::layer::{self, Layer};
use crate::oci::manifest::{ImagePlatform, PlatformImage, Stored};
use fnlocal_engine::identity::short_hash;
use fnlocal_language::Language;
use fnlocal_project::Package;

/// The user of functions: the first of the base's own, and never root.
const USER: &str = "1000:1000";

/// The parts of an image.
#[derive(Clone)]
pub(super) struct Stack {
    pub platform: ImagePlatform,
    pub layers: Vec<BuiltLayer>,
    pub config: Config,
    pub base: String,
}

impl Stack {
    /// Returns whether dependencies are among its layers.
    pub fn has_deps(&self) -> bool {
        self.layers
            .iter()
            .any(|built| built.part == LayerPart::Deps)
    }

    /// Adds the settings that an image of ours gets for its package.
    pub fn settle(&mut self, package: &Package) {
        let settings = describe::settings(package, std::path::Path::new(code::FOLDER));
        let settings = settings.iter().map(|(key, value)| format!("{key}={value}"));
        self.config.env.get_or_insert_default().extend(settings);
    }
}

/// Base, dependencies and wrapper.
pub(super) async fn below(
    site: &Site<'_>,
    package: &Package,
    platform: ImagePlatform,
    repository: &RepositoryName,
) -> Result<Stack, BuildError> {
    site.report(BuildProgress::Began {
        package: package.name.clone(),
        part: LayerPart::Base,
    });
    let (base, cached) = bases::get(site, package.language, platform).await?;
    let mut layers = Vec::new();
    for layer in &base.layers {
        if !site.has(layer, &StoredBase::repository(), repository)? {
            return Err(bug("a base's layer went away"));
        }
        layers.push(BuiltLayer {
            part: LayerPart::Base,
            layer: layer.clone(),
            cached,
        });
    }
    tell_done(site, package, LayerPart::Base, &layers);
    if let Some((layer, cached)) = deps::layer(site, package, &base, platform, repository).await? {
        let built = BuiltLayer {
            part: LayerPart::Deps,
            layer,
            cached,
        };
        tell_done(site, package, LayerPart::Deps, std::slice::from_ref(&built));
        layers.push(built);
    }
    layers.push(wrapper(site, package.language, repository)?);
    Ok(Stack {
        platform,
        layers,
        config: config(package.language, base.env),
        base: base.origin,
    })
}

/// How an image of ours runs: alone with `PORT`, or as an instance of the platform.
fn config(language: &dyn Language, env: Vec<String>) -> Config {
    Config {
        user: Some(USER.to_owned()),
        env: Some(env),
        entrypoint: Some(language.entrypoint()),
        working_dir: Some(code::FOLDER.to_owned()),
        ..Config::default()
    }
}

pub fn wrapper(
    site: &Site<'_>,
    language: &dyn Language,
    repository: &RepositoryName,
) -> Result<BuiltLayer, BuildError> {
    let wrapper = language.wrapper();
    let key = short_hash(&[wrapper.bytes]);
    let known = site.records.get::<(RepositoryName, Layer)>("wrapper", &key);
    if let Some((from, layer)) = known
        && site.has(&layer, &from, repository)?
    {
        return Ok(BuiltLayer {
            part: LayerPart::Wrapper,
            layer,
            cached: true,
        });
    }
    let mut root = Root::default();
    root.text(wrapper.path, wrapper.bytes, 0o755);
    let layer = layer::pack(&site.store, repository, |out| root.write(out))?;
    site.records.put("wrapper", &key, &(repository, &layer));
    Ok(BuiltLayer {
        part: LayerPart::Wrapper,
        layer,
        cached: false,
    })
}

pub(super) async fn code(
    site: &Site<'_>,
    package: &Package,
    files: &CodeFiles,
    repository: &RepositoryName,
) -> Result<BuiltLayer, BuildError> {
    site.report(BuildProgress::Began {
        package: package.name.clone(),
        part: LayerPart::Code,
    });
    let (files, store) = (files.clone(), site.store.clone());
    let (repository, records) = (repository.clone(), site.records.clone());
    let packed =
        tokio::task::spawn_blocking(move || code::layer(&files, &store, &repository, &records));
    let (layer, cached) = packed.await.map_err(bug)??;
    let built = BuiltLayer {
        part: LayerPart::Code,
        layer,
        cached,
    };
    tell_done(site, package, LayerPart::Code, std::slice::from_ref(&built));
    Ok(built)
}

/// Stores a stack as an image with some labels.
pub(super) fn store(
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
    let image = PlatformImage {
        platform: stack.platform,
        layers: &layers,
        config,
    };
    Ok(image.store(&site.store, repository)?)
}

pub(super) fn tell_done(
    site: &Site<'_>,
    package: &Package,
    part: LayerPart,
    layers: &[BuiltLayer],
) {
    site.report(BuildProgress::Done {
        package: package.name.clone(),
        part,
        size: layers.iter().map(|built| built.layer.size).sum(),
        cached: layers.iter().all(|built| built.cached),
    });
}
