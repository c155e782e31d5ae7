//! An image of the store given to an engine, without a registry between them.
//!
//! The archive is both what older engines and what the OCI layout ask for, so that the image keeps
//! its digests: an engine's id of it is its configuration's digest, or its manifest's where the
//! engine keeps images as containerd does.

use std::io::{self, Write};

use bollard::Docker;
use bollard::query_parameters::ImportImageOptions;
use fnlocal_registry::{Digest, RepositoryName, Store};
use futures_util::StreamExt;
use oci_client::manifest::{OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciImageManifest};
use serde_json::json;

use fnlocal_engine::sending;
use fnlocal_engine::tarball::Tarball;

use super::{content, layer, saved};
use crate::ImageError;
use crate::base::inspect;
use crate::error::engine;

/// An image to load.
#[derive(Clone, Debug)]
pub struct Loading {
    /// Its repository in the store.
    pub repository: RepositoryName,
    /// Its manifest: of one platform, not an index.
    pub manifest: Digest,
    /// The image's name in the engine: `host/name:tag`.
    pub name: String,
}

/// Gives an image to the engine, without the layers it is known to have, and returns the engine's
/// id of it.
///
/// # Errors
/// [`ImageError`] when the store lacks part of it or the engine does not take it.
pub async fn load(docker: &Docker, store: &Store, image: &Loading) -> Result<String, ImageError> {
    let parts = ImageParts::read(store, image)?;
    let known = present(docker, &image.name, &parts).await?;
    let first = send(docker, store, image, &parts, known).await;
    let loaded = match first {
        Err(ImageError::Engine { .. }) if known > 0 => send(docker, store, image, &parts, 0).await,
        other => other,
    };
    loaded?;
    let found = inspect(docker, &image.name).await?;
    let id = found.and_then(|found| found.id).unwrap_or_default();
    if id == parts.manifest.config.digest || id == image.manifest.to_string() {
        return Ok(id);
    }
    let why = format!("the engine's {} is {id}, not what was loaded", image.name);
    Err(layer::full(io::Error::other(why)))
}

struct ImageParts {
    manifest: OciImageManifest,
    manifest_bytes: Vec<u8>,
    config: Vec<u8>,
    diff_ids: Vec<Digest>,
}

impl ImageParts {
    fn read(store: &Store, image: &Loading) -> Result<Self, ImageError> {
        let Loading {
            repository,
            manifest: digest,
            ..
        } = image;
        let manifest_bytes = content::manifest(store, repository, digest)?;
        let bad = |error: serde_json::Error| layer::full(error.into());
        let manifest: OciImageManifest = serde_json::from_slice(&manifest_bytes).map_err(bad)?;
        let config = content::bytes(store, repository, &content::parse(&manifest.config.digest)?)?;
        let parsed: oci_client::config::ConfigFile =
            serde_json::from_slice(&config).map_err(bad)?;
        let diff_ids: Result<_, _> = parsed
            .rootfs
            .diff_ids
            .iter()
            .map(|id| content::parse(id))
            .collect();
        Ok(Self {
            manifest,
            manifest_bytes,
            config,
            diff_ids: diff_ids?,
        })
    }
}

/// How many layers, from the bottom, the engine has by an image it calls the same.
async fn present(docker: &Docker, name: &str, parts: &ImageParts) -> Result<usize, ImageError> {
    let Some(before) = inspect(docker, name).await? else {
        return Ok(0);
    };
    let before = saved::diff_ids(&before)?;
    let same = |(a, b): &(&Digest, &Digest)| a == b;
    Ok(before.iter().zip(&parts.diff_ids).take_while(same).count())
}

async fn send(
    docker: &Docker,
    store: &Store,
    image: &Loading,
    parts: &ImageParts,
    known: usize,
) -> Result<(), ImageError> {
    let documents = documents(image, parts);
    let layers: Result<Vec<Digest>, _> = parts.manifest.layers[known..]
        .iter()
        .map(|layer| content::parse(&layer.digest))
        .collect();
    let (layers, store, repository) = (layers?, store.clone(), image.repository.clone());
    let (pieces, writing) =
        sending::pieces(move |out| archive(out, &documents, &layers, &store, &repository));
    let body = bollard::body_try_stream(pieces);
    let options = ImportImageOptions {
        quiet: true,
        ..ImportImageOptions::default()
    };
    let mut answers = docker.import_image(options, body, None);
    while let Some(answer) = answers.next().await {
        answer.map_err(engine("loading an image"))?;
    }
    writing
        .await
        .map_err(|error| layer::full(io::Error::other(error)))?
}

/// Small files of the archive, by name.
fn documents(image: &Loading, parts: &ImageParts) -> Vec<(String, Vec<u8>)> {
    let blob = |digest: &str| format!("blobs/{}", digest.replace(':', "/"));
    let manifest = &parts.manifest;
    let layers: Vec<String> = manifest
        .layers
        .iter()
        .map(|layer| blob(&layer.digest))
        .collect();
    let listed = json!([{
        "Config": blob(&manifest.config.digest),
        "RepoTags": [image.name],
        "Layers": layers,
    }]);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": OCI_IMAGE_INDEX_MEDIA_TYPE,
        "manifests": [{
            "mediaType": OCI_IMAGE_MEDIA_TYPE,
            "digest": image.manifest.to_string(),
            "size": parts.manifest_bytes.len(),
            "annotations": {
                "io.containerd.image.name": image.name,
                "org.opencontainers.image.ref.name": image.name.rsplit(':').next(),
            },
        }],
    });
    vec![
        (
            "oci-layout".to_owned(),
            br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
        ),
        ("index.json".to_owned(), index.to_string().into_bytes()),
        ("manifest.json".to_owned(), listed.to_string().into_bytes()),
        (
            blob(&image.manifest.to_string()),
            parts.manifest_bytes.clone(),
        ),
        (blob(&manifest.config.digest), parts.config.clone()),
    ]
}

fn archive(
    out: impl Write,
    documents: &[(String, Vec<u8>)],
    layers: &[Digest],
    store: &Store,
    repository: &RepositoryName,
) -> Result<(), ImageError> {
    let mut tar = Tarball::new(out);
    for (path, bytes) in documents {
        let written = tar.file(path, 0o644, bytes.len() as u64, bytes.as_slice());
        written.map_err(layer::full)?;
    }
    let mut sent = Vec::new();
    for digest in layers {
        if sent.contains(&digest) {
            continue;
        }
        let (file, size) = content::open(store, repository, digest)?;
        let path = format!("blobs/{}", digest.to_string().replace(':', "/"));
        tar.file(&path, 0o644, size, file).map_err(layer::full)?;
        sent.push(digest);
    }
    tar.finish().map(drop).map_err(layer::full)
}
