//! Forgetting old releases, and removing from the registry what no release names any more.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use fnlocal_registry::{Collected, Digest, Reference, Store, StoreError};

use super::{NamedRelease, ReleaseStoreError, Releases};
use crate::build::{REGISTRY, base_manifests};

/// Younger files stay: they may belong to a build or a push that is under way.
const GRACE: Duration = Duration::from_secs(3600);
/// The tag that every build moves.
const LATEST: &str = "latest";

/// The releases that were removed, or would be.
#[derive(Clone, Debug, Default)]
pub struct Pruned {
    /// Releases.
    pub releases: Vec<NamedRelease>,
    /// Images that no release names: repository and tag.
    pub images: Vec<String>,
    /// The freed space in the registry.
    pub collected: Collected,
}

/// Forgets all but the newest `keep` releases of the project whose `.fnlocal` this is, then the tags
/// of images that neither a release nor `latest` names, then contents nothing names. With `dry_run`
/// it only says which.
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

    fn image(store: &Store, repository: &RepositoryName, text: &str) -> Digest {
        use std::io::Write;
        let mut writer = store.writer().unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        let blob = writer.commit(repository, None).unwrap();
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MEDIA_TYPE,
            "config": {"mediaType": "text/plain", "digest": blob.digest.to_string(), "size": blob.size},
            "layers": [],
        });
        let bytes = manifest.to_string().into_bytes();
        let digest = Digest::sha256(&bytes);
        for tag in [&digest.hex()[..12], LATEST] {
            let reference = Reference::Tag(tag.parse().unwrap());
            store
                .put_manifest(repository, &reference, MEDIA_TYPE, &bytes)
                .unwrap();
        }
        digest
    }

    fn release(created: &str, digest: &Digest) -> NamedRelease {
        NamedRelease::new(Release {
            schema: 1,
            project: "shop".into(),
            created: created.into(),
            fnlocal: "0.1.0".into(),
            commit: None,
            default: None,
            limits: ReleaseLimits::default(),
            packages: vec![ReleasePackage {
                name: "shop".into(),
                repository: "shop/shop".into(),
                digest: digest.to_string(),
                code: "0123456789abcdef".into(),
                entries: Vec::new(),
                functions: Vec::new(),
            }],
        })
        .unwrap()
    }

    #[test]
    fn images_stay_while_a_release_names_them() {
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
}
