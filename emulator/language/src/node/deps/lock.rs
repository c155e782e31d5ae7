//! The lock file that an install follows.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::super::install::LOCKFILES;
use super::super::manager::Manager;
use super::contents;
use super::mirror::DependencyMirror;
use crate::InstallFileError;

/// A package manager in a version, its name, and what its lock file holds.
type Lock = (Manager, &'static str, Vec<u8>);

/// The package's own lock file, or one that cannot be used: of a package manager we do not run, or
/// in the project's folder, where it belongs to a workspace and does not describe the package
/// alone.
pub(super) fn find_lock(
    (root, project): (&Path, &Path),
    mirror: Option<&DependencyMirror>,
    manifest: &Map<String, Value>,
) -> Result<(Option<Lock>, Option<PathBuf>), InstallFileError> {
    let mut other = None;
    let own = mirror.map_or(root, |mirror| &*mirror.run_in);
    // The workspace's package.json names the package manager.
    let manifest = mirror
        .and_then(|mirror| mirror.manifest.as_ref())
        .unwrap_or(manifest);
    for folder in [own, project] {
        for lock in LOCKFILES {
            let path = folder.join(lock.name);
            if !path.is_file() {
                continue;
            }
            if folder == own
                && let Some(bytes) = contents(project, &path)?
                && let Some(manager) = Manager::from_lockfile(lock.manager, &bytes, manifest)
            {
                return Ok((Some((manager, lock.manager, bytes)), None));
            }
            other = other.or(Some(path));
        }
    }
    Ok((None, other))
}

/// Returns a lock file's name where it is used; npm's two files get the same name.
pub(super) fn name_of(manager: &str) -> &'static str {
    match manager {
        "yarn" => "yarn.lock",
        "pnpm" => "pnpm-lock.yaml",
        "bun" => "bun.lock",
        _ => "package-lock.json",
    }
}
