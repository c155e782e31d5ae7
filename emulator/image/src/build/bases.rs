//! Bases found once per person, not once per project: kept in a store in the person's cache, and
//! copied from there.

use std::path::{Path, PathBuf};

use fnlocal_registry::{Digest, Store};

use super::Site;
use super::error::{BuildError, bug};
use super::records::BuildRecords;
use super::report::BuildProgress;
use crate::ImageError;
use crate::oci::base::{self, BaseSources, StoredBase};
use crate::oci::manifest::ImagePlatform;
use fnlocal_language::Language;

/// The name of this kind of record.
const KIND: &str = "base";

/// A store of bases, and what is known of them.
struct SharedBases {
    store: Store,
    records: BuildRecords,
}

/// The base of the project's images in a language for a platform, and whether the project had it.
pub(super) async fn get(
    site: &Site<'_>,
    language: &'static dyn Language,
    platform: ImagePlatform,
) -> Result<(StoredBase, bool), BuildError> {
    let wanted = site.project.config().build.base_image.as_deref();
    named(site, language, wanted, platform).await
}

/// The default base for a platform, whatever the project's images stand on.
pub(super) async fn usual(
    site: &Site<'_>,
    platform: ImagePlatform,
) -> Result<StoredBase, BuildError> {
    let language = fnlocal_language::usual();
    Ok(named(site, language, None, platform).await?.0)
}

async fn named(
    site: &Site<'_>,
    language: &'static dyn Language,
    wanted: Option<&str>,
    platform: ImagePlatform,
) -> Result<(StoredBase, bool), BuildError> {
    let key = base::key(language, wanted, platform);
    if !site.pull
        && let Some(known) = site.records.get::<StoredBase>(KIND, &key)
        && known.holds(&site.store, language).await
    {
        return Ok((known, true));
    }
    let shared = shared(site);
    let known = shared.records.get::<StoredBase>(KIND, &key);
    let found = match known {
        Some(known) if !site.pull && known.holds(&shared.store, language).await => known,
        _ => find(site, &shared.store, language, wanted, platform).await?,
    };
    shared.records.put(KIND, &key, &found);
    site.report(BuildProgress::Note(format!("base image: {}", found.origin)));
    let (from, to, copied) = (shared.store, site.store.clone(), found.clone());
    let copying = tokio::task::spawn_blocking(move || copied.copy(&from, &to));
    copying.await.map_err(bug)??;
    site.records.put(KIND, &key, &found);
    Ok((found, false))
}

/// Manifests of the bases a project has, whatever platform they are for. Nothing names them in the
/// registry but these records.
pub fn manifests(state: &Path) -> Vec<Digest> {
    let records = BuildRecords::new(state.join(super::RECORDS));
    let all = records.all::<StoredBase>(KIND).into_iter();
    all.map(|base| base.manifest().clone()).collect()
}

/// Returns the base of a project's builds, and the reason; `None` before the first build.
pub fn known(state: &Path, wanted: Option<&str>, language: &dyn Language) -> Option<String> {
    let key = base::key(language, wanted, ImagePlatform::here());
    let folders = [Some(state.to_owned()), cache()];
    let mut records = folders
        .into_iter()
        .flatten()
        .map(|folder| BuildRecords::new(folder.join(super::RECORDS)));
    records.find_map(|records| Some(records.get::<StoredBase>(KIND, &key)?.origin))
}

async fn find(
    site: &Site<'_>,
    store: &Store,
    language: &'static dyn Language,
    wanted: Option<&str>,
    platform: ImagePlatform,
) -> Result<StoredBase, BuildError> {
    let engine = site.engine("taking the base from it").await;
    let sources = BaseSources {
        store,
        language,
        wanted,
        platform,
        engine: match &engine {
            Ok(engine) => Ok(&engine.docker),
            Err(BuildError::Engine { source, .. }) => Err(source.to_string()),
            Err(error) => Err(error.to_string()),
        },
        interpreter: None,
    };
    let progress = |text| site.report(BuildProgress::Note(text));
    Ok(base::find(&sources, &progress).await?)
}

/// The person's, or the project's own where there is no cache to write to.
fn shared(site: &Site<'_>) -> SharedBases {
    let opened = cache().map(|folder| -> Result<SharedBases, ImageError> {
        Ok(SharedBases {
            store: Store::open(&folder.join(super::REGISTRY))?,
            records: BuildRecords::new(folder.join(super::RECORDS)),
        })
    });
    match opened {
        Some(Ok(shared)) => shared,
        Some(Err(_)) | None => SharedBases {
            store: site.store.clone(),
            records: site.records.clone(),
        },
    }
}

/// Where bases are kept for all projects of a person.
pub fn cache() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = named.filter(|folder| folder.is_absolute());
    let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
    Some(cache.join("fnlocal"))
}
