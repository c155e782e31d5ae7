//! The files of each package that a build packs, without building it.

use std::path::{Path, PathBuf};

use super::code::CodeFiles;
use super::error::BuildError;
use fnlocal_project::{Project, Warning};

/// The files that an image of a package holds as its code.
#[derive(Clone, Debug)]
pub struct ListedPackage {
    /// The package's name.
    pub package: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Paths relative to the folder with their sizes in bytes, sorted by path.
    pub files: Vec<(String, u64)>,
    /// The build installs dependencies for the package.
    pub dependencies: bool,
    /// Files that are left out although code may need them.
    pub warnings: Vec<Warning>,
}

/// Lists what [`super::run`] would pack. Needs no engine and writes nothing.
///
/// # Errors
/// [`BuildError`] when the project or one of its packages cannot be read.
pub fn list(path: &Path) -> Result<Vec<ListedPackage>, BuildError> {
    let project = Project::open(path, None)?;
    let packages = project.packages.iter().map(|package| {
        let code = CodeFiles::read(package)?;
        let manifest = package.manifest.as_ref();
        Ok(ListedPackage {
            package: package.name.clone(),
            folder: package.root.clone(),
            files: code.sizes(),
            dependencies: manifest.is_some_and(|manifest| manifest.dependencies),
            warnings: code.warnings,
        })
    });
    packages.collect()
}
