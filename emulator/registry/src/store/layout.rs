//! What is where.

use std::path::{Path, PathBuf};

use crate::digest::{Algorithm, Digest};
use crate::name::{RepositoryName, Tag};

/// Paths of a store.
#[derive(Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub fn contents(&self, algorithm: Algorithm) -> PathBuf {
        self.root.join("blobs").join(algorithm.name())
    }

    pub fn content(&self, digest: &Digest) -> PathBuf {
        self.contents(digest.algorithm()).join(digest.hex())
    }

    pub fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    pub fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    pub fn repositories(&self) -> PathBuf {
        self.root.join("repositories")
    }

    pub fn repository(&self, name: &RepositoryName) -> PathBuf {
        self.repositories().join(name.as_str())
    }

    pub fn blobs(&self, name: &RepositoryName) -> PathBuf {
        self.repository(name).join("_blobs")
    }

    pub fn blob(&self, name: &RepositoryName, digest: &Digest) -> PathBuf {
        self.blobs(name).join(digest.file_name())
    }

    pub fn manifests(&self, name: &RepositoryName) -> PathBuf {
        self.repository(name).join("_manifests")
    }

    pub fn manifest(&self, name: &RepositoryName, digest: &Digest) -> PathBuf {
        self.manifests(name).join(digest.file_name())
    }

    pub fn tags(&self, name: &RepositoryName) -> PathBuf {
        self.repository(name).join("_tags")
    }

    pub fn tag(&self, name: &RepositoryName, tag: &Tag) -> PathBuf {
        self.tags(name).join(tag.file_name())
    }

    pub fn referrers(&self, name: &RepositoryName, subject: &Digest) -> PathBuf {
        let all = self.repository(name).join("_referrers");
        all.join(subject.file_name())
    }

    pub fn referrer(&self, name: &RepositoryName, subject: &Digest, digest: &Digest) -> PathBuf {
        self.referrers(name, subject).join(digest.file_name())
    }
}
