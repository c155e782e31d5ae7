//! The store by itself.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use fnlocal_registry::{Blob, Digest, Reference, RepositoryName, Store, StoreError};
use serde_json::json;
use tempfile::TempDir;

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const HOUR: Duration = Duration::from_hours(1);

fn store() -> (Store, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Store::open(folder.path()).unwrap(), folder)
}

fn name(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

fn tag(tag: &str) -> Reference {
    tag.parse().unwrap()
}

fn blob(store: &Store, repository: &str, bytes: &[u8]) -> Blob {
    let mut writer = store.writer().unwrap();
    writer.write_all(bytes).unwrap();
    writer.commit(&name(repository), None).unwrap()
}

fn image_of(config: &Blob, layers: &[&Blob], subject: Option<&Digest>) -> Vec<u8> {
    let part = |blob: &Blob| json!({"mediaType": "application/x", "digest": blob.digest, "size": blob.size});
    let layers: Vec<_> = layers.iter().map(|layer| part(layer)).collect();
    let mut manifest =
        json!({"schemaVersion": 2, "mediaType": IMAGE, "config": part(config), "layers": layers});
    if let Some(subject) = subject {
        manifest["subject"] = json!({"mediaType": IMAGE, "digest": subject, "size": 1});
    }
    manifest.to_string().into_bytes()
}

/// An image with one layer of its own.
fn image(store: &Store, repository: &str, reference: Option<&str>, layer: &str) -> Digest {
    let config = blob(store, repository, b"{}");
    let layer = blob(store, repository, layer.as_bytes());
    let bytes = image_of(&config, &[&layer], None);
    let reference = reference.map_or_else(|| Digest::sha256(&bytes).into(), tag);
    store
        .put_manifest(&name(repository), &reference, IMAGE, &bytes)
        .unwrap()
}

fn has(store: &Store, repository: &str, digest: &Digest) -> bool {
    let reference = digest.clone().into();
    store
        .manifest(&name(repository), &reference)
        .unwrap()
        .is_some()
}

fn collect(store: &Store) -> u64 {
    store
        .collect(Duration::ZERO, &BTreeSet::new())
        .unwrap()
        .blobs
}

#[test]
fn a_manifest_is_found_by_tag_and_digest_after_reopening_the_store() {
    let (store, folder) = store();
    let digest = image(&store, "team/app", Some("v1"), "layer");
    let store = Store::open(folder.path()).unwrap();
    let by_tag = store.manifest(&name("team/app"), &tag("v1")).unwrap();
    let by_tag = by_tag.unwrap();
    assert_eq!(by_tag.digest, digest);
    assert_eq!(by_tag.media_type, IMAGE);
    assert_eq!(Digest::sha256(&by_tag.bytes), digest);
    assert!(has(&store, "team/app", &digest));
    assert_eq!(store.repositories().unwrap(), [name("team/app")]);
    assert_eq!(store.manifest(&name("team"), &tag("v1")).unwrap(), None);
}

#[test]
fn content_with_an_unexpected_digest_leaves_no_files() {
    let (store, folder) = store();
    let mut writer = store.writer().unwrap();
    writer.write_all(b"something").unwrap();
    let refused = writer.commit(&name("a"), Some(&Digest::sha256(b"else")));
    assert!(matches!(refused, Err(StoreError::DigestMismatch { .. })));
    drop(store.writer().unwrap());
    assert_eq!(files(&store, "uploads"), 0);
    assert_eq!(files(&store, "blobs/sha256"), 0);
    drop(folder);
}

#[test]
fn a_manifest_is_refused_until_everything_it_references_exists() {
    let (store, _folder) = store();
    let config = blob(&store, "a", b"{}");
    let elsewhere = blob(&store, "b", b"layer");
    let bytes = image_of(&config, &[&elsewhere], None);
    let put = || store.put_manifest(&name("a"), &tag("v1"), IMAGE, &bytes);
    let missing = |result| matches!(result, Err(StoreError::Missing { digest, .. }) if digest == elsewhere.digest);
    assert!(missing(put()));
    assert!(
        !store
            .mount(&elsewhere.digest, &name("c"), &name("a"))
            .unwrap()
    );
    assert!(
        store
            .mount(&elsewhere.digest, &name("b"), &name("a"))
            .unwrap()
    );
    put().unwrap();
    let child = json!({"mediaType": IMAGE, "digest": Digest::sha256(b"nothing"), "size": 1});
    let index = json!({"schemaVersion": 2, "manifests": [child]}).to_string();
    let refused = store.put_manifest(&name("a"), &tag("i"), INDEX, index.as_bytes());
    assert!(matches!(refused, Err(StoreError::Missing { .. })));
}

#[test]
fn a_corrupt_blob_is_quarantined_and_missing_until_pushed_again() {
    let (store, folder) = store();
    let good = blob(&store, "a", b"good");
    assert!(store.verify(&good.digest).unwrap());
    let path = folder.path().join("blobs/sha256").join(good.digest.hex());
    std::fs::write(&path, b"evil").unwrap();
    assert!(!store.verify(&good.digest).unwrap());
    assert!(!store.has_blob(&name("a"), &good.digest));
    assert!(store.blob(&name("a"), &good.digest).unwrap().is_none());
    assert_eq!(files(&store, "quarantine"), 1);
    blob(&store, "a", b"good");
    assert!(store.verify(&good.digest).unwrap());
    assert!(store.has_blob(&name("a"), &good.digest));
}

#[test]
fn a_corrupt_manifest_is_not_served() {
    let (store, folder) = store();
    let digest = image(&store, "a", Some("v1"), "layer");
    let path = folder.path().join("blobs/sha256").join(digest.hex());
    std::fs::write(&path, b"{}").unwrap();
    assert_eq!(store.manifest(&name("a"), &tag("v1")).unwrap(), None);
    assert_eq!(files(&store, "quarantine"), 1);
    // The list of its blobs is lost, so they stay for the next push.
    collect(&store);
    assert_eq!(image(&store, "a", Some("v1"), "layer"), digest);
}

fn files(store: &Store, folder: &str) -> usize {
    std::fs::read_dir(store.root().join(folder))
        .unwrap()
        .count()
}

#[test]
fn a_collection_removes_only_unreferenced_content() {
    let (store, _folder) = store();
    let tagged = image(&store, "a", Some("v1"), "one");
    let untagged = image(&store, "a", None, "two");
    let loose = blob(&store, "a", b"loose");
    // The untagged manifest, its layer and the loose blob; the config is shared.
    assert_eq!(collect(&store), 3);
    assert!(has(&store, "a", &tagged));
    assert!(!has(&store, "a", &untagged));
    assert!(!store.has_blob(&name("a"), &loose.digest));
    for bytes in [b"one".as_slice(), b"{}"] {
        assert!(store.has_blob(&name("a"), &Digest::sha256(bytes)));
    }
    assert_eq!(collect(&store), 0);
}

#[test]
fn a_collection_keeps_children_referrers_and_digests_named_by_the_caller() {
    let (store, _folder) = store();
    let child = image(&store, "a", None, "child");
    let index = json!({"schemaVersion": 2, "manifests": [{"mediaType": IMAGE, "digest": child, "size": 1}]});
    let index = store
        .put_manifest(&name("a"), &tag("v1"), INDEX, index.to_string().as_bytes())
        .unwrap();
    let config = blob(&store, "a", b"signature");
    let about = image_of(&config, &[], Some(&child));
    let about_reference = Digest::sha256(&about).into();
    let about = store
        .put_manifest(&name("a"), &about_reference, IMAGE, &about)
        .unwrap();
    let kept = image(&store, "a", None, "kept");
    let gone = image(&store, "a", None, "gone");
    let keep = BTreeSet::from([kept.clone()]);
    store.collect(Duration::ZERO, &keep).unwrap();
    for digest in [&child, &index, &about, &kept] {
        assert!(has(&store, "a", digest), "{digest}");
    }
    assert!(!has(&store, "a", &gone));
    for bytes in ["child", "signature", "kept"] {
        assert!(
            store.has_blob(&name("a"), &Digest::sha256(bytes.as_bytes())),
            "{bytes}"
        );
    }
    assert_eq!(store.referrers(&name("a"), &child).unwrap().len(), 1);
}

#[test]
fn a_collection_keeps_content_younger_than_the_grace_period() {
    let (store, _folder) = store();
    let fresh = blob(&store, "a", b"fresh");
    let untagged = image(&store, "b", None, "layer");
    let mut writer = store.writer().unwrap();
    writer.write_all(b"under way").unwrap();
    let collected = store.collect(HOUR, &BTreeSet::new()).unwrap();
    assert_eq!(collected, fnlocal_registry::Collected::default());
    assert!(store.has_blob(&name("a"), &fresh.digest));
    assert!(has(&store, "b", &untagged));
    // However old, what somebody writes to is left alone.
    collect(&store);
    writer.commit(&name("a"), None).unwrap();
}

#[test]
fn a_requested_blob_is_kept_for_another_grace_period() {
    let (store, folder) = store();
    let old = blob(&store, "a", b"old");
    let link = format!("repositories/a/_blobs/sha256-{}", old.digest.hex());
    let link = std::fs::File::options()
        .write(true)
        .open(folder.path().join(link))
        .unwrap();
    let long_ago = std::time::SystemTime::now() - 2 * HOUR;
    link.set_modified(long_ago).unwrap();
    assert!(store.has_blob(&name("a"), &old.digest));
    store.collect(HOUR, &BTreeSet::new()).unwrap();
    assert!(store.has_blob(&name("a"), &old.digest));
    link.set_modified(long_ago).unwrap();
    store.collect(HOUR, &BTreeSet::new()).unwrap();
    assert!(!store.has_blob(&name("a"), &old.digest));
}

#[test]
fn an_empty_repository_does_not_exist_and_leaves_no_folders() {
    let (store, _folder) = store();
    let digest = image(&store, "deep/down/app", Some("v1"), "layer");
    image(&store, "deep/other", Some("v1"), "layer");
    assert!(
        store
            .delete_manifest(&name("deep/down/app"), &digest)
            .unwrap()
    );
    assert!(
        !store
            .delete_manifest(&name("deep/down/app"), &digest)
            .unwrap()
    );
    collect(&store);
    assert_eq!(store.tags(&name("deep/down/app")).unwrap(), None);
    assert!(!store.root().join("repositories/deep/down").exists());
    assert!(has(&store, "deep/other", &digest));
}

#[test]
fn deleting_a_tag_keeps_its_manifest_and_deleting_a_manifest_deletes_its_tags() {
    let (store, _folder) = store();
    let digest = image(&store, "a", Some("v1"), "layer");
    image(&store, "a", Some("V1"), "layer");
    image(&store, "a", Some("v2"), "layer");
    let tags = |store: &Store| -> Vec<String> {
        let tags = store.tags(&name("a")).unwrap().unwrap();
        tags.iter().map(ToString::to_string).collect()
    };
    assert_eq!(tags(&store), ["V1", "v1", "v2"]);
    assert!(
        store
            .delete_tag(&name("a"), &"v2".parse().unwrap())
            .unwrap()
    );
    assert!(has(&store, "a", &digest));
    assert!(store.delete_manifest(&name("a"), &digest).unwrap());
    assert!(tags(&store).is_empty());
}

#[test]
fn an_upload_resumes_at_its_offset_after_reopening_the_store() {
    let (store, folder) = store();
    let id = store.begin_upload(&name("a")).unwrap();
    let mut writer = store.resume_upload(&name("a"), &id, None).unwrap();
    writer.write_all(b"first, ").unwrap();
    assert!(matches!(
        store.resume_upload(&name("a"), &id, None),
        Err(StoreError::BusyUpload)
    ));
    drop(writer);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.upload_size(&name("a"), &id).unwrap(), 7);
    assert!(matches!(
        store.upload_size(&name("b"), &id),
        Err(StoreError::UnknownUpload)
    ));
    let mut writer = store.resume_upload(&name("a"), &id, None).unwrap();
    writer.write_all(b"second").unwrap();
    let expected = Digest::sha256(b"first, second");
    let blob = writer.commit(&name("a"), Some(&expected)).unwrap();
    assert_eq!(blob.size, 13);
    assert!(matches!(
        store.upload_size(&name("a"), &id),
        Err(StoreError::UnknownUpload)
    ));
}

#[test]
fn an_abandoned_upload_is_collected() {
    let (store, _folder) = store();
    let id = store.begin_upload(&name("a")).unwrap();
    store.collect(HOUR, &BTreeSet::new()).unwrap();
    assert!(store.upload_size(&name("a"), &id).is_ok());
    let collected = store.collect(Duration::ZERO, &BTreeSet::new()).unwrap();
    assert_eq!(collected.uploads, 1);
    assert!(matches!(
        store.upload_size(&name("a"), &id),
        Err(StoreError::UnknownUpload)
    ));
}

#[test]
fn content_is_stored_under_the_hash_algorithm_it_was_committed_with() {
    let (store, _folder) = store();
    let expected = Digest::by(fnlocal_registry::Algorithm::Sha512, b"bytes");
    let mut writer = store.writer().unwrap();
    writer.write_all(b"bytes").unwrap();
    let blob = writer.commit(&name("a"), Some(&expected)).unwrap();
    assert_eq!(blob.digest, expected);
    assert!(store.verify(&expected).unwrap());
    assert_eq!(collect(&store), 1);
}

#[test]
fn concurrent_pushes_and_collections_lose_no_acknowledged_content() {
    let (store, folder) = store();
    let pushed: Vec<(String, Digest)> = std::thread::scope(|scope| {
        let pushing: Vec<_> = (0..4)
            .map(|thread| {
                let store = Store::open(folder.path()).unwrap();
                scope.spawn(move || {
                    let mut pushed = Vec::new();
                    for number in 0..25 {
                        let layer = format!("{thread} {number}");
                        let tag = format!("v{thread}.{number}");
                        let config = blob(&store, "a", b"{}");
                        let layer = blob(&store, "a", layer.as_bytes());
                        let bytes = image_of(&config, &[&layer], None);
                        let reference = tag.parse().unwrap();
                        // A blob may go between its commit and the manifest, never unnoticed.
                        let put = store.put_manifest(&name("a"), &reference, IMAGE, &bytes);
                        match put {
                            Ok(digest) => pushed.push((tag, digest)),
                            Err(error) => assert!(matches!(error, StoreError::Missing { .. })),
                        }
                    }
                    pushed
                })
            })
            .collect();
        while !pushing
            .iter()
            .all(std::thread::ScopedJoinHandle::is_finished)
        {
            collect(&store);
        }
        let pushed = pushing.into_iter().map(|thread| thread.join().unwrap());
        pushed.flatten().collect()
    });
    collect(&store);
    for (tagged, digest) in pushed {
        let manifest = store.manifest(&name("a"), &tag(&tagged)).unwrap().unwrap();
        assert_eq!(manifest.digest, digest);
        let manifest: serde_json::Value = serde_json::from_slice(&manifest.bytes).unwrap();
        let layer = manifest["layers"][0]["digest"].as_str().unwrap();
        assert!(store.verify(&layer.parse().unwrap()).unwrap());
    }
}
