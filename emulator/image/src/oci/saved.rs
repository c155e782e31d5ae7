//! The layers of an image an engine has, taken into the store.
//!
//! An engine keeps layers unpacked, or packed as somebody else packed them; here they are packed
//! by us, so that one image gives one set of digests whichever engine it came from.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use bollard::Docker;
use bollard::models::ImageInspect;
use flate2::bufread::MultiGzDecoder;
use fnlocal_registry::{Digest, RepositoryName, Store};
use futures_util::TryStreamExt;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::layer::{self, Layer, Packing};
use crate::ImageError;
use fnlocal_engine::tarball::TarTally;

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Takes the layers of an image, from the bottom up.
pub(crate) async fn layers(
    docker: &Docker,
    image: &ImageInspect,
    store: &Store,
    repository: &RepositoryName,
) -> Result<Vec<Layer>, ImageError> {
    let diff_ids = diff_ids(image)?;
    let name = image.id.clone().unwrap_or_default();
    let stream = docker.export_image(&name).map_err(io::Error::other);
    let stream = Box::pin(stream);
    let reader = SyncIoBridge::new(StreamReader::new(stream));
    let (store, repository) = (store.clone(), repository.clone());
    let taken = tokio::task::spawn_blocking(move || {
        let found = read(reader, &diff_ids, &store, &repository)?;
        let take = |diff_id: &Digest| found.get(diff_id).cloned();
        let all: Option<Vec<Layer>> = diff_ids.iter().map(take).collect();
        all.ok_or_else(|| {
            let why = format!("the engine did not give every layer of {name}");
            layer::full(io::Error::other(why))
        })
    });
    taken
        .await
        .map_err(|error| layer::full(io::Error::other(error)))?
}

/// Returns the layers of an image, from the bottom up.
pub(crate) fn diff_ids(image: &ImageInspect) -> Result<Vec<Digest>, ImageError> {
    let layers = image.root_fs.as_ref().and_then(|root| root.layers.as_ref());
    let layers = layers.map(Vec::as_slice).unwrap_or_default();
    let parsed: Result<_, _> = layers.iter().map(|layer| layer.parse()).collect();
    parsed.map_err(|error| layer::full(io::Error::other(error)))
}

fn read(
    archive: impl Read,
    wanted: &[Digest],
    store: &Store,
    repository: &RepositoryName,
) -> Result<BTreeMap<Digest, Layer>, ImageError> {
    let mut found = BTreeMap::new();
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().map_err(layer::full)? {
        let entry = entry.map_err(layer::full)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let mut packing = Packing::new(store)?;
        unpacked(entry, &mut packing).map_err(layer::full)?;
        // Configurations and manifests lie among the layers; they are none.
        let is_layer = |diff_id: &Digest| wanted.contains(diff_id);
        if let Some(layer) = packing.finish_if(is_layer, repository, TarTally::default())? {
            found.insert(layer.diff_id.clone(), layer);
        }
    }
    Ok(found)
}

fn unpacked(entry: impl Read, out: &mut Packing) -> io::Result<u64> {
    let mut entry = BufReader::with_capacity(layer::CHUNK_BYTES, entry);
    if entry.fill_buf()?.starts_with(&GZIP) {
        io::copy(&mut MultiGzDecoder::new(entry), out)
    } else {
        io::copy(&mut entry, out)
    }
}
