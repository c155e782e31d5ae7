//! Forgetting old releases, and removing from the registry what no release names any more.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use fnlocal_registry::{Collected, Digest, Reference, RepositoryName, Store, StoreError, Tag};
use serde_json::Value;

use super::{NamedRelease, ReleaseStoreError, Releases};
use crate::PROJECT;
use crate::build::{REGISTRY, base_manifests};
use crate::oci::content;

/// Younger files stay: they may belong to a build or a push that is under way.
const GRACE: Duration = Duration::from_secs(3600);
/// The tag that every build moves.
const LATEST: &str = "latest";

/// The releases that were removed, or would be.
#[derive(Clone, Debug, Default)]
pub struct Pruned {
    pub releases: Vec<NamedRelease>,
    /// Images that no release names: repository and tag.
    pub images: Vec<String>,
    /// The freed space in the registry.
    pub collected: Collected,
}

/// Forgets all but the newest `keep` releases of the project whose `.fnlocal` this is, then the tags
/// that builds gave to images that neither a release nor `latest` names, then contents nothing
/// names. Tags that others pushed stay, with what they name. With `dry_run` it only says which.
///
/// # Errors
/// [`PruneError`]; what was removed until then was not needed.
pub fn prune(state: &Path, keep: usize, dry_run: bool) -> Result<Pruned, PruneError> {
    let releases = Releases::in_state(state);
    let mut kept = releases.list()?;
    let old = kept.split_off(keep.min(kept.len()));
    let named = digests(&kept);
    let mut pruned = Pruned {
        releases: old,
        ..Pruned::default()
    };
    if !dry_run {
        for release in &pruned.releases {
            releases.remove(release)?;
        }
    }
    if !state.join(REGISTRY).is_dir() {
        return Ok(pruned);
    }
    let store = Store::open(&state.join(REGISTRY))?;
    for repository in store.repositories()? {
        let latest = LATEST.parse().ok();
        let latest = latest.map(|tag| store.manifest(&repository, &Reference::Tag(tag)));
        let latest = latest.transpose()?.flatten().map(|found| found.digest);
        for tag in store.tags(&repository)?.unwrap_or_default() {
            let reference = Reference::Tag(tag.clone());
            let Some(found) = store.manifest(&repository, &reference)? else {
                continue;
            };
            if named.contains(&found.digest) || latest.as_ref() == Some(&found.digest) {
                continue;
            }
            if !was_built_here(&store, &repository, &tag, &found.digest) {
                continue;
            }
            pruned.images.push(format!("{repository}:{tag}"));
            if !dry_run {
                store.delete_tag(&repository, &tag)?;
            }
        }
    }
    if !dry_run {
        let mut stays = named;
        stays.extend(base_manifests(state));
        pruned.collected = store.collect(GRACE, &stays)?;
    }
    Ok(pruned)
}

/// Returns whether a build gave this tag to an image that it made: a tag by the content, to what
/// says that it is a project's. An image that cannot be read was not built here.
fn was_built_here(store: &Store, repository: &RepositoryName, tag: &Tag, digest: &Digest) -> bool {
    *tag == content::tag(digest) && has_project(store, repository, digest).unwrap_or(false)
}

/// Returns whether an image has the label of a project, or the first of an index; `None` if that
/// cannot be read.
fn has_project(store: &Store, repository: &RepositoryName, digest: &Digest) -> Option<bool> {
    let manifest = |digest: &Digest| {
        let bytes = content::manifest(store, repository, digest).ok()?;
        serde_json::from_slice::<Value>(&bytes).ok()
    };
    let digest_of = |one: &Value| one["digest"].as_str()?.parse::<Digest>().ok();
    let mut image = manifest(digest)?;
    if let Some(first) = image["manifests"].get(0) {
        image = manifest(&digest_of(first)?)?;
    }
    let config = content::bytes(store, repository, &digest_of(&image["config"])?).ok()?;
    let config: Value = serde_json::from_slice(&config).ok()?;
    Some(config["config"]["Labels"].get(PROJECT).is_some())
}

fn digests(kept: &[NamedRelease]) -> BTreeSet<Digest> {
    let packages = kept.iter().flat_map(|kept| &kept.release.packages);
    packages
        .filter_map(|package| package.digest.parse().ok())
        .collect()
}

/// Why not everything was removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// Releases cannot be read or removed.
    #[error(transparent)]
    Releases(#[from] ReleaseStoreError),
    /// The registry cannot be read or changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fnlocal_api::user_error!(PruneError [Releases, Store] {});

#[cfg(test)]
mod tests {
    use super::*;
    use fnlocal_core::release::{Release, ReleaseLimits, ReleasePackage};
    use fnlocal_registry::RepositoryName;

    const MEDIA_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

    fn put(store: &Store, repository: &RepositoryName, tags: &[&str], config: &str) -> Digest {
        use std::io::Write;
        let mut writer = store.writer().unwrap();
        writer.write_all(config.as_bytes()).unwrap();
        let blob = writer.commit(repository, None).unwrap();
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MEDIA_TYPE,
            "config": {"mediaType": "text/plain", "digest": blob.digest.to_string(), "size": blob.size},
            "layers": [],
        });
        let bytes = manifest.to_string().into_bytes();
        let digest = Digest::sha256(&bytes);
        let own = content::tag(&digest);
        for tag in [own.as_str()].iter().chain(tags) {
            let reference = Reference::Tag(tag.parse().unwrap());
            store
                .put_manifest(repository, &reference, MEDIA_TYPE, &bytes)
                .unwrap();
        }
        digest
    }

    fn config(text: &str, label: &str) -> String {
        format!(r#"{{"comment":"{text}","config":{{"Labels":{{"{label}":"shop"}}}}}}"#)
    }

    /// An image as a build leaves it.
    fn image(store: &Store, repository: &RepositoryName, text: &str) -> Digest {
        put(store, repository, &[LATEST], &config(text, PROJECT))
    }

    fn release(created: &str, digest: &Digest) -> NamedRelease {
        NamedRelease::new(Release {
            schema: 1,
            project: "shop".into(),
            created: created.into(),
            fnlocal: "0.1.0".into(),
            commit: None,
            default: None,
            routes: Vec::new(),
            limits: ReleaseLimits::default(),
            packages: vec![ReleasePackage {
                name: "shop".into(),
                repository: "shop/shop".into(),
                digest: digest.to_string(),
                code: "0123456789abcdef".into(),
                language: None,
                entries: Vec::new(),
                functions: Vec::new(),
            }],
        })
        .unwrap()
    }

    #[test]
    fn prune_keeps_images_of_retained_releases_and_the_latest_build() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(&state.path().join(REGISTRY)).unwrap();
        let repository: RepositoryName = "shop/shop".parse().unwrap();
        let releases = Releases::in_state(state.path());
        let images: Vec<Digest> = ["one", "two", "three", "four"]
            .map(|text| image(&store, &repository, text))
            .to_vec();
        for (day, digest) in images.iter().take(3).enumerate() {
            releases
                .put(&release(&format!("2026-01-0{}T00:00:00Z", day + 1), digest))
                .unwrap();
        }
        let tags = || store.tags(&repository).unwrap().unwrap().len();
        let seen = prune(state.path(), 1, true).unwrap();
        assert_eq!((seen.releases.len(), seen.images.len()), (2, 2));
        assert_eq!((releases.list().unwrap().len(), tags()), (3, 5));

        let done = prune(state.path(), 1, false).unwrap();
        assert_eq!((done.releases.len(), done.images.len()), (2, 2));
        let left = releases.list().unwrap();
        assert_eq!(left[0].release.packages[0].digest, images[2].to_string());
        // The release's, and what was built last.
        for digest in &images[2..] {
            let reference = Reference::Digest(digest.clone());
            assert!(store.manifest(&repository, &reference).unwrap().is_some());
        }
        assert_eq!(tags(), 3);
        // Young contents are not collected yet.
        assert_eq!(done.collected, Collected::default());
        let again = prune(state.path(), 1, false).unwrap();
        assert!(again.releases.is_empty() && again.images.is_empty());
    }

    #[test]
    fn prune_keeps_tags_pushed_by_users_and_their_images() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(&state.path().join(REGISTRY)).unwrap();
        let [ours, theirs]: [RepositoryName; 2] =
            ["shop/shop", "mirror/node"].map(|name| name.parse().unwrap());
        let old = image(&store, &ours, "old");
        let tag = |digest: &Digest, tag: &str| {
            let found = store.manifest(&ours, &Reference::Digest(digest.clone()));
            let bytes = found.unwrap().unwrap().bytes;
            let tag = Reference::Tag(tag.parse().unwrap());
            store.put_manifest(&ours, &tag, MEDIA_TYPE, &bytes).unwrap();
        };
        // A user gave names of their own to an image that was built here, and pushed images of
        // their own, one of them with a tag by its content.
        tag(&old, "stable");
        tag(&old, "v1.2.3");
        let foreign = put(&store, &ours, &["sidecar"], &config("x", "org.example"));
        put(&store, &theirs, &["26-slim"], "no configuration");
        let new = image(&store, &ours, "new");
        let done = prune(state.path(), 0, false).unwrap();
        assert_eq!(done.images, [format!("{ours}:{}", content::tag(&old))]);
        let tags = |repository| store.tags(repository).unwrap().unwrap();
        let left: BTreeSet<String> = tags(&ours).iter().map(ToString::to_string).collect();
        let wanted = ["stable", "v1.2.3", "sidecar", LATEST].map(str::to_owned);
        let by_content = [&foreign, &new].map(|digest| content::tag(digest).to_string());
        assert_eq!(left, wanted.into_iter().chain(by_content).collect());
        assert_eq!(tags(&theirs).len(), 2);
        for digest in [old, foreign] {
            let reference = Reference::Digest(digest);
            assert!(store.manifest(&ours, &reference).unwrap().is_some());
        }
    }
}
