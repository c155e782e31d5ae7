//! The package as it is given, and the files that are made of it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A package's files as of now.
pub trait Sources {
    /// The package's folder.
    fn root(&self) -> &Path;
    /// The project's folder, at or above it; nothing outside of it is read.
    fn project(&self) -> &Path;
    /// The files that are imported first. `None` if any file may be: then all are translated.
    fn entries(&self) -> Option<&[String]>;
    /// The paths of the files, relative to the package's folder.
    fn paths(&self) -> BTreeSet<Arc<str>>;
    /// The SHA-256 of a file of [`Sources::paths`].
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    fn digest(&self, path: &str) -> io::Result<[u8; 32]>;
    /// Returns the bytes of a file of [`Sources::paths`].
    ///
    /// # Errors
    /// Fails if the file cannot be read; with `NotFound` if it is none of them.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
    /// Returns the bytes of another file of the project.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is outside of the project; with `NotFound` if there is none.
    fn read_outside(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// A file that was made, or changed.
#[derive(Clone, Debug)]
pub struct EmittedFile {
    /// Its path, relative to the package's folder. A script whose imports were changed has its own.
    pub path: Arc<str>,
    pub bytes: Arc<[u8]>,
    /// The SHA-256 of the bytes.
    pub digest: [u8; 32],
}

/// The files that were made for a package.
#[derive(Clone, Debug, Default)]
pub struct Emitted {
    /// The files, sorted; none if there is nothing to translate.
    pub files: Vec<EmittedFile>,
    /// Node.js can run every source as it is, if it strips types.
    pub plain: bool,
    /// The digest of configurations outside of the package; `None` if there are none.
    pub outside: Option<[u8; 32]>,
    /// Texts about configurations that were passed over.
    pub warnings: Vec<String>,
}

/// Why a configuration cannot be used.
#[derive(Debug)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The error at that place.
    pub message: String,
    /// An action that helps.
    pub hint: Option<String>,
}
