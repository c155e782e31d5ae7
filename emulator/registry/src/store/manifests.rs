//! Manifests, tags and referrers of a repository.

use std::collections::BTreeMap;
use std::fs::{self, File};

use serde::{Deserialize, Serialize};

use super::Store;
use super::files;
use super::layout::Layout;
use super::named::Named;
use crate::digest::{Algorithm, Digest};
use crate::error::{StoreError, io};
use crate::name::{Reference, RepositoryName, Tag};

/// Largest manifest in bytes, as the specification advises.
pub const MANIFEST_LIMIT: usize = 4 << 20;

/// A manifest as it was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// What it is.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// What there is to know of a manifest without reading it, as an index lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its media type.
    pub media_type: String,
    /// What it is.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// What kind of artifact it is, when it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Its annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// A manifest's file in a repository.
#[derive(Debug, Serialize, Deserialize)]
struct Link {
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
        let link = Link {
            media_type: media_type.to_owned(),
        };
        let link = serde_json::to_vec(&link).expect("a string is JSON");
        files::make_folder(&self.layout.manifests(repository))?;
        let path = self.layout.manifest(repository, &digest);
        files::write(self.temporary(), &path, &link)?;
        for tag in tags {
            files::make_folder(&self.layout.tags(repository))?;
            let path = self.layout.tag(repository, tag);
            files::write(self.temporary(), &path, digest.to_string().as_bytes())?;
        }
        Ok((digest, subject))
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
    ) -> Result<Option<Manifest>, StoreError> {
        let digest = match reference {
            Reference::Digest(digest) => Some(digest.clone()),
            Reference::Tag(tag) => self.tagged(repository, tag)?,
        };
        match digest {
            Some(digest) => self.manifest_by_digest(repository, digest),
            None => Ok(None),
        }
    }

    /// The digest a tag names.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn tagged(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<Digest>, StoreError> {
        let path = self.layout.tag(repository, tag);
        let text = files::present(&path, fs::read_to_string(&path))?;
        Ok(text.and_then(|text| text.parse().ok()))
    }

    /// The tags of a repository in ASCII order; nothing when there is no such repository.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn tags(&self, repository: &RepositoryName) -> Result<Option<Vec<Tag>>, StoreError> {
        if !is_repository(&self.layout, repository) {
            return Ok(None);
        }
        let mut tags = files::list(&self.layout.tags(repository), Tag::from_file_name)?;
        tags.sort();
        Ok(Some(tags))
    }

    /// Repositories that have a manifest, sorted.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn repositories(&self) -> Result<Vec<RepositoryName>, StoreError> {
        let mut with_manifests = Vec::new();
        for name in self.all_repositories()? {
            if !self.manifest_links(&name)?.is_empty() {
                with_manifests.push(name);
            }
        }
        Ok(with_manifests)
    }

    /// The manifests whose subject is `subject`.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, StoreError> {
        let folder = self.layout.referrers(repository, subject);
        let mut found = Vec::new();
        for digest in files::list(&folder, Digest::from_file_name)? {
            let Some(manifest) = self.manifest_by_digest(repository, digest)? else {
                continue;
            };
            let named = Named::read(&manifest.media_type, &manifest.bytes).unwrap_or_default();
            found.push(Descriptor {
                media_type: manifest.media_type,
                digest: manifest.digest,
                size: manifest.bytes.len() as u64,
                artifact_type: named.artifact_type().map(str::to_owned),
                annotations: named.into_annotations(),
            });
        }
        Ok(found)
    }

    /// Removes a tag, and nothing else. Returns whether it was there.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn delete_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<bool, StoreError> {
        let _held = self.removing()?;
        files::remove(&self.layout.tag(repository, tag))
    }

    /// Removes a manifest and the tags that name it. Returns whether it was there. What it names
    /// goes when it is collected.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        let _held = self.removing()?;
        if !self.layout.manifest(repository, digest).exists() {
            return Ok(false);
        }
        for tag in self.tags(repository)?.unwrap_or_default() {
            if self.tagged(repository, &tag)?.as_ref() == Some(digest) {
                files::remove(&self.layout.tag(repository, &tag))?;
            }
        }
        self.unlink_manifest(repository, digest)?;
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

    /// What a manifest names, if it can be read.
    pub(super) fn named(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Named>, StoreError> {
        let manifest = self.read_manifest(repository, digest)?;
        Ok(manifest
            .and_then(|(manifest, _)| Named::read(&manifest.media_type, &manifest.bytes).ok()))
    }

    /// The manifests a repository has, good or not.
    pub(super) fn manifest_links(
        &self,
        repository: &RepositoryName,
    ) -> Result<Vec<Digest>, StoreError> {
        files::list(&self.layout.manifests(repository), Digest::from_file_name)
    }

    /// Repositories with anything in them, sorted.
    pub(super) fn all_repositories(&self) -> Result<Vec<RepositoryName>, StoreError> {
        let mut found: Vec<RepositoryName> = Vec::new();
        let mut waiting = vec![String::new()];
        while let Some(above) = waiting.pop() {
            let folder = self.layout.repositories().join(&above);
            for part in files::list(&folder, |part| Some(part.to_owned()))? {
                let name = match above.as_str() {
                    "" => part,
                    above => format!("{above}/{part}"),
                };
                // Folders of a repository's own begin with `_` and are no names.
                let Ok(repository) = name.parse() else {
                    continue;
                };
                if is_repository(&self.layout, &repository) {
                    found.push(repository);
                }
                waiting.push(name);
            }
        }
        found.sort();
        Ok(found)
    }

    fn require(&self, repository: &RepositoryName, named: &Named) -> Result<(), StoreError> {
        let blobs = named
            .blobs()
            .map(|digest| (digest, self.layout.blob(repository, digest)));
        let children = named
            .children()
            .map(|digest| (digest, self.layout.manifest(repository, digest)));
        for (digest, link) in blobs.chain(children) {
            if !link.exists() || !self.layout.content(digest).exists() {
                return Err(StoreError::Missing {
                    digest: digest.clone(),
                    repository: repository.clone(),
                });
            }
        }
        Ok(())
    }

    fn manifest_by_digest(
        &self,
        repository: &RepositoryName,
        digest: Digest,
    ) -> Result<Option<Manifest>, StoreError> {
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
    ) -> Result<Option<(Manifest, File)>, StoreError> {
        let path = self.layout.manifest(repository, digest);
        let Some(link) = files::present(&path, fs::read(&path))? else {
            return Ok(None);
        };
        let link: Link = serde_json::from_slice(&link)
            .map_err(|error| io(&path)(std::io::Error::from(error)))?;
        let path = self.layout.content(digest);
        let Some(mut file) = files::present(&path, File::open(&path))? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).map_err(io(&path))?;
        let manifest = Manifest {
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

fn is_repository(layout: &Layout, name: &RepositoryName) -> bool {
    layout.manifests(name).is_dir() || layout.blobs(name).is_dir()
}
