//! The gateway image: a base image that is in the store, and the `fnlocal` binary on top.
//!
//! The image has no Docker client: the node talks to the engine's socket. Its layer is not
//! compressed, so that the same binary gives the same digest whatever compresses elsewhere.

mod known;

use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

use fnlocal_api::UserError;
use fnlocal_registry::{Digest, RepositoryName, Store};
use serde_json::{Value, json};

use crate::delivery::MANIFEST_TYPE;
use crate::error::{CloudError, CloudErrorKind};
use known::{BinaryStamp, RememberedBinary};

/// Where the binary is in the image.
pub const BINARY: &str = "usr/local/bin/fnlocal";
/// The repository of gateway images in the store.
pub const REPOSITORY: &str = "fnlocal/gateway";

/// Composes the gateway image from a base image for one processor; returns its digest. The same
/// base and binary give the same digest. `known` is a file that remembers the binary's layer, so
/// that one that has not changed is not read again.
///
/// # Errors
/// The base is not in the store or is no image for one processor, or the binary cannot be read.
pub fn compose(
    store: &Store,
    base_in: &RepositoryName,
    base: &Digest,
    binary: &Path,
    known: &Path,
) -> Result<Digest, CloudError> {
    let repository = repository();
    let manifest = store
        .manifest(base_in, &base.clone().into())
        .map_err(broken)?;
    let manifest = manifest.ok_or_else(|| no_base(base))?;
    let manifest: Value = serde_json::from_slice(&manifest.bytes).map_err(|_| no_base(base))?;
    let config_digest: Digest = text(&manifest["config"]["digest"])
        .parse()
        .map_err(|_| no_base(base))?;
    let config = store.blob(base_in, &config_digest).map_err(broken)?;
    let (config, _) = config.ok_or_else(|| no_base(base))?;
    let mut config: Value = serde_json::from_reader(config).map_err(|_| no_base(base))?;
    let mut layers = manifest["layers"].as_array().cloned().unwrap_or_default();
    for layer in &layers {
        let digest: Digest = text(&layer["digest"]).parse().map_err(|_| no_base(base))?;
        if !store.mount(&digest, base_in, &repository).map_err(broken)? {
            return Err(no_base(base));
        }
    }
    let (digest, size) = put_binary(store, &repository, binary, known)?;
    layers.push(json!({
        "mediaType": "application/vnd.oci.image.layer.v1.tar",
        "digest": digest.to_string(),
        "size": size,
    }));
    if let Some(ids) = config["rootfs"]["diff_ids"].as_array_mut() {
        ids.push(digest.to_string().into());
    }
    if let Some(fields) = config.as_object_mut() {
        // One entry a layer, or none at all.
        fields.remove("history");
    }
    config["config"]["Entrypoint"] = json!([format!("/{BINARY}")]);
    config["config"]["Cmd"] = Value::Null;
    // The node talks to the engine's socket, which belongs to root.
    config["config"]["User"] = json!("0:0");
    let (digest, size) = put(store, &repository, config.to_string().as_bytes())?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest.to_string(),
            "size": size,
        },
        "layers": layers,
    });
    let bytes = manifest.to_string().into_bytes();
    let digest = Digest::sha256(&bytes);
    let reference = digest.clone().into();
    store
        .put_manifest(&repository, &reference, MANIFEST_TYPE, &bytes)
        .map_err(broken)
}

/// [`REPOSITORY`], parsed.
pub(crate) fn repository() -> RepositoryName {
    REPOSITORY.parse().expect("the name is valid")
}

/// The layer of a binary: as it was the last time, if the binary has not changed.
fn put_binary(
    store: &Store,
    repository: &RepositoryName,
    binary: &Path,
    known: &Path,
) -> Result<(Digest, u64), CloudError> {
    let metadata = std::fs::metadata(binary).map_err(|error| unreadable(binary, error))?;
    // Before it is read, so that a change meanwhile shows.
    let stamp = BinaryStamp::from_metadata(&metadata, SystemTime::now());
    let before = stamp.and_then(|stamp| RememberedBinary::find(known, binary, &stamp));
    if let Some((digest, size)) = before
        && store.has_blob(repository, &digest)
    {
        return Ok((digest, size));
    }
    let (digest, size) = put(store, repository, &layer(binary)?)?;
    if let Some(stamp) = stamp {
        RememberedBinary::new(binary, stamp, &digest, size).keep(known);
    }
    Ok((digest, size))
}

fn unreadable(binary: &Path, error: std::io::Error) -> CloudError {
    CloudError::new(
        CloudErrorKind::Failed,
        format!("{} cannot be read", binary.display()),
    )
    .because(error)
    .hint("name a `fnlocal` built for Linux and the nodes' processor")
}

/// A layer with nothing but the binary, as of no particular time.
fn layer(binary: &Path) -> Result<Vec<u8>, CloudError> {
    let unreadable = |error| unreadable(binary, error);
    let bytes = std::fs::read(binary).map_err(unreadable)?;
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    let mut archive = tar::Builder::new(Vec::with_capacity(bytes.len() + 2048));
    archive
        .append_data(&mut header, BINARY, bytes.as_slice())
        .map_err(unreadable)?;
    archive.into_inner().map_err(unreadable)
}

fn put(
    store: &Store,
    repository: &RepositoryName,
    bytes: &[u8],
) -> Result<(Digest, u64), CloudError> {
    let digest = Digest::sha256(bytes);
    if store.has_blob(repository, &digest) {
        return Ok((digest, bytes.len() as u64));
    }
    let mut writer = store.writer().map_err(broken)?;
    writer.write_all(bytes).map_err(|error| {
        CloudError::new(
            CloudErrorKind::Failed,
            "the local registry cannot be written",
        )
        .because(error)
        .hint("look whether the disk is full")
    })?;
    let blob = writer.commit(repository, None).map_err(broken)?;
    Ok((blob.digest, blob.size))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn no_base(base: &Digest) -> CloudError {
    CloudError::new(
        CloudErrorKind::Failed,
        format!("{base} in the local registry is no image to build on"),
    )
    .hint("run `fnlocal build`")
}

fn broken(error: fnlocal_registry::StoreError) -> CloudError {
    let hint = error
        .hint()
        .unwrap_or_else(|| "run `fnlocal doctor`".to_owned());
    CloudError::new(CloudErrorKind::Failed, "the local registry cannot be used")
        .because(error)
        .hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store, RepositoryName) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        (folder, store, "base".parse().unwrap())
    }

    #[test]
    fn the_same_base_and_binary_give_the_same_gateway_image_with_the_layers_of_the_base() {
        let (folder, store, base_in) = store();
        let (layer, size) = put(&store, &base_in, b"layer").unwrap();
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": { "Entrypoint": ["node"], "Cmd": ["x"] },
            "rootfs": { "type": "layers", "diff_ids": [layer.to_string()] },
        });
        let (config, _) = put(&store, &base_in, config.to_string().as_bytes()).unwrap();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": { "mediaType": "c", "digest": config.to_string(), "size": 1 },
            "layers": [{ "mediaType": "l", "digest": layer.to_string(), "size": size }],
        });
        let bytes = manifest.to_string().into_bytes();
        let base = Digest::sha256(&bytes);
        let reference = base.clone().into();
        store
            .put_manifest(&base_in, &reference, MANIFEST_TYPE, &bytes)
            .unwrap();
        let binary = folder.path().join("fnlocal");
        std::fs::write(&binary, "binary").unwrap();

        let known = folder.path().join("known");
        let image = compose(&store, &base_in, &base, &binary, &known).unwrap();
        let again = compose(&store, &base_in, &base, &binary, &known).unwrap();
        assert_eq!(again, image);
        let repository: RepositoryName = REPOSITORY.parse().unwrap();
        let manifest = store.manifest(&repository, &image.into()).unwrap().unwrap();
        let manifest: Value = serde_json::from_slice(&manifest.bytes).unwrap();
        assert_eq!(manifest["layers"][0]["digest"], layer.to_string());
        let config: Digest = text(&manifest["config"]["digest"]).parse().unwrap();
        let (config, _) = store.blob(&repository, &config).unwrap().unwrap();
        let config: Value = serde_json::from_reader(config).unwrap();
        assert_eq!(
            config["config"]["Entrypoint"],
            json!(["/usr/local/bin/fnlocal"])
        );
        assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);

        let error =
            compose(&store, &base_in, &Digest::sha256(b"none"), &binary, &known).unwrap_err();
        assert!(error.hint.is_some());
    }
}
