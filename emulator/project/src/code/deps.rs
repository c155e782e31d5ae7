//! The dependencies of a package, as a hash: when it changes, so does the deps layer.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::scan::first_eight;
use crate::Package;
use crate::files::{Stamp, read_inside};
use crate::manifest::{DEPENDENCY_FIELDS, LOCKFILES};

/// Hash of what package.json asks for, of the lock file, and of `.npmrc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DepsHash(pub u64);

impl fmt::Display for DepsHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Settings of package managers.
const SETTINGS: [&str; 3] = [".npmrc", ".yarnrc.yml", "pnpm-workspace.yaml"];

/// Remembers the hash while the files it is made of stay as they are.
#[derive(Debug)]
pub(super) struct DepsCache {
    /// Where a lock file may be, the nearest first.
    folders: Vec<PathBuf>,
    known: Option<(Vec<Option<Stamp>>, Option<DepsHash>)>,
}

impl DepsCache {
    pub fn new(package: &Package) -> Self {
        let mut folders = vec![package.root.clone(), package.project_root.clone()];
        folders.dedup();
        Self {
            folders,
            known: None,
        }
    }

    /// The hash as of now.
    pub fn hash(&mut self, root: &Path) -> Result<Option<DepsHash>, (PathBuf, io::Error)> {
        let now = SystemTime::now();
        let stamps: Vec<Option<Stamp>> = self
            .paths(root)
            .iter()
            .map(|path| fs::metadata(path).ok().as_ref().map(Stamp::of))
            .collect();
        if let Some((known, hash)) = &self.known
            && *known == stamps
        {
            return Ok(*hash);
        }
        let hash = self.compute(root)?;
        let settled = stamps.iter().flatten().all(|stamp| stamp.would_show(now));
        self.known = settled.then_some((stamps, hash));
        Ok(hash)
    }

    /// Everything the hash depends on.
    fn paths(&self, root: &Path) -> Vec<PathBuf> {
        let mut paths = vec![root.join("package.json")];
        for folder in &self.folders {
            paths.extend(SETTINGS.map(|name| folder.join(name)));
            paths.extend(LOCKFILES.iter().map(|(name, _)| folder.join(name)));
        }
        paths
    }

    fn compute(&self, root: &Path) -> Result<Option<DepsHash>, (PathBuf, io::Error)> {
        let project = self.folders.last().unwrap_or(&self.folders[0]);
        let contents = |path: &Path| contents(project, path);
        let Some(manifest) = contents(&root.join("package.json"))? else {
            return Ok(None);
        };
        // A manifest that does not parse is the project's to complain about; here it asks for
        // nothing.
        let manifest: Map<String, Value> = serde_json::from_slice(&manifest).unwrap_or_default();
        let asks = ["dependencies", "optionalDependencies"].iter().any(
            |field| matches!(manifest.get(*field), Some(Value::Object(map)) if !map.is_empty()),
        );
        if !asks {
            return Ok(None);
        }
        let mut hasher = Sha256::new();
        let mut part = |name: &str, bytes: &[u8]| {
            hasher.update((name.len() as u64).to_le_bytes());
            hasher.update(name);
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        for field in DEPENDENCY_FIELDS {
            if let Some(value) = manifest.get(field) {
                part(field, value.to_string().as_bytes());
            }
        }
        for folder in &self.folders {
            for name in SETTINGS {
                if let Some(bytes) = contents(&folder.join(name))? {
                    part(name, &bytes);
                }
            }
        }
        let locks = self
            .folders
            .iter()
            .flat_map(|folder| LOCKFILES.map(|(name, _)| (name, folder.join(name))));
        for (name, path) in locks {
            if let Some(bytes) = contents(&path)? {
                part(name, &bytes);
                break;
            }
        }
        Ok(Some(DepsHash(first_eight(&hasher.finalize()).0)))
    }
}

fn contents(project: &Path, path: &Path) -> Result<Option<Vec<u8>>, (PathBuf, io::Error)> {
    match read_inside(project, path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err((path.to_owned(), error)),
    }
}
