//! The files that belong to a package: the one walk that copying and watching share.
//!
//! `.fnlocalignore` says what is no code, from the git root (or the project) down to the file.
//! `.gitignore` does not: what git is not given is often what a build made, and it runs.
//! `.gitignore` only says what need not be watched, unless code loads it ([`LoadedFiles`]). A
//! person's global gitignore is not read, so that the same folder is treated alike on every
//! machine.

mod loaded;
mod memo;
mod output;
mod rules;
mod stamp;
mod walk;

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Package, Scope};

pub use fnlocal_files::{LinkFree, open_within, read_inside, read_text_inside};
pub use fnlocal_language::is_excluded;
pub use loaded::{ImportMemo, LoadedFiles};
pub use memo::Memo;
pub use rules::Rules;
pub use stamp::Stamp;

/// Names of ignore files, the stronger first.
pub const IGNORE_FILES: [&str; 2] = [".fnlocalignore", ".gitignore"];

/// Where to walk.
#[derive(Clone, Debug)]
pub struct Tree {
    pub root: PathBuf,
    /// The project's folder, which links may not leave.
    pub project: Arc<Path>,
    nested: Vec<PathBuf>,
    entries: Vec<String>,
    scope: Scope,
    /// The files that code loads, for a walk of watched files; `None` for a walk of the code.
    loaded: Option<Arc<LoadedFiles>>,
}

/// An entry of the walk.
#[derive(Debug)]
pub enum WalkEntry<'a> {
    /// A folder, before it is read; with the rules for what is in it, except its own files'.
    /// `real` is where it is without links.
    Folder {
        path: &'a Path,
        real: &'a Path,
        rules: &'a Rules,
    },
    /// A file; `real` is where it is without links, and `target` where its own link leads.
    File {
        relative: &'a Arc<str>,
        path: &'a Path,
        real: &'a Path,
        metadata: &'a Metadata,
        target: Option<&'a Path>,
    },
    /// Something left out that somebody may miss, and why.
    LeftOut { path: &'a Path, why: &'static str },
}

/// Why a walk ended early.
#[derive(Debug)]
pub enum WalkError {
    /// A link leads out of the project.
    Escape { link: PathBuf, target: PathBuf },
    /// The root cannot be read.
    Io { path: PathBuf, source: io::Error },
    /// The visitor had enough.
    Stopped,
}

/// Receives what the walk comes by; false ends the walk.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(WalkEntry<'_>) -> bool;

/// How sure it is that a name is a secret's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secret {
    /// The file never belongs to code, whatever ignore files say.
    Surely,
    /// The file is left out unless `.fnlocalignore` asks for it: public certificates have such
    /// names too.
    Perhaps,
}

/// Returns whether a file or folder has the name of a secret. Changes of such files are still
/// noticed: a package manager's decides what is installed.
pub(super) fn secret(name: &str) -> Option<Secret> {
    const NAMES: [&str; 12] = [
        ".netrc",
        ".pypirc",
        ".ssh",
        ".aws",
        ".azure",
        ".gnupg",
        ".kube",
        ".docker",
        "id_rsa",
        "id_dsa",
        "id_ecdsa",
        "id_ed25519",
    ];
    const ENDS: [&str; 7] = [".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".ppk"];
    let lower = name.to_ascii_lowercase();
    let of_language =
        || fnlocal_language::all().any(|language| language.secret_files().contains(&&*lower));
    if NAMES.contains(&lower.as_str()) || of_language() {
        Some(Secret::Surely)
    } else if ENDS.iter().any(|end| lower.ends_with(end)) {
        Some(Secret::Perhaps)
    } else {
        None
    }
}

impl Tree {
    pub fn of(package: &Package) -> Self {
        Self {
            root: package.root.clone(),
            project: package.project_root.as_path().into(),
            nested: package.nested.clone(),
            entries: package.entries.clone(),
            scope: package.scope,
            loaded: None,
        }
    }

    /// The part of a package that is watched: without what `.gitignore` names, unless code loads it.
    pub fn watched(package: &Package, loaded: LoadedFiles) -> Self {
        Self {
            loaded: Some(Arc::new(loaded)),
            ..Self::of(package)
        }
    }

    /// The files that export functions.
    pub fn entries(&self) -> &[String] {
        &self.entries
    }

    /// Walks everything that belongs to the package, folders before what is in them. Folders that
    /// are as `memo` remembers them are not listed again.
    pub fn walk(&self, memo: &mut Memo, visit: Visit<'_>) -> Result<(), WalkError> {
        walk::walk(self, memo, visit)
    }

    /// Returns whether something belongs to the package, given that the folder it is in does.
    pub fn takes(&self, path: &Path, is_folder: bool, rules: &Rules) -> bool {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return false;
        };
        let relative = path.strip_prefix(&self.root).ok().and_then(Path::to_str);
        let Some(relative) = relative else {
            return false;
        };
        let entry = self.leads_to_entry(relative);
        let nested = is_folder && self.nested.iter().any(|nested| nested == path);
        let ignored = || self.ignores((path, relative), is_folder, rules);
        !nested && !is_excluded(name) && (entry || (self.scope == Scope::Folder && !ignored()))
    }

    /// Returns whether ignore files leave out a path, given as it is and relative to the package.
    fn ignores(&self, (path, relative): (&Path, &str), is_folder: bool, rules: &Rules) -> bool {
        let quiet = |loaded: &LoadedFiles| {
            rules.unwatched(path, is_folder) && !loaded.needs(relative, is_folder)
        };
        rules.ignores(path, is_folder) || self.loaded.as_deref().is_some_and(quiet)
    }

    /// Returns whether an entry is at or below a path.
    fn leads_to_entry(&self, relative: &str) -> bool {
        self.entries.iter().any(|entry| {
            entry
                .strip_prefix(relative)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}
