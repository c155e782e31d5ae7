//! The lock file that an install follows.

use std::path::PathBuf;

use fnlocal_project::{LOCKFILES, LockfileKind, Package};
use serde_json::{Map, Value};

use super::super::error::ImageError;
use super::super::manager::Manager;
use super::contents;
use super::mirror::DependencyMirror;

/// A package manager, whose lock file it is, and what the file holds.
type Lock = (Manager, LockfileKind, Vec<u8>);

/// The package's own lock file, or one that cannot be used: of a package manager we do not run, or
/// in the project's folder, where it belongs to a workspace and does not describe the package
/// alone.
pub(super) fn find_lock(
    package: &Package,
    mirror: Option<&DependencyMirror>,
    manifest: &Map<String, Value>,
) -> Result<(Option<Lock>, Option<PathBuf>), ImageError> {
    let mut other = None;
    let own = mirror.map_or(&package.root, |mirror| &mirror.run_in);
    // The workspace's package.json names the package manager.
    let manifest = mirror
        .and_then(|mirror| mirror.manifest.as_ref())
        .unwrap_or(manifest);
    for folder in [own, &package.project_root] {
        for (name, kind) in LOCKFILES {
            let path = folder.join(name);
            if !path.is_file() {
                continue;
            }
            if folder == own
                && let Some(bytes) = contents(&package.project_root, &path)?
                && let Some(manager) = Manager::from_lockfile(kind, &bytes, manifest)
            {
                return Ok((Some((manager, kind, bytes)), None));
            }
            other = other.or(Some(path));
        }
    }
    Ok((None, other))
}

/// Returns a lock file's name where it is used; npm's two files get the same name.
pub(super) fn name_of(kind: LockfileKind) -> &'static str {
    match kind {
        LockfileKind::Npm => "package-lock.json",
        LockfileKind::Yarn => "yarn.lock",
        LockfileKind::Pnpm => "pnpm-lock.yaml",
        LockfileKind::Bun => "bun.lock",
    }
}
