//! The relevant parts of a package.json: names, entries, and whether there is anything to install.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::diagnostics::FileError;
use super::files::read_text_inside;

/// Fields of package.json that decide what is installed.
pub(super) const DEPENDENCY_FIELDS: [&str; 11] = [
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "bundleDependencies",
    "overrides",
    "resolutions",
    "packageManager",
    "pnpm",
    "dependenciesMeta",
    "workspaces",
];

/// The relevant parts of a package.json.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageManifest {
    /// Where it is.
    pub path: PathBuf,
    /// Its `name`.
    pub name: Option<String>,
    /// `true` if there is anything to install for running: dependencies, optional ones included.
    pub dependencies: bool,
    /// Its lock file: beside it, else in the project's folder.
    pub lockfile: Option<Lockfile>,
    /// `main`, or `exports` where that is one file.
    pub(super) main: Option<String>,
}

/// A package manager's lock file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lockfile {
    /// Where it is.
    pub path: PathBuf,
    /// Whose it is.
    pub kind: LockfileKind,
}

/// Whose lock file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockfileKind {
    /// package-lock.json or npm-shrinkwrap.json.
    Npm,
    /// yarn.lock.
    Yarn,
    /// pnpm-lock.yaml.
    Pnpm,
    /// bun.lock or bun.lockb.
    Bun,
}

/// Names of lock files, in the order they are looked for.
pub const LOCKFILES: [(&str, LockfileKind); 6] = [
    ("npm-shrinkwrap.json", LockfileKind::Npm),
    ("package-lock.json", LockfileKind::Npm),
    ("pnpm-lock.yaml", LockfileKind::Pnpm),
    ("yarn.lock", LockfileKind::Yarn),
    ("bun.lock", LockfileKind::Bun),
    ("bun.lockb", LockfileKind::Bun),
];

/// Why a package.json could not be read.
#[derive(Debug)]
pub(super) enum ManifestError {
    Io(io::Error),
    Text(FileError),
}

impl PackageManifest {
    /// Reads `folder/package.json`; none when there is none.
    pub(super) fn read(folder: &Path, project: &Path) -> Result<Option<Self>, ManifestError> {
        let path = folder.join("package.json");
        let text = match read_text_inside(project, &path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ManifestError::Io(error)),
        };
        let json: Map<String, Value> = serde_json::from_str(&text).map_err(|error| {
            let message = error.to_string();
            let message = message
                .split(" at line ")
                .next()
                .unwrap_or_default()
                .to_owned();
            ManifestError::Text(FileError::at(
                &path,
                &text,
                error.line(),
                error.column(),
                message,
            ))
        })?;
        let some =
            |field: &str| matches!(json.get(field), Some(Value::Object(map)) if !map.is_empty());
        Ok(Some(Self {
            name: json.get("name").and_then(Value::as_str).map(str::to_owned),
            dependencies: some("dependencies") || some("optionalDependencies"),
            lockfile: find_lockfile(folder).or_else(|| find_lockfile(project)),
            main: main_of(&json),
            path,
        }))
    }
}

fn find_lockfile(folder: &Path) -> Option<Lockfile> {
    LOCKFILES.into_iter().find_map(|(name, kind)| {
        let path = folder.join(name);
        path.is_file().then_some(Lockfile { path, kind })
    })
}

/// The package's entry as Node finds it: `exports` before `main`.
fn main_of(json: &Map<String, Value>) -> Option<String> {
    let exports = json.get("exports").and_then(|exports| match exports {
        Value::Object(map) => target(map.get(".").unwrap_or(exports)),
        other => target(other),
    });
    exports.or_else(|| json.get("main").and_then(Value::as_str).map(str::to_owned))
}

/// The file of an `exports` target under the conditions Node sets.
fn target(value: &Value) -> Option<String> {
    match value {
        Value::String(path) => Some(path.clone()),
        Value::Object(map) => ["node", "import", "module-sync", "require", "default"]
            .iter()
            .find_map(|key| target(map.get(*key)?)),
        Value::Array(targets) => targets.iter().find_map(target),
        _ => None,
    }
}
