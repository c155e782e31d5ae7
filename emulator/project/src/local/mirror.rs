//! The files of a project that a package manager needs to install a package's own dependencies.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::LocalDependencies;
use super::workspace::read_manifest;
use crate::files::{LinkFree, Memo, Tree, WalkEntry, WalkError};
use crate::manifest::DEPENDENCY_FIELDS;
use crate::{CodeError, Package, Scope};

/// Bytes of a package's own dependencies.
const MAX_BYTES: u64 = 256 << 20;
/// Fields besides those of dependencies that package managers read of a member of a workspace.
const FIELDS: [&str; 7] = [
    "name",
    "version",
    "private",
    "bin",
    "engines",
    "peerDependenciesMeta",
    "type",
];

/// A file as a package manager is to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirroredFile {
    /// Relative to [`LocalDependencies::top`], with `/`.
    pub path: String,
    /// The file's content.
    pub bytes: Vec<u8>,
    /// The file can be executed.
    pub executable: bool,
}

impl LocalDependencies {
    /// The files: of what is depended on all, of other members of the workspace what their
    /// package.json asks for. The package's own are not among them. Scripts are left out of each
    /// package.json: they would run without what they are written for.
    ///
    /// # Errors
    /// [`CodeError`] when a folder cannot be read, or holds too much.
    pub fn mirror(&self, package: &Package) -> Result<Vec<MirroredFile>, CodeError> {
        let mut mirror = FolderMirror {
            top: self.top(),
            project: package.project_root.clone(),
            files: Vec::new(),
            bytes: 0,
        };
        let others = self.members.iter().chain(Some(&self.run_in));
        for folder in others.filter(|folder| !self.folders.contains(*folder)) {
            if *folder != package.root {
                mirror.manifest(folder, true)?;
            }
        }
        for folder in &self.folders {
            mirror.manifest(folder, false)?;
            let others = self.members.iter().chain(&self.folders);
            let mut nested: Vec<PathBuf> = others
                .filter(|other| *other != folder && other.starts_with(folder))
                .cloned()
                .collect();
            nested.push(package.root.clone());
            mirror.folder(&library(folder, package, nested))?;
        }
        for archive in &self.archives {
            mirror.archive(archive)?;
        }
        mirror.files.sort_by(|a, b| a.path.cmp(&b.path));
        mirror.files.dedup_by(|a, b| a.path == b.path);
        Ok(mirror.files)
    }
}

/// A folder that is depended on, as a package whose files are all code.
pub(crate) fn library(folder: &Path, package: &Package, nested: Vec<PathBuf>) -> Package {
    Package {
        root: folder.to_owned(),
        entries: Vec::new(),
        manifest: None,
        scope: Scope::Folder,
        nested,
        ..package.clone()
    }
}

/// The files of a folder as [`library`] takes them, without a package.json at its top. Their paths
/// are relative to `top`.
pub(crate) fn files_below(
    folder: &Path,
    package: &Package,
    top: &Path,
) -> Result<Vec<MirroredFile>, CodeError> {
    let mut mirror = FolderMirror {
        top: top.to_owned(),
        project: package.project_root.clone(),
        files: Vec::new(),
        bytes: 0,
    };
    mirror.folder(&library(folder, package, package.nested.clone()))?;
    Ok(mirror.files)
}

struct FolderMirror {
    top: PathBuf,
    project: PathBuf,
    files: Vec<MirroredFile>,
    bytes: u64,
}

impl FolderMirror {
    fn put(&mut self, path: &Path, bytes: Vec<u8>, executable: bool) -> Result<(), CodeError> {
        self.bytes += bytes.len() as u64;
        let relative = path.strip_prefix(&self.top).ok().and_then(Path::to_str);
        let Some(relative) = relative else {
            return Ok(());
        };
        if self.bytes > MAX_BYTES {
            return Err(CodeError::TooBig {
                root: self.top.clone(),
                what: "256 MB of dependencies",
                largest: relative.to_owned(),
            });
        }
        self.files.push(MirroredFile {
            path: relative.to_owned(),
            bytes,
            executable,
        });
        Ok(())
    }

    fn manifest(&mut self, folder: &Path, only_dependencies: bool) -> Result<(), CodeError> {
        let Some(mut manifest) = read_manifest(folder) else {
            return Ok(());
        };
        if only_dependencies {
            manifest.retain(|field, _| {
                FIELDS.contains(&field.as_str()) || DEPENDENCY_FIELDS.contains(&field.as_str())
            });
        }
        manifest.remove("scripts");
        let bytes = Value::Object(Map::from_iter(manifest)).to_string();
        self.put(&folder.join("package.json"), bytes.into_bytes(), false)
    }

    fn folder(&mut self, library: &Package) -> Result<(), CodeError> {
        let tree = Tree::of(library);
        let mut found = Vec::new();
        let walked = tree.walk(&mut Memo::default(), &mut |entry| {
            if let WalkEntry::File {
                relative,
                real,
                metadata,
                ..
            } = entry
                && &**relative != "package.json"
            {
                let executable = crate::files::Stamp::of(metadata).executable;
                found.push((relative.to_string(), real.to_owned(), executable));
            }
            true
        });
        match walked {
            Ok(()) | Err(WalkError::Stopped) => {}
            Err(WalkError::Escape { link, target }) => {
                return Err(CodeError::Escape { link, target });
            }
            Err(WalkError::Io { path, source }) => return Err(CodeError::Read { path, source }),
        }
        for (relative, real, executable) in found {
            let bytes = self.read(&real)?;
            self.put(&library.root.join(relative), bytes, executable)?;
        }
        Ok(())
    }

    fn archive(&mut self, archive: &Path) -> Result<(), CodeError> {
        let bytes = self.read(archive)?;
        self.put(archive, bytes, false)
    }

    fn read(&self, real: &Path) -> Result<Vec<u8>, CodeError> {
        let fail = |source| CodeError::Read {
            path: real.to_owned(),
            source,
        };
        let place = LinkFree::new(&self.project.as_path().into(), real).map_err(fail)?;
        let mut bytes = Vec::new();
        let file = place.open().map_err(fail)?;
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(fail)?;
        Ok(bytes)
    }
}
