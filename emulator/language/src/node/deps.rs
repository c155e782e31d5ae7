//! The dependencies of a package, as npm, pnpm and Yarn install them.

mod lock;
mod mirror;
mod own_scripts;

use std::path::{Path, PathBuf};

use fnlocal_files::read_inside;
use serde_json::{Map, Value};

use super::install::MANIFEST;
use super::manager::{Manager, ManagerInstall};
use super::npm::NpmSettings;
use crate::{
    HostEnvironment, HostSettings, INSTALL_WORK, InstallFileError, InstallInputs, InstallPlan,
    InstallRequest, MirroredFile,
};
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
const SETTINGS: [(&str, &str); 2] = [("pnpm-workspace.yaml", "pnpm"), (".yarnrc.yml", "yarn")];

/// The dependencies of a package.
#[derive(Clone, Debug)]
pub(super) struct Dependencies {
    manifest: Vec<u8>,
    manager: Manager,
    /// The package's own lock file, by name.
    lock: Option<(&'static str, Vec<u8>)>,
    /// A lock file that cannot be used.
    other_lock: Option<PathBuf>,
    /// The project's npmrc, whose variables npm fills in from the environment.
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
    /// Reads what a package asks for as of now.
    pub fn read(request: InstallRequest<'_>) -> Result<Self, InstallFileError> {
        let (root, project) = (request.root, request.project);
        let contents = |path: &Path| contents(project, path);
        // The caller has read it before.
        let all: Map<String, Value> = serde_json::from_str(request.manifest).unwrap_or_default();
        let local = request.local;
        let mirror = local.map(|local| DependencyMirror::new((root, project), local));
        let more = mirror.iter().flat_map(|_| MEMBER_FIELDS);
        let mut kept: Map<String, Value> = FIELDS
            .into_iter()
            .chain(more)
            .filter_map(|field| Some((field.to_owned(), all.get(field)?.clone())))
            .collect();
        let (scripts, named) = request.scripts;
        let scripts = OwnScripts { scripts, named };
        if scripts.run() {
            // Tools that scripts start keep their settings in fields of their own.
            kept = all.clone();
            kept.insert("scripts".to_owned(), scripts.field());
        }
        let (found, other_lock) = find_lock((root, project), mirror.as_ref(), &all)?;
        let run_in = mirror.as_ref().map_or(root, |mirror| &*mirror.run_in);
        let mut settings = Vec::new();
        for (name, manager) in SETTINGS {
            if let Some((_, of, _)) = &found
                && *of == manager
                && let Some(bytes) = contents(&run_in.join(name))?
            {
                settings.push((name, bytes));
            }
        }
        let mut npmrc = contents(&root.join(".npmrc"))?;
        if npmrc.is_none() {
            npmrc = contents(&run_in.join(".npmrc"))?;
        }
        if npmrc.is_none() {
            npmrc = contents(&project.join(".npmrc"))?;
        }
        let inputs = request.inputs;
        let (manager, lock) = match found {
            Some((manager, of, lock)) => (
                manager.brought_as(inputs.brought.as_deref()),
                Some((name_of(of), lock)),
            ),
            None => (Manager::Npm, None),
        };
        Ok(Self {
            manifest: Value::Object(kept).to_string().into_bytes(),
            manager,
            lock,
            other_lock,
            npmrc,
            settings,
            inputs,
            mirror,
            scripts,
        })
    }
}

impl InstallPlan for Dependencies {
    fn parts(&self) -> Vec<&[u8]> {
        let mut parts: Vec<&[u8]> = vec![&self.manifest];
        let lock = self.lock.iter().map(|(name, bytes)| (*name, bytes));
        let npmrc = self.npmrc.iter().map(|bytes| ("npmrc", bytes));
        let settings = self.settings.iter().map(|(name, bytes)| (*name, bytes));
        for (name, bytes) in lock.chain(npmrc).chain(settings) {
            parts.extend([name.as_bytes(), bytes]);
        }
        if let Some(mirror) = &self.mirror {
            parts.extend([
                mirror.run_in_name.as_bytes(),
                mirror.member.as_bytes(),
                ARRANGE,
            ]);
            parts.extend(mirror.files.iter().flat_map(parts_of));
        }
        parts.extend(self.inputs.files.iter().flat_map(parts_of));
        parts.extend(self.scripts.named.iter().flat_map(parts_of));
        parts
    }

    fn warning(&self) -> Option<String> {
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

    fn notes(&self) -> Vec<String> {
        self.scripts.notes(&self.manager)
    }

    fn runs_scripts(&self) -> bool {
        self.scripts.run()
    }

    fn files(&self) -> Vec<(String, &[u8], bool)> {
        let run_in = |name: &str| below(self.run_in(), name);
        let mirror = self.mirror.as_ref();
        let member = mirror.map_or(self.run_in(), |mirror| &mirror.member);
        let mut files = vec![(below(member, MANIFEST), self.manifest.as_slice(), false)];
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

    fn run_in(&self) -> &str {
        match &self.mirror {
            Some(mirror) => &mirror.run_in_name,
            // Its code may have names that the install needs.
            None if self.scripts.run() => FOLDER,
            None => "",
        }
    }

    /// They install into `work/node_modules`.
    fn steps(&self, work: &str, target: Option<&str>) -> Vec<Vec<String>> {
        let member = self
            .mirror
            .as_ref()
            .and_then(|mirror| mirror.as_member.as_ref());
        let yarn = self.inputs.brought.as_deref();
        let mut steps = self.manager.steps(&ManagerInstall {
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

    fn env(&self, work: &str) -> Vec<String> {
        self.manager.env(work, None)
    }

    fn host_settings(&self, host: HostEnvironment<'_>) -> HostSettings {
        let mut settings = NpmSettings::read(host, self.npmrc.as_deref());
        let registry = settings.registry();
        let more = self.manager.env(INSTALL_WORK, registry.as_deref());
        settings.env.extend(more);
        settings.into()
    }

    fn manager(&self) -> &'static str {
        self.manager.name()
    }

    fn installs_for_others(&self) -> bool {
        self.manager == Manager::Npm
    }
}

fn parts_of(file: &MirroredFile) -> [&[u8]; 3] {
    let executable: &[u8] = if file.executable { b"x" } else { b"" };
    [file.path.as_bytes(), &file.bytes, executable]
}

/// A file of the project, all of which an install container may be given.
fn contents(project: &Path, path: &Path) -> Result<Option<Vec<u8>>, InstallFileError> {
    let is_binary = path.extension().is_some_and(|ending| ending == "lockb");
    let read = read_inside(project, path).and_then(|bytes| match is_binary {
        true => Ok(bytes),
        false => fnlocal_files::decode(bytes).map(String::into_bytes),
    });
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(InstallFileError {
            path: path.to_owned(),
            source,
        }),
    }
}
