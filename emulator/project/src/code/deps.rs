//! The dependencies of a package, as a hash: when it changes, so does the deps layer.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fnlocal_language::{InstallScripts, LocalDependencies};
use sha2::{Digest, Sha256};

use super::scan::first_eight;
use crate::Package;
use crate::files::{Memo, Stamp, Tree, WalkEntry, read_inside};
use crate::mirror::library;

/// Hash of what a manifest asks for, of the lock file, of package managers' settings, and of the files
/// that these and the package's own scripts name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DepsHash(pub u64);

impl fmt::Display for DepsHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

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
        let local = self.package.local_dependencies().unwrap_or_default();
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
        let language = self.package.language;
        let settings = || language.install_settings().iter();
        let locks = || language.lockfiles().iter().map(|lock| lock.name);
        let mut paths = vec![root.join(language.manifest())];
        if let Some(local) = &self.local {
            let folders = local.members.iter().chain(Some(&local.run_in));
            paths.extend(folders.map(|folder| folder.join(language.manifest())));
            paths.extend(settings().map(|name| local.run_in.join(name)));
            paths.extend(locks().map(|name| local.run_in.join(name)));
            paths.extend(local.archives.iter().cloned());
        }
        for folder in &self.folders {
            paths.extend(settings().map(|name| folder.join(name)));
            paths.extend(locks().map(|name| folder.join(name)));
        }
        paths.extend(self.package.input_places(self.run_in()));
        paths.extend(self.package.script_places(&self.scripts()));
        paths
    }

    /// The folder that the package manager runs in.
    fn run_in(&self) -> &Path {
        let local = self.local.as_ref();
        local.map_or(&self.package.root, |local| &local.run_in)
    }

    fn scripts(&self) -> InstallScripts {
        self.package.install_scripts(self.local.is_none())
    }

    fn compute(&self, root: &Path) -> Result<Option<DepsHash>, (PathBuf, io::Error)> {
        let project = self.folders.last().unwrap_or(&self.folders[0]);
        let contents = |path: &Path| contents(project, path);
        let language = self.package.language;
        let settings = || language.install_settings().iter();
        let locks = || language.lockfiles().iter().map(|lock| lock.name);
        let manifest = contents(&root.join(language.manifest()))?;
        let Some(parts) = manifest.and_then(|text| language.dependency_parts(&text)) else {
            return Ok(None);
        };
        let mut hasher = Sha256::new();
        let mut part = |name: &str, bytes: &[u8]| {
            hasher.update((name.len() as u64).to_le_bytes());
            hasher.update(name);
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        for (field, value) in parts {
            part(field, value.as_bytes());
        }
        for folder in &self.folders {
            for name in settings() {
                if let Some(bytes) = contents(&folder.join(name))? {
                    part(name, &bytes);
                }
            }
        }
        if let Some(local) = &self.local {
            for file in self.package.mirror(local).unwrap_or_default() {
                part(&file.path, &file.bytes);
                part("executable", &[u8::from(file.executable)]);
            }
            for name in settings().copied().chain(locks()) {
                if let Some(bytes) = contents(&local.run_in.join(name))? {
                    part(name, &bytes);
                }
            }
        }
        // The install reports what cannot be read.
        let inputs = self
            .package
            .install_inputs(self.run_in())
            .unwrap_or_default();
        let scripts = self.scripts();
        for (name, text) in &scripts.run {
            part(name, text.as_bytes());
        }
        let named = self.package.script_files(&scripts).unwrap_or_default();
        for file in inputs.files.iter().chain(&named) {
            part(&file.path, &file.bytes);
            part("executable", &[u8::from(file.executable)]);
        }
        let beside = self.folders.iter();
        let beside = beside.flat_map(|folder| locks().map(move |name| (name, folder.join(name))));
        for (name, path) in beside {
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
