//! The dependencies of a package, and their installation on this machine for plain processes.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use fnlocal_files::OwnPath;
use serde_json::{Map, Value};
use tokio::process::Command;

use super::error::{ImageError, InstallLimit, io};
use super::manager::Manager;
use super::npm::{self, HostSettings};
use super::oci::manifest::ImagePlatform;
use super::{OnProgress, SLOW_CALL_TIMEOUT, short_hash};
use fnlocal_project::programs;
use fnlocal_project::{LOCKFILES, LockfileKind, Package, read_inside};

/// Fields of package.json that decide what is installed. Scripts are left out: they would run
/// without the code they belong to.
const FIELDS: [&str; 16] = [
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
    "resolutions",
    "packageManager",
    "pnpm",
    "dependenciesMeta",
    "type",
];
/// Settings of package managers that are taken along if they are there.
const SETTINGS: [(&str, LockfileKind); 2] = [
    ("pnpm-workspace.yaml", LockfileKind::Pnpm),
    (".yarnrc.yml", LockfileKind::Yarn),
];

/// The dependencies of a package.
#[derive(Clone, Debug)]
pub(crate) struct Dependencies {
    package: String,
    manifest: Vec<u8>,
    manager: Manager,
    /// The package's own lock file, by name.
    lock: Option<(&'static str, Vec<u8>)>,
    /// A lock file that cannot be used.
    other_lock: Option<PathBuf>,
    npmrc: Option<Vec<u8>>,
    /// Settings of package managers besides, by name.
    settings: Vec<(&'static str, Vec<u8>)>,
}

impl Dependencies {
    /// Reads what `package` asks for as of now; nothing when it has no dependencies.
    pub fn read(package: &Package) -> Result<Option<Self>, ImageError> {
        let path = package.root.join("package.json");
        let contents = |path: &Path| contents(&package.project_root, path);
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
        let (found, other_lock) = find_lock(package, &all)?;
        let mut settings = Vec::new();
        for (name, kind) in SETTINGS {
            if let Some((_, of, _)) = &found
                && *of == kind
                && let Some(bytes) = contents(&package.root.join(name))?
            {
                settings.push((name, bytes));
            }
        }
        let mut npmrc = contents(&package.root.join(".npmrc"))?;
        if npmrc.is_none() {
            npmrc = contents(&package.project_root.join(".npmrc"))?;
        }
        let (manager, lock) = match found {
            Some((manager, kind, lock)) => (manager, Some((name_of(kind), lock))),
            None => (Manager::Npm, None),
        };
        Ok(Some(Self {
            package: package.name.clone(),
            manifest: Value::Object(kept).to_string().into_bytes(),
            manager,
            lock,
            other_lock,
            npmrc,
            settings,
        }))
    }

    /// Returns everything that the result depends on.
    pub fn parts(&self) -> Vec<&[u8]> {
        let mut parts: Vec<&[u8]> = vec![&self.manifest];
        let lock = self.lock.iter().map(|(name, bytes)| (*name, bytes));
        let npmrc = self.npmrc.iter().map(|bytes| ("npmrc", bytes));
        let settings = self.settings.iter().map(|(name, bytes)| (*name, bytes));
        for (name, bytes) in lock.chain(npmrc).chain(settings) {
            parts.extend([name.as_bytes(), bytes]);
        }
        parts
    }

    /// Returns a warning for the person, if something is odd.
    pub fn warning(&self) -> Option<String> {
        match (&self.lock, &self.other_lock) {
            (Some(_), _) => None,
            (None, Some(other)) => Some(format!(
                "{} is not used; npm chooses the versions by package.json, and they may differ \
                 tomorrow",
                other.display()
            )),
            (None, None) => Some(
                "no package-lock.json: npm chooses the versions, which may differ from yours and \
                 tomorrow"
                    .to_owned(),
            ),
        }
    }

    /// The files package managers read, by name.
    pub fn files(&self) -> Vec<(&'static str, &[u8])> {
        let mut files = vec![("package.json", self.manifest.as_slice())];
        files.extend(
            self.lock
                .iter()
                .map(|(name, lock)| (*name, lock.as_slice())),
        );
        if let Some(npmrc) = self.npmrc.as_deref() {
            files.push((".npmrc", npmrc));
            if self.manager != Manager::Npm {
                files.push(("manager/.npmrc", npmrc));
            }
        }
        let settings = self.settings.iter();
        files.extend(settings.map(|(name, bytes)| (*name, bytes.as_slice())));
        files
    }

    /// Commands that install them into `work/node_modules`.
    pub fn steps(&self, work: &str, target: Option<ImagePlatform>) -> Vec<Vec<String>> {
        self.manager.steps(work, self.lock.is_some(), target)
    }

    /// Returns the package manager that installs them.
    pub fn manager(&self) -> &Manager {
        &self.manager
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
    progress: OnProgress<'_>,
) -> Result<Option<PathBuf>, ImageError> {
    let Some(wanted) = Dependencies::read(package)? else {
        return Ok(None);
    };
    let mut parts = wanted.parts();
    parts.push(node_version.as_bytes());
    let folder = cache.join(short_hash(&parts));
    if OwnPath::new(&folder).is_folder() {
        return Ok(Some(folder));
    }
    if let Some(warning) = wanted.warning() {
        progress(format!("package {}: {warning}", package.name));
    }
    progress(format!("package {}: installing dependencies", package.name));
    OwnPath::new(cache).make_folder().map_err(io(cache))?;
    // Installed beside and moved when whole: an interrupted install leaves nothing that looks it.
    let work = tempfile::Builder::new()
        .prefix("new-")
        .tempdir_in(cache)
        .map_err(io(cache))?;
    for (name, bytes) in wanted.files() {
        let path = work.path().join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(io(folder))?;
        }
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
    let place = work.to_string_lossy();
    let env = wanted.manager.env(&place, None);
    for step in wanted.steps(&place, None) {
        run(wanted, work, &step, &env).await?;
    }
    for trace in ["manager", "store", "cache"] {
        let _smaller = std::fs::remove_dir_all(work.join(trace));
    }
    Ok(())
}

async fn run(
    wanted: &Dependencies,
    work: &Path,
    step: &[String],
    env: &[String],
) -> Result<(), ImageError> {
    let package = wanted.package.clone();
    // A step is a program's name, or the path of one that a step before installed.
    let program = match Path::new(&step[0]).is_absolute() {
        true => PathBuf::from(&step[0]),
        false => programs::find(&step[0]).ok_or_else(|| ImageError::NoNpm {
            package: package.clone(),
        })?,
    };
    let running = Command::new(program)
        .args(&step[1..])
        .env("PATH", programs::path())
        .envs(env.iter().filter_map(|pair| pair.split_once('=')))
        .current_dir(work)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let done = match tokio::time::timeout(SLOW_CALL_TIMEOUT, running).await {
        Err(_) => {
            return Err(ImageError::InstallLimit {
                package,
                limit: InstallLimit::Time(SLOW_CALL_TIMEOUT),
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

type Lock = (Manager, LockfileKind, Vec<u8>);

/// The package's own lock file, or one that cannot be used: of a package manager we do not run, or
/// in the project's folder, where it belongs to a workspace and does not describe the package
/// alone.
fn find_lock(
    package: &Package,
    manifest: &Map<String, Value>,
) -> Result<(Option<Lock>, Option<PathBuf>), ImageError> {
    let mut other = None;
    for folder in [&package.root, &package.project_root] {
        for (name, kind) in LOCKFILES {
            let path = folder.join(name);
            if !path.is_file() {
                continue;
            }
            if *folder == package.root
                && let Some(bytes) = contents(&package.project_root, &path)?
                && let Some(manager) = Manager::from_lockfile(kind, &bytes, manifest)
            {
                return Ok((Some((manager, kind, bytes)), None));
            }
            other = other.or(Some(path));
        }
    }
    Ok((None, other))
}

/// Returns the name of a lock file where it is used; npm's two are alike.
fn name_of(kind: LockfileKind) -> &'static str {
    match kind {
        LockfileKind::Npm => "package-lock.json",
        LockfileKind::Yarn => "yarn.lock",
        LockfileKind::Pnpm => "pnpm-lock.yaml",
        LockfileKind::Bun => "bun.lock",
    }
}

/// A file of the project, all of which an install container may be given.
fn contents(project: &Path, path: &Path) -> Result<Option<Vec<u8>>, ImageError> {
    match read_inside(project, path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(path)(error)),
    }
}

/// Returns the settings of this machine's npm that an install elsewhere needs.
pub(crate) fn settings(wanted: &Dependencies) -> HostSettings {
    let mut settings = HostSettings::read(wanted.npmrc());
    let registry = settings.registry();
    let more = wanted.manager.env(npm::WORK, registry.as_deref());
    settings.env.extend(more);
    settings
}
