//! Manifests, tags and referrers of a repository.

use std::fs::File;

use serde::{Deserialize, Serialize};

use super::Store;
use super::files;
use super::named::Named;
use crate::digest::{Algorithm, Digest};
use crate::error::{StoreError, io};
use crate::name::{Reference, RepositoryName, Tag};

/// Largest manifest in bytes, as the specification advises.
pub const MANIFEST_LIMIT: usize = 4 << 20;

/// A manifest as it was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// A manifest's file in a repository.
#[derive(Debug, Serialize, Deserialize)]
struct ManifestLink {
    media_type: String,
}

impl Store {
    /// Adds a manifest, under a tag or by its digest alone. When this returns, it and all it names
    /// are on disk.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the repository lacks a blob or manifest it names,
    /// [`StoreError::DigestMismatch`] when it is not what it is put as,
    /// [`StoreError::InvalidManifest`], [`StoreError::MediaType`], [`StoreError::TooLarge`],
    /// [`StoreError::Io`].
    pub fn put_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Digest, StoreError> {
        let (expected, tags) = match reference {
            Reference::Tag(tag) => (None, std::slice::from_ref(tag)),
            Reference::Digest(digest) => (Some(digest), [].as_slice()),
        };
        let put = self.put_tagged(repository, expected, tags, media_type, bytes);
        put.map(|(digest, _)| digest)
    }

    /// As [`Store::put_manifest`], under any number of tags. Returns the manifest's digest and its
    /// subject's.
    ///
    /// # Errors
    /// As [`Store::put_manifest`].
    pub fn put_tagged(
        &self,
        repository: &RepositoryName,
        expected: Option<&Digest>,
        tags: &[Tag],
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(Digest, Option<Digest>), StoreError> {
        if bytes.len() > MANIFEST_LIMIT {
            return Err(StoreError::TooLarge);
        }
        let named = Named::read(media_type, bytes)?;
        let digest = digest_as(expected, bytes)?;
        let _held = self.adding()?;
        self.require(repository, &named)?;
        let content = self.layout.content(&digest);
        files::write(self.temporary(), &content, bytes)?;
        let subject = named.subject().cloned();
        if let Some(subject) = &subject {
            files::make_folder(&self.layout.referrers(repository, subject))?;
            files::mark(&self.layout.referrer(repository, subject, &digest))?;
        }
        let link = ManifestLink {
            media_type: media_type.to_owned(),
        };
        let link = serde_json::to_vec(&link).expect("a string is JSON");
        files::make_folder(&self.layout.manifests(repository))?;
        let path = self.layout.manifest(repository, &digest);
        files::write(self.temporary(), &path, &link)?;
        self.write_tags(repository, &digest, tags)?;
        Ok((digest, subject))
    }

    /// Gives a manifest the repository has more tags, in place of what had them.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when it has no such manifest, [`StoreError::Io`].
    pub fn tag_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        tags: &[Tag],
    ) -> Result<(), StoreError> {
        let _held = self.adding()?;
        if !self.layout.manifest(repository, digest).is_file() {
            return Err(StoreError::Missing {
                digest: digest.clone(),
                repository: repository.clone(),
            });
        }
        self.write_tags(repository, digest, tags)
    }

    fn write_tags(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        tags: &[Tag],
    ) -> Result<(), StoreError> {
        for tag in tags {
            files::make_folder(&self.layout.tags(repository))?;
            let path = self.layout.tag(repository, tag);
            files::write(self.temporary(), &path, digest.to_string().as_bytes())?;
        }
        Ok(())
    }

    /// Makes a collection leave a manifest alone for another grace period. Returns whether the
    /// repository has it.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn refresh_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        let _held = self.adding()?;
        files::refresh(&self.layout.manifest(repository, digest))
    }

    /// A manifest, if the repository has it. One that has gone bad is not served: see
    /// [`Store::verify`].
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<StoredManifest>, StoreError> {
        let digest = match reference {
            Reference::Digest(digest) => Some(digest.clone()),
            Reference::Tag(tag) => self.tagged(repository, tag)?,
        };
        match digest {
            Some(digest) => self.manifest_by_digest(repository, digest),
            None => Ok(None),
        }
    }

    /// Removes a tag, and nothing else. Returns whether it was there.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn delete_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<bool, StoreError> {
        let _held = self.removing()?;
        files::delete(&self.layout.tag(repository, tag))
    }

    /// Removes a manifest and the tags that name it. Returns whether it was there. The contents
    /// that it names go at the next collection.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        let _held = self.removing()?;
        if !self.layout.manifest(repository, digest).is_file() {
            return Ok(false);
        }
        for tag in self.tags(repository)?.unwrap_or_default() {
            if self.tagged(repository, &tag)?.as_ref() == Some(digest) {
                files::delete(&self.layout.tag(repository, &tag))?;
            }
        }
        self.unlink_manifest(repository, digest)?;
        files::sync_parent(&self.layout.manifest(repository, digest))?;
        Ok(true)
    }

    /// Under the lock.
    pub(super) fn unlink_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), StoreError> {
        // Unreadable, its referrer's entry stays and is passed over.
        let subject = self.named(repository, digest)?;
        if let Some(subject) = subject.as_ref().and_then(Named::subject) {
            files::remove(&self.layout.referrer(repository, subject, digest))?;
        }
        files::remove(&self.layout.manifest(repository, digest))?;
        Ok(())
    }

    /// Returns the contents that a manifest names, if it can be read.
    pub(super) fn named(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Named>, StoreError> {
        let manifest = self.read_manifest(repository, digest)?;
        Ok(manifest
            .and_then(|(manifest, _)| Named::read(&manifest.media_type, &manifest.bytes).ok()))
    }

    fn require(&self, repository: &RepositoryName, named: &Named) -> Result<(), StoreError> {
        let blobs = named
            .blobs()
            .map(|digest| (digest, self.layout.blob(repository, digest)));
        let children = named
            .children()
            .map(|digest| (digest, self.layout.manifest(repository, digest)));
        for (digest, link) in blobs.chain(children) {
            if !link.is_file() || !self.layout.content(digest).is_file() {
                return Err(StoreError::Missing {
                    digest: digest.clone(),
                    repository: repository.clone(),
                });
            }
        }
        Ok(())
    }

    pub(super) fn manifest_by_digest(
        &self,
        repository: &RepositoryName,
        digest: Digest,
    ) -> Result<Option<StoredManifest>, StoreError> {
        let Some((manifest, file)) = self.read_manifest(repository, &digest)? else {
            return Ok(None);
        };
        if Digest::by(digest.algorithm(), &manifest.bytes) == digest {
            return Ok(Some(manifest));
        }
        self.quarantine(&digest, &file)?;
        Ok(None)
    }

    fn read_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<(StoredManifest, File)>, StoreError> {
        let path = self.layout.manifest(repository, digest);
        let Some(link) = files::present(&path, path.read())? else {
            return Ok(None);
        };
        let link: ManifestLink = serde_json::from_slice(&link)
            .map_err(|error| io(&path)(std::io::Error::from(error)))?;
        let path = self.layout.content(digest);
        let Some(mut file) = files::present(&path, path.open())? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).map_err(io(&path))?;
        let manifest = StoredManifest {
            digest: digest.clone(),
            media_type: link.media_type,
            bytes,
        };
        Ok(Some((manifest, file)))
    }
}

fn digest_as(expected: Option<&Digest>, bytes: &[u8]) -> Result<Digest, StoreError> {
    let algorithm = expected.map_or(Algorithm::Sha256, Digest::algorithm);
    let found = Digest::by(algorithm, bytes);
    match expected {
        Some(expected) if *expected != found => Err(StoreError::DigestMismatch {
            expected: expected.clone(),
            found,
        }),
        _ => Ok(found),
    }
}
