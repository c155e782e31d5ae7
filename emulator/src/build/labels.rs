//! What an image says of itself.

use std::collections::BTreeMap;

use fnlocal_registry::Digest;

use super::git::Commit;
use crate::image::PROJECT;
use crate::project::DescribedModule;

/// What can be read off an image. Nothing of the machine or the time, and a commit only if the
/// files are the commit's: two clones of it then give one image.
pub(super) fn of(
    project: &str,
    source: &Digest,
    functions: &[DescribedModule],
    commit: Option<&Commit>,
) -> BTreeMap<String, String> {
    let text = |value: &DescribedModule| serde_json::to_value(value).unwrap_or_default();
    let described: Vec<_> = functions.iter().map(text).collect();
    let mut labels = BTreeMap::from([
        ("dev.fnlocal.source".to_owned(), source.to_string()),
        (
            "dev.fnlocal.functions".to_owned(),
            serde_json::Value::from(described).to_string(),
        ),
        (PROJECT.to_owned(), project.to_owned()),
        (
            "dev.fnlocal.version".to_owned(),
            env!("CARGO_PKG_VERSION").to_owned(),
        ),
    ]);
    if let Some(commit) = commit.filter(|commit| !commit.dirty) {
        let revision = "org.opencontainers.image.revision";
        labels.insert(revision.to_owned(), commit.hash.clone());
    }
    labels
}
