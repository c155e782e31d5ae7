//! Small contents of a store, and the texts of their errors.

use std::fs::File;
use std::io::{self, Read, Write};

use fnlocal_registry::{Blob, Digest, Reference, RepositoryName, Store, Tag};

use super::layer::full;
use crate::ImageError;

/// Stores a small content.
pub fn keep(store: &Store, repository: &RepositoryName, bytes: &[u8]) -> Result<Blob, ImageError> {
    let mut writer = store.writer()?;
    writer.write_all(bytes).map_err(full)?;
    Ok(writer.commit(repository, None)?)
}

/// Stores a manifest, which is known by its digest.
pub(crate) fn put(
    store: &Store,
    repository: &RepositoryName,
    bytes: &[u8],
    media_type: &str,
) -> Result<Digest, ImageError> {
    let digest = Digest::sha256(bytes);
    store.put_tagged(repository, Some(&digest), &[], media_type, bytes)?;
    Ok(digest)
}

/// Makes a manifest one that people ask for: it gets a tag of its own by its content, and is the
/// latest.
pub(crate) fn publish(
    store: &Store,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<(), ImageError> {
    let tags = [tag(digest), "latest".parse().expect("it is a tag")];
    Ok(store.tag_manifest(repository, digest, &tags)?)
}

/// The tag of a manifest by its content.
pub(crate) fn tag(digest: &Digest) -> Tag {
    let short: String = digest.hex().chars().take(16).collect();
    short.parse().expect("digits are a tag")
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
