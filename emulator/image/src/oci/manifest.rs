//! The documents of an image: configuration, manifest, and an index over several platforms.

use std::fmt;
use std::str::FromStr;

use fnlocal_registry::{Digest, RepositoryName, Store};
use oci_client::config::{Architecture, Config, ConfigFile, History, Os, Rootfs};
use oci_client::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, ImageIndexEntry, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
    OciDescriptor, OciImageIndex, OciImageManifest, Platform as OciPlatform,
};
use serde::{Deserialize, Serialize};

use super::content::{self, put};
use super::layer::Layer;
use crate::ImageError;

/// The platform of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ImagePlatform {
    /// `linux/amd64`.
    Amd64,
    /// `linux/arm64`.
    Arm64,
}

impl ImagePlatform {
    /// That of containers on this machine.
    #[must_use]
    pub fn here() -> Self {
        if cfg!(target_arch = "aarch64") {
            Self::Arm64
        } else {
            Self::Amd64
        }
    }

    /// As images spell it.
    #[must_use]
    pub fn architecture(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    fn oci(self) -> Architecture {
        match self {
            Self::Amd64 => Architecture::Amd64,
            Self::Arm64 => Architecture::ARM64,
        }
    }

    /// Returns whether a manifest in an index is for this platform.
    pub(crate) fn is(self, other: &OciPlatform) -> bool {
        other.os == Os::Linux && other.architecture == self.oci()
    }
}

impl fmt::Display for ImagePlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "linux/{}", self.architecture())
    }
}

impl FromStr for ImagePlatform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "linux/amd64" => Ok(Self::Amd64),
            "linux/arm64" | "linux/arm64/v8" => Ok(Self::Arm64),
            _ => Err(format!("`{text}` is neither linux/amd64 nor linux/arm64")),
        }
    }
}

impl TryFrom<String> for ImagePlatform {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ImagePlatform> for String {
    fn from(platform: ImagePlatform) -> Self {
        platform.to_string()
    }
}

/// One image for one platform.
pub(crate) struct PlatformImage<'a> {
    pub platform: ImagePlatform,
    /// From the bottom up, each with what it is, for its history.
    pub layers: &'a [(String, Layer)],
    /// How it runs, and its labels.
    pub config: Config,
}

/// A manifest in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The manifest's.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// The configuration's, which older engines call the image's id.
    pub config: Digest,
}

impl PlatformImage<'_> {
    /// Stores configuration and manifest. The layers must be in the repository.
    pub fn store(&self, store: &Store, repository: &RepositoryName) -> Result<Stored, ImageError> {
        let config = content::keep(store, repository, &sorted(&self.config()))?;
        let layers: Vec<Layer> = self.layers.iter().map(|(_, layer)| layer.clone()).collect();
        store_manifest(store, repository, &config.digest, &layers)
    }

    fn config(&self) -> ConfigFile {
        let created = Some(std::time::UNIX_EPOCH.into());
        let history = |(what, _): &(String, Layer)| History {
            created,
            created_by: Some(format!("fnlocal: {what}")),
            ..History::default()
        };
        let diff_id = |(_, layer): &(String, Layer)| layer.diff_id.to_string();
        ConfigFile {
            created,
            author: None,
            architecture: self.platform.oci(),
            os: Os::Linux,
            config: Some(self.config.clone()),
            rootfs: Rootfs {
                diff_ids: self.layers.iter().map(diff_id).collect(),
                ..Rootfs::default()
            },
            history: Some(self.layers.iter().map(history).collect()),
        }
    }
}

/// Stores the manifest of a configuration and layers the repository has.
pub(crate) fn store_manifest(
    store: &Store,
    repository: &RepositoryName,
    config: &Digest,
    layers: &[Layer],
) -> Result<Stored, ImageError> {
    let (_, size) = content::open(store, repository, config)?;
    let manifest = OciImageManifest {
        schema_version: 2,
        media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
        config: descriptor(IMAGE_CONFIG_MEDIA_TYPE, config, size),
        layers: layers
            .iter()
            .map(|layer| descriptor(&layer.media_type, &layer.digest, layer.size))
            .collect(),
        subject: None,
        artifact_type: None,
        annotations: None,
    };
    let manifest = sorted(&manifest);
    Ok(Stored {
        digest: put(store, repository, &manifest, OCI_IMAGE_MEDIA_TYPE)?,
        size: manifest.len() as u64,
        config: config.clone(),
    })
}

/// Stores an index over the images of several platforms.
pub(crate) fn index(
    store: &Store,
    repository: &RepositoryName,
    images: &[(ImagePlatform, Stored)],
) -> Result<Digest, ImageError> {
    let entry = |(platform, stored): &(ImagePlatform, Stored)| ImageIndexEntry {
        media_type: OCI_IMAGE_MEDIA_TYPE.to_owned(),
        digest: stored.digest.to_string(),
        size: signed(stored.size),
        platform: Some(OciPlatform {
            architecture: platform.oci(),
            os: Os::Linux,
            os_version: None,
            os_features: None,
            variant: None,
            features: None,
        }),
        annotations: None,
        artifact_type: None,
    };
    let index = OciImageIndex {
        schema_version: 2,
        media_type: Some(OCI_IMAGE_INDEX_MEDIA_TYPE.to_owned()),
        manifests: images.iter().map(entry).collect(),
        artifact_type: None,
        annotations: None,
    };
    put(
        store,
        repository,
        &sorted(&index),
        OCI_IMAGE_INDEX_MEDIA_TYPE,
    )
}

fn descriptor(media_type: &str, digest: &Digest, size: u64) -> OciDescriptor {
    OciDescriptor {
        media_type: media_type.to_owned(),
        digest: digest.to_string(),
        size: signed(size),
        ..OciDescriptor::default()
    }
}

fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// JSON whose keys are sorted: some of the types keep them in maps without an order.
pub(crate) fn sorted(document: &impl Serialize) -> Vec<u8> {
    let value = serde_json::to_value(document).expect("these documents are JSON");
    value.to_string().into_bytes()
}
