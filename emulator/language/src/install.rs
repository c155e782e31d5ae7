//! How the dependencies of a language's packages are named and installed.

use std::fmt;
use std::path::Path;

use crate::{
    InstallFileError, InstallPlan, InstallRequest, InstallScript, LocalDependencies, LocalError,
};

/// A lock file's name, and the package manager that writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockfileName {
    pub name: &'static str,
    pub manager: &'static str,
}

/// The relevant parts of a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManifestFacts {
    /// The package's name.
    pub name: Option<String>,
    /// `true` if there is anything to install for running: dependencies, optional ones included.
    pub dependencies: bool,
    /// The file that the package names as its entry.
    pub entry: Option<String>,
}

/// The place and the reason that a manifest cannot be read. Lines and columns begin at 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestFault {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

impl fmt::Display for ManifestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, .. } = self;
        write!(f, "{} at line {line} column {column}", self.message)
    }
}

impl std::error::Error for ManifestFault {}

/// How the dependencies of a language's packages are named and installed.
pub trait LanguageInstall {
    /// The name of a package's manifest.
    fn manifest(&self) -> &'static str;

    /// Reads a manifest.
    ///
    /// # Errors
    /// [`ManifestFault`] if the text is none.
    fn read_manifest(&self, text: &str) -> Result<ManifestFacts, ManifestFault>;

    /// Names of lock files, in the order in which they are looked for.
    fn lockfiles(&self) -> &'static [LockfileName];

    /// Names of package managers' files of settings, which decide what is installed.
    fn install_settings(&self) -> &'static [&'static str];

    /// Names of files in which package managers keep credentials, in lower case. No copy of code has
    /// them.
    fn secret_files(&self) -> &'static [&'static str];

    /// The parts of a manifest that decide what is installed, by name. `None` if it asks for nothing.
    fn dependency_parts(&self, manifest: &[u8]) -> Option<Vec<(&'static str, String)>>;

    /// Finds the dependencies of a package that are parts of its project. `None` for a package that
    /// has none and is in no workspace of the project.
    ///
    /// # Errors
    /// [`LocalError`] for the first dependency that cannot be had.
    fn local_dependencies(
        &self,
        package: &Path,
        project: &Path,
    ) -> Result<Option<LocalDependencies>, LocalError>;

    /// The manifest of a folder as a package manager is given it, without scripts: they would run
    /// without what they are written for. With `only_dependencies`, it has what decides the install and
    /// nothing else. `None` if the folder has no manifest that can be read.
    fn mirrored_manifest(&self, folder: &Path, only_dependencies: bool) -> Option<Vec<u8>>;

    /// Decides how the dependencies of a package are installed, given that it has some.
    ///
    /// # Errors
    /// [`InstallFileError`] for a file of the project that cannot be read.
    fn plan_install(
        &self,
        request: InstallRequest<'_>,
    ) -> Result<Box<dyn InstallPlan>, InstallFileError>;

    /// The script that runs an install in a container, by the language's interpreter.
    fn install_script(&self) -> InstallScript;

    /// A command that removes an empty folder, in a container of the base.
    fn empty_folder_removal(&self, folder: &str) -> Vec<String>;

    /// The name of the folder that dependencies are installed into, beside the code.
    fn installed_folder(&self) -> &'static str;

    /// Returns whether a package manager wrote a file or folder in there for itself, by its name: times,
    /// paths and settings of the machine, which no image needs.
    fn is_install_note(&self, name: &str) -> bool;
}
