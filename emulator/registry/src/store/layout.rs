//! The layout of the folder.

use std::path::Path;

use fnlocal_files::OwnPath;

use crate::digest::{Algorithm, Digest};
use crate::name::{RepositoryName, Tag};

/// Paths of a store.
#[derive(Debug)]
pub struct Layout {
    root: OwnPath,
}

impl Layout {
    pub fn new(root: OwnPath) -> Self {
        Self { root }
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn lock(&self) -> OwnPath {
        self.root.join("lock")
    }

    pub fn contents(&self, algorithm: Algorithm) -> OwnPath {
        self.root.join("blobs").join(algorithm.name())
    }

    pub fn content(&self, digest: &Digest) -> OwnPath {
        self.contents(digest.algorithm()).join(digest.hex())
    }

    pub fn uploads(&self) -> OwnPath {
        self.root.join("uploads")
    }

    pub fn quarantine(&self) -> OwnPath {
        self.root.join("quarantine")
    }

    pub fn repositories(&self) -> OwnPath {
        self.root.join("repositories")
    }

    pub fn repository(&self, name: &RepositoryName) -> OwnPath {
        self.repositories().join(name.as_str())
    }

    pub fn blobs(&self, name: &RepositoryName) -> OwnPath {
        self.repository(name).join("_blobs")
    }

    pub fn blob(&self, name: &RepositoryName, digest: &Digest) -> OwnPath {
        self.blobs(name).join(digest.file_name())
    }

    pub fn manifests(&self, name: &RepositoryName) -> OwnPath {
        self.repository(name).join("_manifests")
    }

    pub fn manifest(&self, name: &RepositoryName, digest: &Digest) -> OwnPath {
        self.manifests(name).join(digest.file_name())
    }

    pub fn tags(&self, name: &RepositoryName) -> OwnPath {
        self.repository(name).join("_tags")
    }

    pub fn tag(&self, name: &RepositoryName, tag: &Tag) -> OwnPath {
        self.tags(name).join(tag.file_name())
    }

    pub fn referrers(&self, name: &RepositoryName, subject: &Digest) -> OwnPath {
        let all = self.repository(name).join("_referrers");
        all.join(subject.file_name())
    }

    pub fn referrer(&self, name: &RepositoryName, subject: &Digest, digest: &Digest) -> OwnPath {
        self.referrers(name, subject).join(digest.file_name())
    }
}
