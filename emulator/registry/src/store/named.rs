//! The contents that a manifest names, read leniently: only digests matter here.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::digest::Digest;
use crate::error::StoreError;

/// Media types whose manifests must be readable.
const KNOWN: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// A manifest of any kind.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<NamedBlob>,
    // Some clients write `null` for an empty list.
    layers: Option<Vec<NamedBlob>>,
    blobs: Option<Vec<NamedBlob>>,
    manifests: Option<Vec<NamedBlob>>,
    subject: Option<NamedBlob>,
    annotations: Option<BTreeMap<String, String>>,
}

/// A descriptor.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NamedBlob {
    #[serde(default)]
    media_type: String,
    digest: Digest,
}

impl Named {
    /// Reads a manifest. One of an unknown media type may be anything, and then names nothing.
    pub fn read(media_type: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        let named: Self = match serde_json::from_slice(bytes) {
            Ok(named) => named,
            Err(_) if !KNOWN.contains(&media_type) => return Ok(Self::default()),
            Err(error) => return Err(StoreError::InvalidManifest(error)),
        };
        match named.media_type {
            Some(inside) if inside != media_type && KNOWN.contains(&media_type) => {
                Err(StoreError::MediaType {
                    inside,
                    outside: media_type.to_owned(),
                })
            }
            _ => Ok(named),
        }
    }

    /// The blobs a repository must have for it.
    pub fn blobs(&self) -> impl Iterator<Item = &Digest> {
        let parts = self.config.iter();
        let parts = parts.chain(self.layers.iter().flatten());
        let parts = parts.chain(self.blobs.iter().flatten());
        parts
            .filter(|part| !is_elsewhere(part))
            .map(|part| &part.digest)
    }

    /// The manifests inside it.
    pub fn children(&self) -> impl Iterator<Item = &Digest> {
        self.manifests.iter().flatten().map(|part| &part.digest)
    }

    /// The manifest it is about, which need not be here.
    pub fn subject(&self) -> Option<&Digest> {
        self.subject.as_ref().map(|subject| &subject.digest)
    }

    /// Returns the kind of artifact: by the specification, an image's config says so otherwise.
    pub fn artifact_type(&self) -> Option<&str> {
        let config = || {
            self.config
                .as_ref()
                .map(|config| config.media_type.as_str())
        };
        let own = self.artifact_type.as_deref().filter(|own| !own.is_empty());
        own.or_else(config).filter(|kind| !kind.is_empty())
    }

    /// Its annotations.
    pub fn into_annotations(self) -> Option<BTreeMap<String, String>> {
        self.annotations
    }
}

/// Layers that licences forbid to push: they stay where their maker serves them.
fn is_elsewhere(part: &NamedBlob) -> bool {
    part.media_type.contains(".nondistributable.") || part.media_type.contains(".foreign.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(manifest: &serde_json::Value) -> Named {
        Named::read(KNOWN[0], manifest.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn lists_of_a_manifest_may_be_null_or_missing() {
        let nulls = json!({"layers": null, "manifests": null, "config": null, "subject": null});
        for manifest in [nulls, json!({})] {
            let named = read(&manifest);
            assert_eq!(named.blobs().count() + named.children().count(), 0);
            assert_eq!(named.subject(), None);
        }
    }

    #[test]
    fn nondistributable_layers_are_not_required() {
        let digest = Digest::sha256(b"layer");
        for kind in [
            "application/vnd.oci.image.layer.nondistributable.v1.tar",
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        ] {
            let manifest = json!({"layers": [{"mediaType": kind, "digest": digest}]});
            assert_eq!(read(&manifest).blobs().count(), 0, "{kind}");
        }
        let manifest = json!({"layers": [{"mediaType": "x", "digest": digest}]});
        assert_eq!(read(&manifest).blobs().count(), 1);
    }

    #[test]
    fn an_invalid_digest_makes_a_known_manifest_unreadable() {
        let manifest = json!({"config": {"digest": "sha256:../../x"}}).to_string();
        assert!(Named::read(KNOWN[0], manifest.as_bytes()).is_err());
    }
}
