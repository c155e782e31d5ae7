//! The dependencies of a package, and their installation on this machine for plain processes.

mod lock;
mod mirror;
mod own_scripts;
mod parts;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fnlocal_files::OwnPath;
use serde_json::{Map, Value};
use tokio::process::Command;

use super::error::{ImageError, InstallLimit, io};
use super::manager::{InstallPlan, Manager};
use super::npm::{self, HostSettings};
use super::oci::manifest::ImagePlatform;
use super::{OnProgress, SLOW_CALL_TIMEOUT, short_hash};
use fnlocal_project::programs;
use fnlocal_project::{CodeError, InstallInputs, LockfileKind, MirroredFile, Package, read_inside};
use lock::{find_lock, name_of};
use mirror::{ARRANGE, DependencyMirror, MEMBER_FIELDS, below};
use own_scripts::{FOLDER, OwnScripts};

/// Fields of package.json that decide what is installed. [`OwnScripts`] has the package's scripts.
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
    /// The files that these and package.json name.
    inputs: InstallInputs,
    /// The files of the project that the package depends on. `None` if it depends on none.
    mirror: Option<DependencyMirror>,
    scripts: OwnScripts,
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
        let mirror = DependencyMirror::read(package)?;
        let more = mirror.iter().flat_map(|_| MEMBER_FIELDS);
        let mut kept: Map<String, Value> = FIELDS
            .into_iter()
            .chain(more)
            .filter_map(|field| Some((field.to_owned(), all.get(field)?.clone())))
            .collect();
        let scripts = OwnScripts::read(package)?;
        if scripts.run() {
            // Tools that scripts start keep their settings in fields of their own.
            kept = all.clone();
            kept.insert("scripts".to_owned(), scripts.field());
        }
        let (found, other_lock) = find_lock(package, mirror.as_ref(), &all)?;
        let run_in = mirror
            .as_ref()
            .map_or(&package.root, |mirror| &mirror.run_in);
        let mut settings = Vec::new();
        for (name, kind) in SETTINGS {
            if let Some((_, of, _)) = &found
                && *of == kind
                && let Some(bytes) = contents(&run_in.join(name))?
            {
                settings.push((name, bytes));
            }
        }
        let mut npmrc = contents(&package.root.join(".npmrc"))?;
        if npmrc.is_none() {
            npmrc = contents(&run_in.join(".npmrc"))?;
        }
        if npmrc.is_none() {
            npmrc = contents(&package.project_root.join(".npmrc"))?;
        }
        let inputs = InstallInputs::read(package, run_in)?;
        let (manager, lock) = match found {
            Some((manager, kind, lock)) => (
                manager.as_brought(inputs.yarn.as_deref()),
                Some((name_of(kind), lock)),
            ),
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
            inputs,
            mirror,
            scripts,
        }))
    }

    /// All files of the package if scripts of its own run, since they may read any.
    ///
    /// # Errors
    /// [`CodeError`] for files that cannot be read, and for too many.
    pub fn code(&self) -> Result<Vec<MirroredFile>, CodeError> {
        self.scripts.files()
    }

    /// Facts about the install that the person may not expect.
    pub fn notes(&self) -> Vec<String> {
        self.scripts.notes(&self.manager)
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

    /// The files package managers read, by their paths, and whether they can be executed.
    pub fn files(&self) -> Vec<(String, &[u8], bool)> {
        let run_in = |name: &str| below(self.run_in(), name);
        let mirror = self.mirror.as_ref();
        let member = mirror.map_or(self.run_in(), |mirror| &mirror.member);
        let mut files = vec![(
            below(member, "package.json"),
            self.manifest.as_slice(),
            false,
        )];
        if let Some((name, lock)) = &self.lock {
            files.push((run_in(name), lock.as_slice(), false));
        }
        if let Some(npmrc) = self.npmrc.as_deref() {
            files.push((run_in(".npmrc"), npmrc, false));
            if self.manager != Manager::Npm {
                files.push(("manager/.npmrc".to_owned(), npmrc, false));
            }
        }
        let settings = self.settings.iter();
        files.extend(settings.map(|(name, bytes)| (run_in(name), bytes.as_slice(), false)));
        let inputs = self.inputs.files.iter();
        files.extend(inputs.map(|file| (run_in(&file.path), &*file.bytes, file.executable)));
        if let Some(mirror) = &self.mirror {
            files.push(("arrange.cjs".to_owned(), ARRANGE, false));
            let own = mirror.files.iter();
            files.extend(own.map(|file| (file.path.clone(), &*file.bytes, file.executable)));
        }
        files
    }

    /// The folder, below that of the install, in which its commands run.
    pub fn run_in(&self) -> &str {
        match &self.mirror {
            Some(mirror) => &mirror.run_in_name,
            // Its code may have names that the install needs.
            None if self.scripts.run() => FOLDER,
            None => "",
        }
    }

    /// Commands that install them into `work/node_modules`.
    pub fn steps(&self, work: &str, target: Option<ImagePlatform>) -> Vec<Vec<String>> {
        let member = self
            .mirror
            .as_ref()
            .and_then(|mirror| mirror.as_member.as_ref());
        let yarn = self.inputs.yarn.as_deref();
        let mut steps = self.manager.steps(&InstallPlan {
            work,
            locked: self.lock.is_some(),
            target,
            member,
            scripts: self.scripts.run(),
            yarn: yarn.filter(|_| self.manager.is_yarn()),
        });
        if self.scripts.run() {
            steps.push(own_scripts::move_out());
        }
        if let Some(mirror) = &self.mirror {
            let arrange = format!("{work}/arrange.cjs");
            steps.push(vec!["node".to_owned(), arrange, mirror.member.clone()]);
        }
        steps
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
    for note in wanted.notes() {
        progress(format!("package {}: {note}", package.name));
    }
    let code = wanted.code()?;
    let own = code.iter().map(|file| {
        let path = below(wanted.run_in(), &file.path);
        (path, &*file.bytes, file.executable)
    });
    // What is made for the install comes last: code may have a file of the name.
    for (name, bytes, executable) in own.chain(wanted.files()) {
        let path = work.path().join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(io(folder))?;
        }
        std::fs::write(&path, bytes).map_err(io(&path))?;
        if executable {
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&path, mode).map_err(io(&path))?;
        }
    }
    install(&wanted, work.path()).await?;
    let modules = work.path().join("node_modules");
    std::fs::create_dir_all(&modules).map_err(io(&modules))?;
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
    for trace in ["manager", "store", "cache", FOLDER] {
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
        .current_dir(work.join(wanted.run_in()))
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

/// A file of the project, all of which an install container may be given.
fn contents(project: &Path, path: &Path) -> Result<Option<Vec<u8>>, ImageError> {
    let is_binary = path.extension().is_some_and(|ending| ending == "lockb");
    let read = read_inside(project, path).and_then(|bytes| match is_binary {
        true => Ok(bytes),
        false => fnlocal_files::decode(bytes).map(String::into_bytes),
    });
    match read {
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
