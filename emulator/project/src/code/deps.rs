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
use crate::files::{Memo, Stamp, Tree, WalkEntry, read_inside};
use crate::inputs::{InstallInputs, InstallScripts};
use crate::local::{LocalDependencies, library, read_manifest};
use crate::manifest::{DEPENDENCY_FIELDS, LOCKFILES};

/// Hash of what package.json asks for, of the lock file, of settings, and of the files that these
/// and the package's own scripts name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DepsHash(pub u64);

impl fmt::Display for DepsHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Settings of package managers.
const SETTINGS: [&str; 3] = [".npmrc", ".yarnrc.yml", "pnpm-workspace.yaml"];

/// The stamps of files, in the order of their paths.
type Stamps = Vec<(PathBuf, Option<Stamp>)>;

/// Remembers the hash while the files it is made of stay as they are.
#[derive(Debug)]
pub(super) struct DepsCache {
    package: Package,
    /// The dependencies inside the project, as of the last computation.
    local: Option<LocalDependencies>,
    /// Where a lock file may be, the nearest first.
    folders: Vec<PathBuf>,
    known: Option<(Stamps, Option<DepsHash>)>,
}

impl DepsCache {
    pub fn new(package: &Package) -> Self {
        let mut folders = vec![package.root.clone(), package.project_root.clone()];
        folders.dedup();
        Self {
            package: package.clone(),
            local: None,
            folders,
            known: None,
        }
    }

    /// The hash as of now.
    pub fn hash(&mut self, root: &Path) -> Result<Option<DepsHash>, (PathBuf, io::Error)> {
        let now = SystemTime::now();
        let mut stamps = self.stamps(root);
        if let Some((known, hash)) = &self.known
            && *known == stamps
        {
            return Ok(*hash);
        }
        // The install reports errors in them.
        let local = LocalDependencies::of(&self.package).unwrap_or_default();
        if local != self.local {
            self.local = local;
            stamps = self.stamps(root);
        }
        let hash = self.compute(root)?;
        let settled = stamps
            .iter()
            .filter_map(|(_, stamp)| stamp.as_ref())
            .all(|stamp| stamp.would_show(now));
        self.known = settled.then_some((stamps, hash));
        Ok(hash)
    }

    /// Everything the hash depends on, as it is now.
    fn stamps(&self, root: &Path) -> Stamps {
        let mut stamps: Stamps = self
            .paths(root)
            .into_iter()
            .map(|path| {
                let stamp = fs::metadata(&path).ok().as_ref().map(Stamp::of);
                (path, stamp)
            })
            .collect();
        for folder in self.local.iter().flat_map(|local| &local.folders) {
            let tree = Tree::of(&library(folder, &self.package, Vec::new()));
            // The install reports an error that ends the walk.
            let _ended = tree.walk(&mut Memo::default(), &mut |found| {
                if let WalkEntry::File { path, metadata, .. } = found {
                    stamps.push((path.to_owned(), Some(Stamp::of(metadata))));
                }
                true
            });
        }
        stamps
    }

    fn paths(&self, root: &Path) -> Vec<PathBuf> {
        let mut paths = vec![root.join("package.json")];
        if let Some(local) = &self.local {
            let folders = local.members.iter().chain(Some(&local.run_in));
            paths.extend(folders.map(|folder| folder.join("package.json")));
            paths.extend(SETTINGS.map(|name| local.run_in.join(name)));
            paths.extend(LOCKFILES.map(|(name, _)| local.run_in.join(name)));
            paths.extend(local.archives.iter().cloned());
        }
        for folder in &self.folders {
            paths.extend(SETTINGS.map(|name| folder.join(name)));
            paths.extend(LOCKFILES.iter().map(|(name, _)| folder.join(name)));
        }
        paths.extend(InstallInputs::places(&self.package, self.run_in()));
        paths.extend(self.scripts().places(&self.package));
        paths
    }

    /// The folder that the package manager runs in.
    fn run_in(&self) -> &Path {
        let local = self.local.as_ref();
        local.map_or(&self.package.root, |local| &local.run_in)
    }

    fn scripts(&self) -> InstallScripts {
        let manifest = read_manifest(&self.package.root).unwrap_or_default();
        InstallScripts::from_manifest(&manifest, self.local.is_none())
    }

    fn compute(&self, root: &Path) -> Result<Option<DepsHash>, (PathBuf, io::Error)> {
        let project = self.folders.last().unwrap_or(&self.folders[0]);
        let contents = |path: &Path| contents(project, path);
        let Some(manifest) = contents(&root.join("package.json"))? else {
            return Ok(None);
        };
        // The project reports a manifest that does not parse; here it asks for nothing.
        let manifest = fnlocal_files::without_mark(&manifest);
        let manifest: Map<String, Value> = serde_json::from_slice(manifest).unwrap_or_default();
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
        if let Some(local) = &self.local {
            for file in local.mirror(&self.package).unwrap_or_default() {
                part(&file.path, &file.bytes);
                part("executable", &[u8::from(file.executable)]);
            }
            for name in SETTINGS.into_iter().chain(LOCKFILES.map(|(name, _)| name)) {
                if let Some(bytes) = contents(&local.run_in.join(name))? {
                    part(name, &bytes);
                }
            }
        }
        // The install reports what cannot be read.
        let inputs = InstallInputs::read(&self.package, self.run_in()).unwrap_or_default();
        let scripts = self.scripts();
        for (name, text) in &scripts.run {
            part(name, text.as_bytes());
        }
        let named = scripts.named_files(&self.package).unwrap_or_default();
        for file in inputs.files.iter().chain(&named) {
            part(&file.path, &file.bytes);
            part("executable", &[u8::from(file.executable)]);
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
