//! The contents of ECR.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// ECR repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repository {
    /// Its name.
    pub name: String,
    /// A tag never moves.
    pub immutable_tags: bool,
    /// Images are scanned when they arrive.
    pub scan_on_push: bool,
    /// The rules of automatic deletion.
    pub lifecycle: Value,
}

/// Image in a repository, under a tag that names its digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepositoryImage {
    /// Its tag.
    pub tag: String,
    /// Its repository.
    pub repository: String,
}

/// Release in a repository, as an OCI artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its tag.
    pub tag: String,
    /// Its repository.
    pub repository: String,
    /// The digest of its manifest.
    pub digest: String,
}
