//! Layers of an image in a registry somewhere, taken as they are: their digests stay what
//! everybody else knows them by.

use std::io;
use std::time::Duration;

use fnlocal_registry::{Digest, RepositoryName, Store};
use futures_util::TryStreamExt;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::config::ConfigFile;
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{
    IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE, IMAGE_DOCKER_LAYER_TAR_MEDIA_TYPE,
    IMAGE_LAYER_GZIP_MEDIA_TYPE, IMAGE_LAYER_MEDIA_TYPE, OciDescriptor, OciImageManifest,
};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::content;
use super::layer::{self, Layer};
use super::manifest::ImagePlatform;
use crate::ImageError;
use fnlocal_engine::OnProgress;
use fnlocal_engine::tarball::TarTally;

/// For a registry to answer at all: a machine without a network should know soon.
const HELLO: Duration = Duration::from_secs(5);
/// Between two pieces of a blob.
const SILENCE: Duration = Duration::from_secs(30);

/// An image that was pulled.
pub(crate) struct Pulled {
    /// Its manifest's digest, for its platform.
    pub digest: String,
    /// Its configuration as it was sent, which makes up its id.
    pub config: ConfigFile,
    pub config_digest: Digest,
    pub layers: Vec<Layer>,
}

/// Why an image cannot be pulled: the registry's fault, or ours.
pub(crate) enum PullError {
    /// The content is unavailable here; another source may have it.
    Unavailable(String),
    /// The content cannot be stored.
    Ours(ImageError),
}

impl From<ImageError> for PullError {
    fn from(error: ImageError) -> Self {
        Self::Ours(error)
    }
}

impl From<OciDistributionError> for PullError {
    fn from(error: OciDistributionError) -> Self {
        // The innermost says what happened; those around it repeat the address.
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        Self::Unavailable(cause.to_string())
    }
}

/// Pulls an image for a platform into the store.
pub(crate) async fn pull(
    image: &str,
    platform: ImagePlatform,
    store: &Store,
    repository: &RepositoryName,
    progress: OnProgress<'_>,
) -> Result<Pulled, PullError> {
    let reference: Reference = image
        .parse()
        .map_err(|error| PullError::Unavailable(format!("{error}")))?;
    let client = client(&reference, platform);
    let auth = credentials(&reference).await;
    let asked = client.pull_manifest_and_config(&reference, &auth);
    let (manifest, digest, config) = tokio::time::timeout(SILENCE, asked)
        .await
        .map_err(|_| PullError::Unavailable("the registry does not answer".to_owned()))??;
    let parsed: ConfigFile =
        serde_json::from_str(&config).map_err(|error| PullError::Unavailable(error.to_string()))?;
    let layers = layers(
        &client,
        &reference,
        (&manifest, &parsed),
        store,
        repository,
        progress,
    );
    let layers = layers.await?;
    let config_digest = keep(store, repository, config.into_bytes()).await?;
    Ok(Pulled {
        digest,
        config: parsed,
        config_digest,
        layers,
    })
}

fn client(reference: &Reference, platform: ImagePlatform) -> Client {
    let registry = reference.resolve_registry();
    let host = registry.split(':').next().unwrap_or(registry);
    let protocol = if matches!(host, "localhost" | "127.0.0.1") {
        ClientProtocol::HttpsExcept(vec![registry.to_owned()])
    } else {
        ClientProtocol::Https
    };
    Client::new(ClientConfig {
        protocol,
        platform_resolver: Some(Box::new(move |entries| {
            let fits = |entry: &&oci_client::manifest::ImageIndexEntry| {
                entry.platform.as_ref().is_some_and(|of| platform.is(of))
            };
            entries.iter().find(fits).map(|entry| entry.digest.clone())
        })),
        connect_timeout: Some(HELLO),
        read_timeout: Some(SILENCE),
        ..ClientConfig::default()
    })
}

/// Returns the credentials that `docker login` left, if any.
async fn credentials(reference: &Reference) -> RegistryAuth {
    let registry = match reference.resolve_registry() {
        "index.docker.io" | "docker.io" => "https://index.docker.io/v1/".to_owned(),
        other => other.to_owned(),
    };
    // A helper is a program, and may take its time.
    let found = tokio::task::spawn_blocking(move || docker_credential::get_credential(&registry));
    match found.await {
        Ok(Ok(docker_credential::DockerCredential::UsernamePassword(user, password))) => {
            RegistryAuth::Basic(user, password)
        }
        _ => RegistryAuth::Anonymous,
    }
}

async fn layers(
    client: &Client,
    reference: &Reference,
    (manifest, config): (&OciImageManifest, &ConfigFile),
    store: &Store,
    repository: &RepositoryName,
    progress: OnProgress<'_>,
) -> Result<Vec<Layer>, PullError> {
    let count = manifest.layers.len();
    if config.rootfs.diff_ids.len() != count {
        let why = "its manifest and configuration disagree about layers";
        return Err(PullError::Unavailable(why.to_owned()));
    }
    let mut layers = Vec::new();
    for (at, (descriptor, diff_id)) in manifest
        .layers
        .iter()
        .zip(&config.rootfs.diff_ids)
        .enumerate()
    {
        let bad = |error| PullError::Unavailable(format!("{error}"));
        let layer = Layer {
            digest: descriptor.digest.parse().map_err(bad)?,
            size: u64::try_from(descriptor.size).unwrap_or(0),
            media_type: oci_name(&descriptor.media_type)?.to_owned(),
            diff_id: diff_id.parse().map_err(bad)?,
            tally: TarTally::default(),
        };
        if !store.has_blob(repository, &layer.digest) {
            progress(format!("pulling {reference}: layer {} of {count}", at + 1));
            fetch(
                client,
                reference,
                descriptor,
                &layer.digest,
                store,
                repository,
            )
            .await?;
        }
        layers.push(layer);
    }
    Ok(layers)
}

async fn fetch(
    client: &Client,
    reference: &Reference,
    descriptor: &OciDescriptor,
    digest: &Digest,
    store: &Store,
    repository: &RepositoryName,
) -> Result<(), PullError> {
    let stream = client.pull_blob_stream(reference, descriptor).await?.stream;
    let mut reader = SyncIoBridge::new(StreamReader::new(stream.map_err(io::Error::other)));
    let (store, repository, digest) = (store.clone(), repository.clone(), digest.clone());
    let kept = tokio::task::spawn_blocking(move || {
        let mut writer = store.writer().map_err(ImageError::from)?;
        // The failing side of the copy does not show: a broken pull is the likelier.
        io::copy(&mut reader, &mut writer)
            .map_err(|error| PullError::Unavailable(error.to_string()))?;
        writer
            .commit(&repository, Some(&digest))
            .map_err(ImageError::from)?;
        Ok(())
    });
    kept.await
        .map_err(|error| PullError::Unavailable(error.to_string()))?
}

async fn keep(
    store: &Store,
    repository: &RepositoryName,
    bytes: Vec<u8>,
) -> Result<Digest, ImageError> {
    let (store, repository) = (store.clone(), repository.clone());
    let kept = tokio::task::spawn_blocking(move || content::keep(&store, &repository, &bytes));
    let blob = kept
        .await
        .map_err(|error| layer::full(io::Error::other(error)))??;
    Ok(blob.digest)
}

/// The media type of a layer as the specification spells it; the bytes are the same.
fn oci_name(media_type: &str) -> Result<&str, PullError> {
    match media_type {
        IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE => Ok(IMAGE_LAYER_GZIP_MEDIA_TYPE),
        IMAGE_DOCKER_LAYER_TAR_MEDIA_TYPE => Ok(IMAGE_LAYER_MEDIA_TYPE),
        other if other.starts_with("application/vnd.oci.image.layer.v1.tar") => Ok(other),
        other => Err(PullError::Unavailable(format!(
            "its layers are of the kind {other}"
        ))),
    }
}
