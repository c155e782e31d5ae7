//! The relevant parts of a package's manifest: names, entries, and whether there is anything to
//! install.

use std::io;
use std::path::{Path, PathBuf};

use fnlocal_language::Language;

use super::diagnostics::FileError;
use super::files::read_text_inside;

/// The relevant parts of a package's manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageManifest {
    /// Where it is.
    pub path: PathBuf,
    /// The package's name.
    pub name: Option<String>,
    /// `true` if there is anything to install for running: dependencies, optional ones included.
    pub dependencies: bool,
    /// Its lock file: beside it, else in the project's folder.
    pub lockfile: Option<Lockfile>,
    /// The file that it names as the package's entry.
    pub(super) entry: Option<String>,
}

/// A package manager's lock file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lockfile {
    /// Where it is.
    pub path: PathBuf,
    /// The package manager that writes it.
    pub manager: &'static str,
}

/// Why a manifest could not be read.
#[derive(Debug)]
pub(super) enum ManifestError {
    Io(io::Error),
    Text(FileError),
}

impl PackageManifest {
    /// Reads a folder's manifest; `None` if there is none.
    pub(super) fn read(
        language: &dyn Language,
        folder: &Path,
        project: &Path,
    ) -> Result<Option<Self>, ManifestError> {
        let path = folder.join(language.manifest());
        let text = match read_text_inside(project, &path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ManifestError::Io(error)),
        };
        let facts = language.read_manifest(&text).map_err(|fault| {
            let (line, column) = (fault.line, fault.column);
            let error = FileError::at(&path, &text, line, column, fault.message);
            ManifestError::Text(error)
        })?;
        let lockfile = |folder| find_lockfile(language, folder);
        Ok(Some(Self {
            name: facts.name,
            dependencies: facts.dependencies,
            lockfile: lockfile(folder).or_else(|| lockfile(project)),
            entry: facts.entry,
            path,
        }))
    }
}

fn find_lockfile(language: &dyn Language, folder: &Path) -> Option<Lockfile> {
    language.lockfiles().iter().find_map(|lock| {
        let path = folder.join(lock.name);
        let manager = lock.manager;
        path.is_file().then_some(Lockfile { path, manager })
    })
}
