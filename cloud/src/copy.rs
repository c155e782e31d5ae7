//! Images from the store on this machine to the registry: only what is missing there, several
//! blobs at once, and every manifest after what it names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fnlocal_registry::{Digest, RepositoryName, Store, StoredManifest};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::Deserialize;

use crate::apply::{ApplyProgress, OnApplyProgress};
use crate::error::CloudError;
use crate::names::ResourceNames;
use crate::registry::RemoteRegistry;
use crate::resource::RepositoryImage;
use crate::source::{ImageSource, broken, missing};

/// Between two looks at how much was sent.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);
/// Blobs sent at once: enough to fill a line, few enough for ECR's limits.
const AT_ONCE: usize = 4;

/// The result of a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Blobs that were missing.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

#[derive(Deserialize)]
struct ManifestBlobs {
    config: Option<BlobDescriptor>,
    #[serde(default)]
    layers: Vec<BlobDescriptor>,
    #[serde(default)]
    manifests: Vec<BlobDescriptor>,
}

#[derive(Deserialize)]
struct BlobDescriptor {
    digest: Digest,
}

/// An image's manifests, what is inside first, and its blobs with the repository they are in.
#[derive(Default)]
struct ImageContents {
    manifests: Vec<(String, StoredManifest)>,
    blobs: BTreeMap<Digest, RepositoryName>,
}

/// Copies images that the registry lacks.
///
/// # Errors
/// The store lacks something, or the registry refuses or does not answer.
pub async fn copy(
    source: &ImageSource,
    registry: &RemoteRegistry,
    images: &[&RepositoryImage],
    watcher: OnApplyProgress<'_>,
) -> Result<Sent, CloudError> {
    let mut load = ImageContents::default();
    for image in images {
        let digest = ResourceNames::tagged_digest(&image.tag).ok_or_else(|| missing(&image.tag))?;
        let repository = source
            .repositories
            .get(&digest)
            .ok_or_else(|| missing(&digest))?;
        let digest: Digest = digest.parse().map_err(|_| missing(&digest))?;
        load.add(&source.store, repository, &digest, Some(&image.tag))?;
    }
    let checks = futures_util::stream::iter(load.blobs.iter().map(|(digest, repository)| async {
        let there = registry.has_blob(digest).await?;
        Ok::<_, CloudError>((!there).then_some((digest.clone(), repository.clone())))
    }));
    let missing: Vec<_> = checks.buffer_unordered(AT_ONCE * 4).try_collect().await?;
    let sent = send(
        source,
        registry,
        missing.into_iter().flatten().collect(),
        watcher,
    )
    .await?;
    for (reference, manifest) in &load.manifests {
        let StoredManifest {
            media_type, bytes, ..
        } = manifest;
        registry.put_manifest(reference, media_type, bytes).await?;
    }
    Ok(sent)
}

async fn send(
    source: &ImageSource,
    registry: &RemoteRegistry,
    blobs: Vec<(Digest, RepositoryName)>,
    watcher: OnApplyProgress<'_>,
) -> Result<Sent, CloudError> {
    let mut sized = Vec::new();
    for (digest, repository) in blobs {
        let size = source
            .store
            .blob_size(&repository, &digest)
            .map_err(broken)?;
        let size = size.ok_or_else(|| missing(&digest.to_string()))?;
        sized.push((digest, repository, size));
    }
    let all: u64 = sized.iter().map(|(.., size)| size).sum();
    let count = sized.len() as u64;
    watcher(ApplyProgress::Sending {
        blobs: count,
        bytes: all,
    });
    let done = Arc::new(AtomicU64::new(0));
    let work = futures_util::stream::iter(sized.into_iter().map(|(digest, repository, size)| {
        let counter = Arc::clone(&done);
        async move {
            let open = || open(source, &repository, &digest);
            registry
                .put_blob(&digest, size, open, move |bytes| {
                    counter.fetch_add(bytes, Ordering::Relaxed);
                })
                .await
        }
    }));
    let work = work.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>();
    let mut work = std::pin::pin!(work);
    let mut look = tokio::time::interval(PROGRESS_INTERVAL);
    loop {
        tokio::select! {
            sent = &mut work => break drop(sent?),
            _ = look.tick() => watcher(ApplyProgress::Sent {
                bytes: done.load(Ordering::Relaxed),
            }),
        }
    }
    Ok(Sent {
        blobs: count,
        bytes: all,
    })
}

fn open(
    source: &ImageSource,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<std::fs::File, CloudError> {
    let blob = source.store.blob(repository, digest).map_err(broken)?;
    let (file, _) = blob.ok_or_else(|| missing(&digest.to_string()))?;
    Ok(file)
}

impl ImageContents {
    fn add(
        &mut self,
        store: &Store,
        repository: &RepositoryName,
        digest: &Digest,
        tag: Option<&str>,
    ) -> Result<(), CloudError> {
        let manifest = store
            .manifest(repository, &digest.clone().into())
            .map_err(broken)?;
        let manifest = manifest.ok_or_else(|| missing(&digest.to_string()))?;
        let parts: ManifestBlobs = serde_json::from_slice(&manifest.bytes)
            .map_err(|error| missing(&digest.to_string()).because(error))?;
        for child in &parts.manifests {
            self.add(store, repository, &child.digest, None)?;
        }
        let blobs = parts.config.into_iter().chain(parts.layers);
        self.blobs
            .extend(blobs.map(|part| (part.digest, repository.clone())));
        let reference = tag.map_or_else(|| digest.to_string(), str::to_owned);
        let known: BTreeSet<&String> = self.manifests.iter().map(|(name, _)| name).collect();
        if !known.contains(&reference) {
            self.manifests.push((reference, manifest));
        }
        Ok(())
    }
}
