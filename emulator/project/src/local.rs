//! Dependencies of a package that are folders or archives of the project itself: members of its
//! workspace, and what `file:`, `link:`, `portal:` and `workspace:` name.
//!
//! A registry is never asked for the name of a workspace's member. npm would ask one whose version
//! is not the one asked for; here that is an error that names both.

mod mirror;
mod range;
mod workspace;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::Package;
use workspace::Workspace;

pub use mirror::MirroredFile;
pub(crate) use mirror::{files_below, library};
pub(crate) use workspace::read_manifest;

/// Fields of package.json whose packages are installed for running.
const FIELDS: [&str; 2] = ["dependencies", "optionalDependencies"];
/// How a dependency says that it is a path.
const PATHS: [&str; 3] = ["file:", "link:", "portal:"];

/// The parts of a project that a package depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalDependencies {
    /// The folder the package manager runs in: the workspace's, or the package's own.
    pub run_in: PathBuf,
    /// Folders of the workspace's members, without the package's own.
    pub members: BTreeSet<PathBuf>,
    /// Folders that the package depends on, through others too.
    pub folders: BTreeSet<PathBuf>,
    /// Archives that it depends on.
    pub archives: BTreeSet<PathBuf>,
}

/// Why a package's own dependencies cannot be had.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalError {
    /// The dependency lies outside of the project.
    #[error("{} asks for {name} as `{spec}`, which leads to {}, outside of the project", manifest.display(), target.display())]
    Outside {
        /// The package.json.
        manifest: PathBuf,
        /// The dependency.
        name: String,
        /// The dependency's specifier in package.json.
        spec: String,
        /// Where that is.
        target: PathBuf,
    },
    /// There is nothing to depend on.
    #[error("{} asks for {name} as `{spec}`, and {} holds no package", manifest.display(), target.display())]
    Missing {
        /// The package.json.
        manifest: PathBuf,
        /// The dependency.
        name: String,
        /// The dependency's specifier in package.json.
        spec: String,
        /// Where it was looked for.
        target: PathBuf,
    },
    /// No workspace has a member of this name.
    #[error("{} asks for {name} as `{spec}`, and no workspace around it has a member of this name", manifest.display())]
    NoMember {
        /// The package.json.
        manifest: PathBuf,
        /// The dependency.
        name: String,
        /// The dependency's specifier in package.json.
        spec: String,
    },
    /// A member of the workspace has the name, but another version.
    #[error("{} asks for {name} as `{spec}`, and the workspace's own {name} in {} has version {version}", manifest.display(), member.display())]
    Version {
        /// The package.json.
        manifest: PathBuf,
        /// The dependency.
        name: String,
        /// The dependency's specifier in package.json.
        spec: String,
        /// The member's folder.
        member: PathBuf,
        /// Its version.
        version: String,
    },
}

fnlocal_api::user_error!(LocalError: Config {
    Self::Outside { .. } => "run fnlocal in the folder that holds both, or move the package into the project";
    Self::Missing { .. } => "correct the path in package.json";
    Self::NoMember { .. } => "name its folder in `workspaces` of the root's package.json, or in pnpm-workspace.yaml";
    Self::Version { name, .. } => format!(
        "ask for the version it has, or rename it: the registry's package {name} is a stranger's"
    );
});

impl LocalDependencies {
    /// Finds them; `None` for a package that has none and is in no workspace of the project.
    ///
    /// # Errors
    /// [`LocalError`] for the first dependency that cannot be had.
    pub fn of(package: &Package) -> Result<Option<Self>, LocalError> {
        let workspace = Workspace::around(&package.root);
        let mut search = DependencySearch {
            project: &package.project_root,
            workspace: workspace.as_ref(),
            found: Self {
                run_in: package.root.clone(),
                ..Self::default()
            },
        };
        let mut waiting = vec![package.root.clone()];
        while let Some(folder) = waiting.pop() {
            let Some(manifest) = read_manifest(&folder) else {
                continue;
            };
            for target in search.folders_of(&folder, &manifest)? {
                if target != package.root && search.found.folders.insert(target.clone()) {
                    waiting.push(target);
                }
            }
        }
        let mut found = search.found;
        let inside =
            workspace.filter(|workspace| workspace.root.starts_with(&package.project_root));
        if inside.is_none() && found.folders.is_empty() && found.archives.is_empty() {
            return Ok(None);
        }
        if let Some(workspace) = inside {
            found.run_in = workspace.root;
            found.members = workspace.members.into_values().collect();
            found.members.remove(&package.root);
        }
        Ok(Some(found))
    }

    /// The innermost folder that holds all of it.
    #[must_use]
    pub fn top(&self) -> PathBuf {
        let all = self.members.iter().chain(&self.folders);
        let mut top = self.run_in.clone();
        for path in all.chain(&self.archives) {
            while !path.starts_with(&top) && top.pop() {}
        }
        top
    }
}

/// Looks for the dependencies of one package.
struct DependencySearch<'a> {
    project: &'a Path,
    workspace: Option<&'a Workspace>,
    found: LocalDependencies,
}

impl DependencySearch<'_> {
    /// The folders that a folder's package.json asks for. Notes archives.
    fn folders_of(
        &mut self,
        folder: &Path,
        manifest: &Map<String, Value>,
    ) -> Result<Vec<PathBuf>, LocalError> {
        let mut folders = Vec::new();
        let asked = FIELDS
            .iter()
            .filter_map(|field| manifest.get(*field)?.as_object());
        let asked: BTreeMap<&String, &str> = asked
            .flatten()
            .filter_map(|(name, spec)| Some((name, spec.as_str()?)))
            .collect();
        for (name, spec) in asked {
            let asked = Asked { folder, name, spec };
            let Some(target) = self.target(&asked)? else {
                continue;
            };
            let target = asked.inside(self.project, &target)?;
            if target.is_dir() {
                folders.push(target);
            } else {
                self.found.archives.insert(target);
            }
        }
        Ok(folders)
    }

    /// Where a dependency is, if it is not a registry's.
    fn target(&self, asked: &Asked<'_>) -> Result<Option<PathBuf>, LocalError> {
        let Asked { folder, name, spec } = *asked;
        if let Some(path) = PATHS.iter().find_map(|kind| spec.strip_prefix(kind)) {
            return Ok(Some(folder.join(path)));
        }
        if spec.starts_with(['.', '/']) {
            return Ok(Some(folder.join(spec)));
        }
        let own = spec.strip_prefix("workspace:");
        let member = self
            .workspace
            .and_then(|workspace| workspace.members.get(name));
        match (own, member) {
            (Some(path), None) if path.starts_with('.') => Ok(Some(folder.join(path))),
            (Some(_), Some(member)) => Ok(Some(member.clone())),
            (Some(_), None) => Err(LocalError::NoMember {
                manifest: asked.manifest(),
                name: name.to_owned(),
                spec: spec.to_owned(),
            }),
            (None, None) => Ok(None),
            (None, Some(member)) => {
                let manifest = read_manifest(member).unwrap_or_default();
                let version = manifest.get("version").and_then(Value::as_str);
                if range::has(spec, version) {
                    return Ok(Some(member.clone()));
                }
                Err(LocalError::Version {
                    manifest: asked.manifest(),
                    name: name.to_owned(),
                    spec: spec.to_owned(),
                    member: member.clone(),
                    version: version.unwrap_or("none").to_owned(),
                })
            }
        }
    }
}

/// A dependency as a package.json asks for it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    folder: &'a Path,
    name: &'a str,
    spec: &'a str,
}

impl Asked<'_> {
    fn manifest(&self) -> PathBuf {
        self.folder.join("package.json")
    }

    /// A path without links and inside of the project.
    fn inside(&self, project: &Path, target: &Path) -> Result<PathBuf, LocalError> {
        let missing = || LocalError::Missing {
            manifest: self.manifest(),
            name: self.name.to_owned(),
            spec: self.spec.to_owned(),
            target: plain(target),
        };
        let real = fs::canonicalize(target);
        let shown = real.as_ref().map_or_else(|_| plain(target), Clone::clone);
        if !shown.starts_with(project) {
            return Err(LocalError::Outside {
                manifest: self.manifest(),
                name: self.name.to_owned(),
                spec: self.spec.to_owned(),
                target: shown,
            });
        }
        let real = real.map_err(|_| missing())?;
        match real.is_file() || real.join("package.json").is_file() {
            true => Ok(real),
            false => Err(missing()),
        }
    }
}

/// A path without `.` and `..`, by its text.
pub(crate) fn plain(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}
