//! Code versions: an immutable copy of a package's files for each save.
//!
//! An instance imports from `<state>/code/<package>/<hash>/`, so that code never changes under it
//! and a save is never seen half. Contents are kept once, by their hash, in `<state>/blobs`, and
//! versions are hard links to them: a version is whole by construction, since what is linked is what
//! was hashed. A version is made in a folder beside and renamed into place.
//!
//! A file is not read again if its time stamps, size and inode are unchanged. The exception is a
//! file that changed shortly before it was read: time stamps are coarser than a save is quick.

mod deps;
mod scan;
mod translated;
mod version;

use std::io;
use std::path::{Path, PathBuf};

use fnlocal_core::CodeHash;
use fnlocal_files::OwnPath;

use super::files::{Memo, Tree};
use super::state::StateDir;
use super::{FileError, Package, Warning};
use deps::DepsCache;
use fnlocal_transpile::Transpiler;
use scan::Scanned;

pub use deps::DepsHash;
pub use scan::hash;
pub use translated::{config_error, hash_with_outside};

/// Files a package may have.
const MAX_FILES: usize = 50_000;
/// Bytes a package may have.
const MAX_BYTES: u64 = 512 << 20;
/// The number of bytes from which a warning is given.
const WARN_BYTES: u64 = 50 << 20;
/// How often a snapshot is tried when its files vanish under it.
const TRIES: usize = 3;

/// Makes code versions of one package.
#[derive(Debug)]
pub struct CodeStore {
    tree: Tree,
    /// Holds the versions.
    versions: OwnPath,
    /// Holds contents by hash.
    blobs: OwnPath,
    files: Scanned,
    memo: Memo,
    deps: DepsCache,
    transpiler: Transpiler,
    /// A copy of the last version, made ahead to be changed into the next.
    ahead: Option<version::Ahead>,
    last: Option<CodeHash>,
}

/// A code version.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The hash: the same files give the same hash, at any place and time.
    pub hash: CodeHash,
    /// Where it is.
    pub path: PathBuf,
    /// Files added, changed or removed since the snapshot before, sorted; all for the first.
    pub changed: Vec<String>,
    /// How many files it has.
    pub files: usize,
    /// Their sizes together.
    pub bytes: u64,
    /// The dependencies to install; `None` if there are none.
    pub deps: Option<DepsHash>,
    /// Warnings about files that were left out, or are too big.
    pub warnings: Vec<Warning>,
}

impl CodeStore {
    /// A store for a package, in a project's state folder. Begins with none of the versions and
    /// contents that are there: what a repository brought along has our names, but not what they
    /// stand for.
    ///
    /// # Errors
    /// [`CodeError::Store`] when the folder cannot be made.
    pub fn new(state: &StateDir, package: &Package) -> Result<Self, CodeError> {
        let store = Self {
            tree: Tree::of(package),
            versions: OwnPath::new(&state.code_root(package)),
            blobs: state.folder().join("blobs").join(&package.name),
            files: Scanned::default(),
            memo: Memo::default(),
            deps: DepsCache::new(package),
            transpiler: Transpiler::default(),
            ahead: None,
            last: None,
        };
        store.make_folders()?;
        version::remove_all(&store.versions)
            .and_then(|()| scan::remove_all(&store.blobs))
            .map_err(|error| store.fail(error))?;
        Ok(store)
    }

    /// Takes over what a reload of the project found out about the package.
    pub fn set_package(&mut self, package: &Package) {
        self.tree = Tree::of(package);
        self.memo = Memo::default();
        self.deps = DepsCache::new(package);
    }

    /// Where versions are.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.versions.path()
    }

    /// Makes a version of what is there now. Blocks; quick when little changed.
    ///
    /// # Errors
    /// [`CodeError`]; the last version is still there then.
    pub fn snapshot(&mut self) -> Result<Snapshot, CodeError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_snapshot() {
                // The state folder was removed: start over.
                Err(CodeError::Store { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && tries < TRIES =>
                {
                    self.files = Scanned::default();
                    self.ahead = None;
                    self.make_folders()?;
                }
                result => return result,
            }
        }
    }

    /// Makes a copy of the last version ahead, so that the next snapshot only has to change what a
    /// save changed. Blocks; to be called when nothing waits.
    ///
    /// # Errors
    /// [`CodeError::Store`]; the next snapshot does without then.
    pub fn prepare(&mut self) -> Result<(), CodeError> {
        if self.ahead.is_none() && self.last.is_some() {
            let ahead = version::Ahead::make(&self.versions, &self.blobs, &self.files);
            self.ahead = Some(ahead.map_err(|error| self.fail(error))?);
        }
        Ok(())
    }

    /// Removes versions that are neither in `keep` nor the last, and contents nobody links to.
    ///
    /// # Errors
    /// [`CodeError::Store`] when something cannot be removed.
    pub fn prune(&mut self, keep: &[CodeHash]) -> Result<(), CodeError> {
        let keep = |hash: CodeHash| keep.contains(&hash) || self.last == Some(hash);
        version::prune(&self.versions, keep)
            .and_then(|()| self.files.prune(&self.blobs))
            .map_err(|error| self.fail(error))
    }

    fn try_snapshot(&mut self) -> Result<Snapshot, CodeError> {
        let (mut files, mut warnings) =
            self.files.rescan(&self.tree, &mut self.memo, &self.blobs)?;
        warnings.extend(self.translate(&mut files)?);
        let hash = files.hash();
        let path = self.versions.join(hash.to_string());
        if !path.is_folder() {
            let ahead = match self.ahead.take() {
                Some(mut ahead) => ahead.change_into(&self.blobs, &files).map(|()| ahead),
                None => version::Ahead::make(&self.versions, &self.blobs, &files),
            };
            ahead
                .and_then(|ahead| ahead.become_version(&path))
                .map_err(|error| self.fail(error))?;
        }
        let changed = if self.last == Some(hash) {
            Vec::new()
        } else {
            files.differences(&self.files)
        };
        let deps = self
            .deps
            .hash(&self.tree.root)
            .map_err(|(path, source)| CodeError::Read { path, source })?;
        let (count, bytes) = files.size();
        self.files = files;
        self.last = Some(hash);
        Ok(Snapshot {
            hash,
            path: path.path().to_owned(),
            changed,
            files: count,
            bytes,
            deps,
            warnings,
        })
    }

    fn make_folders(&self) -> Result<(), CodeError> {
        // An instance's user in a container reads the versions, and nothing above them.
        self.versions
            .make_folder_with_mode(version::READABLE)
            .and_then(|()| self.blobs.make_folder())
            .map_err(|error| self.fail(error))
    }

    fn fail(&self, source: io::Error) -> CodeError {
        CodeError::Store {
            path: self.versions.path().to_owned(),
            source,
        }
    }
}

/// Why no version could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// A link leads out of the project.
    #[error("{} links to {}, which is outside of the project", link.display(), target.display())]
    Escape {
        /// The link.
        link: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A package manager is to read a file that it cannot be given.
    #[error("{} leads to {}, outside of {}", path.display(), target.display(), folder.display())]
    InputOutside {
        /// The file, as settings or package.json name it.
        path: PathBuf,
        /// Where it is.
        target: PathBuf,
        /// The folder that the package manager runs in.
        folder: PathBuf,
    },
    /// The package is too big to be code.
    #[error("{} holds more than {what}; the largest is {largest}", root.display())]
    TooBig {
        /// The package.
        root: PathBuf,
        /// More than what.
        what: &'static str,
        /// Its largest file.
        largest: String,
    },
    /// A file of the package cannot be read.
    #[error("could not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        source: io::Error,
    },
    /// A `tsconfig.json` cannot be used.
    #[error(transparent)]
    Config(#[from] Box<FileError>),
    /// A version cannot be written.
    #[error("could not keep code in {}", path.display())]
    Store {
        /// Where versions are.
        path: PathBuf,
        source: io::Error,
    },
}

fnlocal_api::user_error!(CodeError: Config {
    Self::Escape { .. } => "copy what it links to into the project, or list the link in .fnlocalignore";
    Self::InputOutside { .. } => "copy the file into the folder of the package manager's settings, and name it there";
    Self::TooBig { .. } => "list files that are not code in .fnlocalignore";
    Self::Read { .. } => "make it readable, or list it in .fnlocalignore";
    Self::Config(error) => fnlocal_api::UserError::hint(&**error);
    Self::Store { source, .. } => fnlocal_files::hint(source);
});
