//! A release as it is stored beside its images: an OCI artifact of two layers.
//!
//! The first layer is the release, the second says where the variables' values come from in this
//! environment. Values themselves are in neither.

use std::collections::BTreeMap;

use fnlocal_core::release::Release;
use fnlocal_registry::Digest;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The artifact's type.
pub const ARTIFACT_TYPE: &str = "application/vnd.fnlocal.release.v1";
/// The media type of its first layer.
pub const RELEASE_TYPE: &str = "application/vnd.fnlocal.release.v1+json";
/// The media type of its second layer.
pub const SOURCES_TYPE: &str = "application/vnd.fnlocal.sources.v1+json";
/// The media type of its manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// A release, and where its variables come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredRelease {
    /// The release.
    pub release: Release,
    /// SSM parameters by the variable's name.
    pub sources: BTreeMap<String, String>,
}

/// The artifact as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Its manifest.
    pub manifest: Vec<u8>,
    /// The manifest's digest.
    pub digest: Digest,
    /// The blobs that the manifest names.
    pub blobs: Vec<(Digest, Vec<u8>)>,
}

impl StoredRelease {
    /// The artifact; the same delivery always gives the same bytes.
    #[must_use]
    pub fn pack(&self) -> Packed {
        let config = b"{}".to_vec();
        let release = serde_json::to_vec(&self.release).expect("a release is plain data");
        let sources = serde_json::to_vec(&self.sources).expect("sources are plain data");
        let blobs: Vec<(Digest, Vec<u8>)> = [config, release, sources]
            .into_iter()
            .map(|bytes| (Digest::sha256(&bytes), bytes))
            .collect();
        let descriptor = |at: usize, media_type: &str| {
            let (digest, bytes) = &blobs[at];
            json!({ "mediaType": media_type, "digest": digest.to_string(), "size": bytes.len() })
        };
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": ARTIFACT_TYPE,
            "config": descriptor(0, "application/vnd.oci.empty.v1+json"),
            "layers": [descriptor(1, RELEASE_TYPE), descriptor(2, SOURCES_TYPE)],
        });
        let manifest = serde_json::to_vec(&manifest).expect("a manifest is plain data");
        let digest = Digest::sha256(&manifest);
        Packed {
            manifest,
            digest,
            blobs,
        }
    }

    /// Returns whether both make nodes do the same. The time and the commit are not compared.
    #[must_use]
    pub fn does_the_same(&self, other: &Self) -> bool {
        self.timeless() == other.timeless()
    }

    fn timeless(&self) -> Self {
        let mut delivery = self.clone();
        delivery.release.created.clear();
        delivery.release.commit = None;
        delivery
    }

    /// Digests of its images.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        let packages = self.release.packages.iter();
        packages.map(|package| package.digest.as_str())
    }
}
