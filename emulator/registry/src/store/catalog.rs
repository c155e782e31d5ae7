//! The contents of a repository, and the list of repositories.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Store;
use super::files;
use super::layout::Layout;
use super::named::Named;
use crate::digest::Digest;
use crate::error::StoreError;
use crate::name::{RepositoryName, Tag};

/// The facts about a manifest without reading it, as an index lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The kind of artifact, if the manifest says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Its annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

impl Store {
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
        let text = files::present(&path, path.read_to_string())?;
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
            let folder = match above.as_str() {
                "" => self.layout.repositories(),
                above => self.layout.repositories().join(above),
            };
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
}

fn is_repository(layout: &Layout, name: &RepositoryName) -> bool {
    layout.manifests(name).is_folder() || layout.blobs(name).is_folder()
}
