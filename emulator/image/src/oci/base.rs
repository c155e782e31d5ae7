//! The base as layers in the store: pulled as it is, taken from the engine, or made from this
//! machine's interpreter. Found once, then known by a record.

use std::path::Path;

use bollard::Docker;
use fnlocal_registry::{Digest, RepositoryName, Store};
use oci_client::config::{Config, ConfigFile};
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciImageManifest};
use serde::{Deserialize, Serialize};

use super::content;
use super::layer::{self, Layer};
use super::load::{Loading, load};
use super::manifest::{self, ImagePlatform, PlatformImage};
use super::remote::{PullError, pull};
use super::saved;
use crate::ImageError;
use crate::base::inspect;
use crate::host::{HostInterpreter, KEY, RECIPE};
use fnlocal_engine::OnProgress;
use fnlocal_engine::identity::{local_image, short_hash};
use fnlocal_language::Language;

/// Where bases are in the store.
const REPOSITORY: &str = "fnlocal/base";

/// A base in the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredBase {
    /// The requested reference.
    pub reference: String,
    /// The chosen source and the reason, for people.
    pub origin: String,
    /// The id by which engines know the base.
    pub id: String,
    /// Its layers, from the bottom up.
    pub layers: Vec<Layer>,
    /// Its environment.
    pub env: Vec<String>,
    manifest: Digest,
    /// The key of this machine's interpreter that it was made from ([`HostInterpreter::key`]).
    host: Option<String>,
}

/// Where a base may come from.
pub struct BaseSources<'a> {
    pub store: &'a Store,
    pub language: &'static dyn Language,
    /// The base the person asked for.
    pub wanted: Option<&'a str>,
    pub platform: ImagePlatform,
    /// The engine, or why there is none.
    pub engine: Result<&'a Docker, String>,
    /// The host's interpreter; looked up in `PATH` when none.
    pub interpreter: Option<&'a Path>,
}

impl StoredBase {
    /// Its repository in the store.
    pub(crate) fn repository() -> RepositoryName {
        REPOSITORY.parse().expect("it is a name")
    }

    /// Returns whether the same would be made anew: all its layers are here, and if it was made from
    /// this machine's interpreter, that is the interpreter of now. Without one, nothing else could
    /// be made.
    pub(crate) async fn holds(&self, store: &Store, language: &'static dyn Language) -> bool {
        let repository = Self::repository();
        let mut layers = self.layers.iter();
        if !layers.all(|layer| store.has_blob(&repository, &layer.digest)) {
            return false;
        }
        match &self.host {
            None => true,
            Some(made_from) => {
                let host = HostInterpreter::find(language, None).await;
                host.map_or(true, |host| host.key() == made_from)
            }
        }
    }

    /// The manifest that holds its layers together.
    pub(crate) fn manifest(&self) -> &Digest {
        &self.manifest
    }

    /// Puts it into another store.
    pub(crate) fn copy(&self, from: &Store, to: &Store) -> Result<(), ImageError> {
        if from.root() == to.root() {
            return Ok(());
        }
        let repository = Self::repository();
        let manifest = content::manifest(from, &repository, &self.manifest)?;
        let parsed: OciImageManifest =
            serde_json::from_slice(&manifest).map_err(|error| layer::full(error.into()))?;
        for blob in parsed.layers.iter().chain([&parsed.config]) {
            let blob = content::parse(&blob.digest)?;
            if to.has_blob(&repository, &blob) {
                continue;
            }
            let (mut file, _) = content::open(from, &repository, &blob)?;
            let mut writer = to.writer()?;
            std::io::copy(&mut file, &mut writer).map_err(layer::full)?;
            writer.commit(&repository, Some(&blob))?;
        }
        content::put(to, &repository, &manifest, OCI_IMAGE_MEDIA_TYPE)?;
        Ok(())
    }

    /// Sees to it that the engine has it, and returns the engine's name of it.
    pub async fn in_engine(&self, docker: &Docker, store: &Store) -> Result<String, ImageError> {
        if inspect(docker, &self.id).await?.is_some() {
            return Ok(self.id.clone());
        }
        let hex = self.id.trim_start_matches("sha256:");
        let tag: String = hex.chars().take(12).collect();
        let loading = Loading {
            repository: Self::repository(),
            manifest: self.manifest.clone(),
            name: local_image(&format!("base:{tag}")),
        };
        load(docker, store, &loading).await
    }
}

/// Returns the name of the requested base, or the language's.
fn wanted<'a>(asked: Option<&'a str>, language: &dyn Language) -> &'a str {
    asked.unwrap_or(language.base_image())
}

/// A key for records: the same as long as the same would be made anew.
pub(crate) fn key(language: &dyn Language, asked: Option<&str>, platform: ImagePlatform) -> String {
    let platform = platform.to_string();
    let parts = [wanted(asked, language), &platform, RECIPE];
    short_hash(&parts.map(str::as_bytes))
}

/// Finds a base: in its own registry, else in the engine, else on this machine.
pub async fn find(
    sources: &BaseSources<'_>,
    progress: OnProgress<'_>,
) -> Result<StoredBase, ImageError> {
    let reference = wanted(sources.wanted, sources.language);
    progress(format!("looking for the base image {reference}"));
    let not_pulled = match from_registry(sources, progress).await {
        Ok(base) => return Ok(base),
        Err(PullError::Ours(error)) => return Err(error),
        Err(PullError::Unavailable(why)) => why,
    };
    let not_taken = match &sources.engine {
        Ok(docker) => match from_engine(sources, docker, &not_pulled, progress).await? {
            Some(base) => return Ok(base),
            None => format!("the engine does not have it for {}", sources.platform),
        },
        Err(why) => why.clone(),
    };
    let failed = |host: String| ImageError::NoBase {
        image: reference.to_owned(),
        pull: format!("{not_pulled}; {not_taken}"),
        host,
    };
    if sources.wanted.is_some() {
        return Err(failed("another base was asked for".to_owned()));
    }
    if sources.platform != ImagePlatform::here() {
        let why = format!("it runs on {}", ImagePlatform::here());
        return Err(failed(why));
    }
    let host = HostInterpreter::find(sources.language, sources.interpreter)
        .await
        .map_err(&failed)?;
    let why = format!("{reference} cannot be pulled ({not_pulled}); {not_taken}");
    from_host(sources, &host, &why).await
}

async fn from_registry(
    sources: &BaseSources<'_>,
    progress: OnProgress<'_>,
) -> Result<StoredBase, PullError> {
    let (store, repository) = (sources.store, StoredBase::repository());
    let reference = wanted(sources.wanted, sources.language);
    let pulled = pull(reference, sources.platform, store, &repository, progress).await?;
    let manifest =
        manifest::store_manifest(store, &repository, &pulled.config_digest, &pulled.layers)?;
    Ok(StoredBase {
        reference: reference.to_owned(),
        origin: format!("{reference} from its registry ({})", pulled.digest),
        id: pulled.config_digest.to_string(),
        layers: pulled.layers,
        env: env_of(&pulled.config),
        manifest: manifest.digest,
        host: None,
    })
}

fn env_of(config: &ConfigFile) -> Vec<String> {
    let env = config.config.as_ref().and_then(|config| config.env.clone());
    env.unwrap_or_default()
}

async fn from_engine(
    sources: &BaseSources<'_>,
    docker: &Docker,
    not_pulled: &str,
    progress: OnProgress<'_>,
) -> Result<Option<StoredBase>, ImageError> {
    let reference = wanted(sources.wanted, sources.language);
    let found = inspect(docker, reference).await?;
    let fits = |found: &bollard::models::ImageInspect| {
        found.architecture.as_deref() == Some(sources.platform.architecture())
    };
    let Some(found) = found.filter(fits) else {
        return Ok(None);
    };
    progress(format!("taking {reference} from the engine"));
    let repository = StoredBase::repository();
    let layers = saved::layers(docker, &found, sources.store, &repository).await?;
    let env = found.config.as_ref().and_then(|config| config.env.clone());
    let env = env.unwrap_or_default();
    let stored = plain(sources, &layers, env.clone(), None)?;
    Ok(Some(StoredBase {
        reference: reference.to_owned(),
        origin: format!("{reference} from the engine, for it cannot be pulled: {not_pulled}"),
        id: found.id.unwrap_or_default(),
        layers,
        env,
        manifest: stored.digest,
        host: None,
    }))
}

async fn from_host(
    sources: &BaseSources<'_>,
    host: &HostInterpreter,
    why: &str,
) -> Result<StoredBase, ImageError> {
    let root = host.root().await.map_err(|host| ImageError::NoBase {
        image: wanted(sources.wanted, sources.language).to_owned(),
        pull: why.to_owned(),
        host,
    })?;
    let store = sources.store.clone();
    let packed = tokio::task::spawn_blocking(move || {
        layer::pack(&store, &StoredBase::repository(), |out| root.write(out))
    });
    let layer = packed
        .await
        .map_err(|error| layer::full(std::io::Error::other(error)))??;
    let layers = vec![layer];
    let env = vec![crate::host::PATH.to_owned()];
    let stored = plain(sources, &layers, env.clone(), Some(host.key()))?;
    Ok(StoredBase {
        reference: wanted(sources.wanted, sources.language).to_owned(),
        origin: format!("{}, for {why}", host.origin()),
        id: stored.config.to_string(),
        layers,
        env,
        manifest: stored.digest,
        host: Some(host.key().to_owned()),
    })
}

/// The base as an image of its own, so that an engine can be given it, and so that nothing of it
/// is collected.
fn plain(
    sources: &BaseSources<'_>,
    layers: &[Layer],
    env: Vec<String>,
    key: Option<&str>,
) -> Result<manifest::Stored, ImageError> {
    let named: Vec<_> = layers
        .iter()
        .map(|layer| ("base".to_owned(), layer.clone()))
        .collect();
    let label = key.map(|key| (KEY.to_owned(), key.to_owned()));
    let image = PlatformImage {
        platform: sources.platform,
        layers: &named,
        config: Config {
            env: Some(env),
            cmd: Some(vec![sources.language.program().to_owned()]),
            labels: Some(label.into_iter().collect()),
            ..Config::default()
        },
    };
    image.store(sources.store, &StoredBase::repository())
}
