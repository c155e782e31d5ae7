//! Small contents of a store, and the way errors of theirs are told.

use std::fs::File;
use std::io::{self, Read, Write};

use fnlocal_registry::{Blob, Digest, Reference, RepositoryName, Store};

use super::layer::full;
use crate::image::ImageError;

/// Stores a small content.
pub(crate) fn keep(
    store: &Store,
    repository: &RepositoryName,
    bytes: &[u8],
) -> Result<Blob, ImageError> {
    let mut writer = store.writer()?;
    writer.write_all(bytes).map_err(full)?;
    Ok(writer.commit(repository, None)?)
}

/// Stores a manifest by its digest.
pub(crate) fn put(
    store: &Store,
    repository: &RepositoryName,
    bytes: &[u8],
    media_type: &str,
) -> Result<Digest, ImageError> {
    let reference = Reference::Digest(Digest::of(bytes));
    Ok(store.put_manifest(repository, &reference, media_type, bytes)?)
}

/// A blob that must be there, with its bytes.
pub(crate) fn open(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<(File, u64), ImageError> {
    let found = store.blob(repository, digest)?;
    found.ok_or_else(|| missing(repository, digest))
}

/// All of a small blob.
pub(crate) fn bytes(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Vec<u8>, ImageError> {
    let (mut file, _) = open(store, repository, digest)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(full)?;
    Ok(bytes)
}

/// All of a manifest.
pub(crate) fn manifest(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Vec<u8>, ImageError> {
    let found = store.manifest(repository, &Reference::Digest(digest.clone()))?;
    Ok(found.ok_or_else(|| missing(repository, digest))?.bytes)
}

/// A digest out of a document.
pub(crate) fn parse(digest: &str) -> Result<Digest, ImageError> {
    digest
        .parse()
        .map_err(|error| full(io::Error::other(error)))
}

fn missing(repository: &RepositoryName, digest: &Digest) -> ImageError {
    let why = format!("{repository} does not have {digest}");
    full(io::Error::new(io::ErrorKind::NotFound, why))
}
