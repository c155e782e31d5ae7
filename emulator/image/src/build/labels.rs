//! The labels of an image.

use std::collections::BTreeMap;

use fnlocal_registry::Digest;

use super::git::GitCommit;
use crate::PROJECT;
use crate::host;

/// The labels of an image without code: whose its dependencies are, or that all projects share it.
pub(super) fn below(project: &str, has_deps: bool) -> BTreeMap<String, String> {
    let label = match has_deps {
        true => (PROJECT, project),
        false => (host::KEY, "runner"),
    };
    BTreeMap::from([(label.0.to_owned(), label.1.to_owned())])
}

/// Returns the labels of an image. Nothing of the machine or the time, and a commit only if the
/// files are the commit's: two clones of it then give one image.
///
/// Its functions are not among it: what code exports is known once it has run, and may differ with
/// where it runs, which a digest must not. The image says them when it is started with
/// `--describe`, and a release has them.
pub fn image_labels(
    project: &str,
    source: &Digest,
    commit: Option<&GitCommit>,
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        ("dev.fnlocal.source".to_owned(), source.to_string()),
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
