//! What a package asks to be installed, and installing it on this machine for plain processes.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Map, Value};
use tokio::process::Command;

use super::error::{ImageError, io};
use super::npm::{self, HostSettings};
use super::{LONG, Progress, short_hash};
use crate::project::{LOCKFILES, LockfileKind, Package};

/// Fields of package.json that decide what is installed. Scripts are left out: they would run
/// without the code they belong to.
const FIELDS: [&str; 11] = [
    "name",
    "version",
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "bundleDependencies",
    "overrides",
    "engines",
    "os",
];

/// What a package asks to be installed.
#[derive(Clone, Debug)]
pub(crate) struct Dependencies {
    package: String,
    manifest: Vec<u8>,
    /// npm's lock file, when it is the package's own.
    lock: Option<Vec<u8>>,
    /// A lock file npm does not read.
    other_lock: Option<PathBuf>,
    npmrc: Option<Vec<u8>>,
}

impl Dependencies {
    /// Reads what `package` asks for as of now; nothing when it has no dependencies.
    pub fn read(package: &Package) -> Result<Option<Self>, ImageError> {
        let path = package.root.join("package.json");
        let Some(text) = contents(&path)? else {
            return Ok(None);
        };
        let all: Map<String, Value> = serde_json::from_slice(&text)
            .map_err(|source| ImageError::Manifest { path, source })?;
        let some =
            |field: &str| matches!(all.get(field), Some(Value::Object(map)) if !map.is_empty());
        if !some("dependencies") && !some("optionalDependencies") {
            return Ok(None);
        }
        let kept: Map<String, Value> = FIELDS
            .iter()
            .filter_map(|field| Some(((*field).to_owned(), all.get(*field)?.clone())))
            .collect();
        let manifest = Value::Object(kept).to_string().into_bytes();
        let (lock, other_lock) = find_lock(package)?;
        let mut npmrc = contents(&package.root.join(".npmrc"))?;
        if npmrc.is_none() {
            npmrc = contents(&package.project_root.join(".npmrc"))?;
        }
        let package = package.name.clone();
        Ok(Some(Self {
            package,
            manifest,
            lock,
            other_lock,
            npmrc,
        }))
    }

    /// What the result depends on.
    pub fn parts(&self) -> Vec<&[u8]> {
        let mut parts: Vec<&[u8]> = vec![&self.manifest];
        for (name, bytes) in [("lock", &self.lock), ("npmrc", &self.npmrc)] {
            if let Some(bytes) = bytes {
                parts.extend([name.as_bytes(), bytes]);
            }
        }
        parts
    }

    /// What is odd about it, for the person.
    pub fn warning(&self) -> Option<String> {
        match (&self.lock, &self.other_lock) {
            (Some(_), _) => None,
            (None, Some(other)) => Some(format!(
                "{} is not supported yet; npm chooses the versions by package.json",
                other.display()
            )),
            (None, None) => Some(
                "no package-lock.json: npm chooses the versions, which may differ from yours"
                    .to_owned(),
            ),
        }
    }

    /// The files npm reads, by name.
    pub fn files(&self) -> Vec<(&'static str, &[u8])> {
        let mut files = vec![("package.json", self.manifest.as_slice())];
        files.extend(self.lock.as_deref().map(|lock| ("package-lock.json", lock)));
        files.extend(self.npmrc.as_deref().map(|npmrc| (".npmrc", npmrc)));
        files
    }

    /// npm's arguments.
    pub fn arguments(&self) -> Vec<&'static str> {
        let verb = if self.lock.is_some() { "ci" } else { "install" };
        vec![
            verb,
            "--omit=dev",
            "--no-audit",
            "--no-fund",
            "--no-progress",
            "--loglevel=warn",
        ]
    }

    /// The project's npmrc, whose variables npm fills in from the environment.
    pub fn npmrc(&self) -> Option<&[u8]> {
        self.npmrc.as_deref()
    }

    pub fn package(&self) -> &str {
        &self.package
    }
}

/// Installs a package's dependencies into `cache/<hash>`, unless they are there, and returns the
/// folder with `node_modules`.
///
/// # Errors
/// [`ImageError`]; npm's own words when it fails.
pub async fn on_host(
    package: &Package,
    cache: &Path,
    node_version: &str,
    progress: Progress<'_>,
) -> Result<Option<PathBuf>, ImageError> {
    let Some(wanted) = Dependencies::read(package)? else {
        return Ok(None);
    };
    let mut parts = wanted.parts();
    parts.push(node_version.as_bytes());
    let folder = cache.join(short_hash(&parts));
    if folder.is_dir() {
        return Ok(Some(folder));
    }
    if let Some(warning) = wanted.warning() {
        progress(format!("package {}: {warning}", package.name));
    }
    progress(format!("package {}: installing dependencies", package.name));
    std::fs::create_dir_all(cache).map_err(io(cache))?;
    // Installed beside and moved when whole: an interrupted install leaves nothing that looks it.
    let work = tempfile::Builder::new()
        .prefix("new-")
        .tempdir_in(cache)
        .map_err(io(cache))?;
    for (name, bytes) in wanted.files() {
        let path = work.path().join(name);
        std::fs::write(&path, bytes).map_err(io(&path))?;
    }
    let modules = work.path().join("node_modules");
    std::fs::create_dir_all(&modules).map_err(io(&modules))?;
    install(&wanted, work.path()).await?;
    let made = work.keep();
    std::fs::rename(&made, &folder).map_err(io(&folder))?;
    Ok(Some(folder))
}

async fn install(wanted: &Dependencies, work: &Path) -> Result<(), ImageError> {
    let package = wanted.package.clone();
    let running = Command::new("npm")
        .args(wanted.arguments())
        .current_dir(work)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let done = match tokio::time::timeout(LONG, running).await {
        Err(_) => {
            return Err(ImageError::Slow {
                package,
                output: String::new(),
            });
        }
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(ImageError::NoNpm { package });
        }
        Ok(done) => done.map_err(io(work))?,
    };
    if done.status.success() {
        return Ok(());
    }
    let output = [done.stdout, done.stderr].concat();
    Err(ImageError::Install {
        package,
        output: npm::text(&output),
    })
}

/// npm's own lock file of the package, or another kind it does not read. One in the project's
/// folder belongs to a workspace and does not describe the package alone.
fn find_lock(package: &Package) -> Result<(Option<Vec<u8>>, Option<PathBuf>), ImageError> {
    let mut other = None;
    for folder in [&package.root, &package.project_root] {
        for (name, kind) in LOCKFILES {
            let path = folder.join(name);
            if !path.is_file() {
                continue;
            }
            if kind == LockfileKind::Npm && *folder == package.root {
                return Ok((contents(&path)?, None));
            }
            other = other.or(Some(path));
        }
    }
    Ok((None, other))
}

fn contents(path: &Path) -> Result<Option<Vec<u8>>, ImageError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(path)(error)),
    }
}

/// What of this machine's npm settings an install elsewhere needs.
pub(crate) fn settings(wanted: &Dependencies) -> HostSettings {
    HostSettings::read(wanted.npmrc())
}
