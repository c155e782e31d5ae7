//! The files of a project that a package manager needs to install a package's own dependencies.

mod translated;

use std::io::Read;
use std::path::{Path, PathBuf};

use fnlocal_language::{Language, LocalDependencies, LocalError, MirroredFile};

use translated::{LibraryFile, MadeNames};

use crate::files::{LinkFree, Memo, Tree, WalkEntry, WalkError};
use crate::{CodeError, Package, Scope};

/// Bytes of a package's own dependencies.
const MAX_BYTES: u64 = 256 << 20;

impl Package {
    /// Finds the dependencies that are parts of the project. `None` for a package that has none and is
    /// in no workspace of the project.
    ///
    /// # Errors
    /// [`LocalError`] for the first dependency that cannot be had.
    pub fn local_dependencies(&self) -> Result<Option<LocalDependencies>, LocalError> {
        self.language
            .local_dependencies(&self.root, &self.project_root)
    }

    /// The files of these dependencies: of what is depended on all, of other members of the workspace
    /// what their manifests ask for. The package's own are not among them. Scripts are left out of each
    /// manifest: they would run without what they are written for.
    ///
    /// # Errors
    /// [`CodeError`] when a folder cannot be read, or holds too much.
    pub fn mirror(&self, local: &LocalDependencies) -> Result<Vec<MirroredFile>, CodeError> {
        let mut mirror = FolderMirror {
            language: self.language,
            top: local.top(),
            project: self.project_root.clone(),
            files: Vec::new(),
            bytes: 0,
        };
        let others = local.members.iter().chain(Some(&local.run_in));
        for folder in others.filter(|folder| !local.folders.contains(*folder)) {
            if *folder != self.root {
                mirror.manifest(folder, None)?;
            }
        }
        for folder in &local.folders {
            let others = local.members.iter().chain(&local.folders);
            let mut nested: Vec<PathBuf> = others
                .filter(|other| *other != folder && other.starts_with(folder))
                .cloned()
                .collect();
            nested.push(self.root.clone());
            let made = mirror.folder(&library(folder, self, nested))?;
            mirror.manifest(folder, Some(&made))?;
        }
        for archive in &local.archives {
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

/// The files of a folder as [`library`] takes them, without a manifest at its top. Their paths
/// are relative to `top`, and none is translated.
pub(crate) fn files_below(
    folder: &Path,
    package: &Package,
    top: &Path,
) -> Result<Vec<MirroredFile>, CodeError> {
    let mut mirror = FolderMirror {
        language: package.language,
        top: top.to_owned(),
        project: package.project_root.clone(),
        files: Vec::new(),
        bytes: 0,
    };
    let library = library(folder, package, package.nested.clone());
    let files = mirror.read_all(&library)?;
    mirror.put_all(&library, files)?;
    Ok(mirror.files)
}

struct FolderMirror {
    language: &'static dyn Language,
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

    /// Adds a manifest, whose entries name what was `made`; of other members only dependencies.
    fn manifest(&mut self, folder: &Path, made: Option<&MadeNames>) -> Result<(), CodeError> {
        let manifest = self.language.mirrored_manifest(folder, made.is_none());
        let Some(mut bytes) = manifest else {
            return Ok(());
        };
        if let Some(made) = made {
            bytes = made.in_manifest(bytes);
        }
        self.put(&folder.join(self.language.manifest()), bytes, false)
    }

    /// Adds a folder that is depended on, with its TypeScript translated.
    fn folder(&mut self, library: &Package) -> Result<MadeNames, CodeError> {
        let mut files = self.read_all(library)?;
        let made = translated::add(&library.root, &self.project, &mut files)?;
        self.put_all(library, files)?;
        Ok(made)
    }

    fn put_all(&mut self, library: &Package, files: Vec<LibraryFile>) -> Result<(), CodeError> {
        for (relative, bytes, executable) in files {
            self.put(&library.root.join(relative), bytes, executable)?;
        }
        Ok(())
    }

    fn read_all(&self, library: &Package) -> Result<Vec<LibraryFile>, CodeError> {
        let tree = Tree::of(library);
        let mut found = Vec::new();
        let walked = tree.walk(&mut Memo::default(), &mut |entry| {
            if let WalkEntry::File {
                relative,
                real,
                metadata,
                ..
            } = entry
                && **relative != *self.language.manifest()
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
        let mut files = Vec::with_capacity(found.len());
        for (relative, real, executable) in found {
            files.push((relative, self.read(&real)?, executable));
        }
        Ok(files)
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
