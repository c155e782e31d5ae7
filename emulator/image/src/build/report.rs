//! The reports of a build: during the build, and at its end.

use std::fmt;
use std::time::Duration;

use fnlocal_registry::{Digest, RepositoryName, Tag};

use super::git::GitCommit;
use crate::oci::layer::Layer;
use crate::oci::manifest::ImagePlatform;
use fnlocal_project::{DescribedModule, Warning};

/// The purpose of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerPart {
    /// Node and what it needs, or a Dockerfile's.
    Base,
    /// Installed dependencies.
    Deps,
    /// The runner.
    Wrapper,
    /// The package's files.
    Code,
}

impl fmt::Display for LayerPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Base => "base",
            Self::Deps => "deps",
            Self::Wrapper => "wrapper",
            Self::Code => "code",
        })
    }
}

/// News of a build, as it goes on.
#[derive(Clone, Debug)]
pub enum BuildProgress {
    /// The current step, for people.
    Note(String),
    /// Something odd.
    Warning(Warning),
    /// A part of a package's image is being made.
    Began {
        /// The package.
        package: String,
        /// The part.
        part: LayerPart,
    },
    /// The part is done.
    Done {
        /// The package.
        package: String,
        /// The part.
        part: LayerPart,
        /// Bytes of its layers as stored.
        size: u64,
        /// `true` if the part existed before.
        cached: bool,
    },
}

/// The result of a build.
#[derive(Clone, Debug)]
pub struct BuildReport {
    /// The project.
    pub project: String,
    /// An image per package.
    pub images: Vec<Built>,
    /// From the start to the end.
    pub took: Duration,
}

/// The image of a package.
#[derive(Clone, Debug)]
pub struct Built {
    /// The package.
    pub package: String,
    /// Where it is in the store.
    pub repository: RepositoryName,
    /// Of its manifest, or of the index over its platforms.
    pub digest: Digest,
    /// The tag by its content; `latest` names it too.
    pub tag: Tag,
    /// The result for each platform.
    pub platforms: Vec<BuiltPlatform>,
    /// The exports of its files.
    pub functions: Vec<DescribedModule>,
    /// The source of the description.
    pub described: Described,
    /// The digest of its files as a layer.
    pub source: Digest,
    /// The hash of its files, as `x-fnlocal-code` shows it.
    pub code: String,
    /// The commit its files are of, where there is git.
    pub commit: Option<GitCommit>,
}

/// The source of the description of a package's exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Described {
    /// An earlier build of the same code upon the same layers.
    Known,
    /// The image itself, in a container.
    Image,
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Known => "known",
            Self::Image => "image",
        })
    }
}

/// The image of a package for one platform.
#[derive(Clone, Debug)]
pub struct BuiltPlatform {
    /// The platform.
    pub platform: ImagePlatform,
    /// Of its manifest.
    pub manifest: Digest,
    /// Of its configuration, which older engines call the image's id.
    pub config: Digest,
    /// The base image, and the reason for it.
    pub base: String,
    /// Its layers, from the bottom up.
    pub layers: Vec<BuiltLayer>,
}

/// A layer of an image.
#[derive(Clone, Debug)]
pub struct BuiltLayer {
    /// The purpose.
    pub part: LayerPart,
    /// The layer.
    pub layer: Layer,
    /// `true` if the layer existed before.
    pub cached: bool,
}
