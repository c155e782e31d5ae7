//! The folders to watch, and the meaning of an event in one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fnlocal_core::PackageId;
use fnlocal_language::{is_code, is_manifest};

use super::links::on_the_way;

use crate::CONFIG_FILE;
use crate::IGNORE_FILES;
use crate::ImportMemo;
use crate::LoadedFiles;
use crate::Memo;
use crate::Package;
use crate::Project;
use crate::Rules;
use crate::Tree;
use crate::WalkEntry;
use crate::env_files;
use crate::is_excluded;

/// The folders to watch.
#[derive(Debug, Default)]
pub(super) struct WatchPlan {
    /// Each package and the folders it depends on, with what they load.
    loaded: BTreeMap<PackageId, Vec<(Package, LoadedFiles)>>,
    /// Folders without links, and as which folder of which package they are seen.
    folders: BTreeMap<PathBuf, Vec<Seen>>,
    /// Files that links in packages lead to.
    targets: BTreeMap<PathBuf, BTreeSet<PackageId>>,
    /// Folders where packages and entries may come and go.
    parents: BTreeSet<PathBuf>,
    /// Folders in these: packages, and what may become one.
    candidates: BTreeSet<PathBuf>,
    /// Entries there are.
    entries: BTreeSet<PathBuf>,
    /// Files with variables, and links on the way to them.
    env_files: BTreeSet<PathBuf>,
    root: PathBuf,
}

/// A folder as a package sees it.
#[derive(Debug)]
struct Seen {
    package: PackageId,
    path: PathBuf,
    rules: Rules,
    tree: Arc<Tree>,
}

/// The meaning of an event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Meaning {
    pub packages: BTreeSet<PackageId>,
    pub config: bool,
    pub env: bool,
    /// Packages or entries may have come or gone.
    pub structure: bool,
    /// Folders may have come or gone, or be ignored otherwise.
    pub replan: bool,
}

impl Meaning {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn merge(&mut self, other: Self) {
        self.packages.extend(other.packages);
        self.config |= other.config;
        self.env |= other.env;
        self.structure |= other.structure;
        self.replan |= other.replan;
    }

    /// Everything, when nobody knows.
    pub fn everything(project: &Project) -> Self {
        Self {
            packages: project.packages.iter().map(|package| package.id).collect(),
            config: true,
            env: true,
            structure: true,
            replan: true,
        }
    }
}

impl WatchPlan {
    /// Walks the project. Calls `folder` with each folder before reading it, so that what is
    /// made in it from then on is noticed. The walk ends if a call returns `false`.
    pub fn make(
        project: &Project,
        imports: &mut ImportMemo,
        folder: &mut dyn FnMut(&Path) -> bool,
    ) -> Self {
        let mut plan = Self {
            parents: project.parents().clone(),
            root: project.root.clone(),
            ..Self::default()
        };
        let mut more = plan.find_env_files(project, folder);
        for parent in &plan.parents {
            if is_inside(&plan.root, parent) {
                more = more && (!parent.is_dir() || folder(parent));
                plan.candidates.extend(folders_in(parent));
            }
        }
        more = more && plan.candidates.iter().all(|candidate| folder(candidate));
        for package in &project.packages {
            plan.entries
                .extend(package.entries.iter().map(|entry| package.root.join(entry)));
            let loaded = loaded_of(package, imports);
            for (package, loaded) in &loaded {
                let tree = Arc::new(Tree::watched(package, loaded.clone()));
                more = more && plan.walk(package.id, &tree, folder);
            }
            plan.loaded.insert(package.id, loaded);
        }
        plan
    }

    /// Finds the files with variables, and where links in their place lead.
    fn find_env_files(&mut self, project: &Project, folder: &mut dyn FnMut(&Path) -> bool) -> bool {
        for name in env_files(&project.env_name) {
            let path = project.root.join(name);
            self.env_files.extend(on_the_way(&self.root, &path));
            self.env_files.insert(path);
        }
        let folders = self.env_files.iter().filter_map(|path| path.parent());
        let folders: BTreeSet<&Path> = folders.filter(|one| one.is_dir()).collect();
        folders.into_iter().all(folder)
    }

    fn walk(
        &mut self,
        package: PackageId,
        tree: &Arc<Tree>,
        folder: &mut dyn FnMut(&Path) -> bool,
    ) -> bool {
        let mut more = true;
        // The snapshot reports the end of a walk.
        let _ = tree.walk(&mut Memo::default(), &mut |found| {
            match found {
                WalkEntry::Folder { path, real, rules } => {
                    more = folder(real);
                    let seen = Seen {
                        package,
                        path: path.to_owned(),
                        rules: rules.enter(path),
                        tree: Arc::clone(tree),
                    };
                    self.folders.entry(real.to_owned()).or_default().push(seen);
                }
                WalkEntry::File {
                    target: Some(target),
                    ..
                } => {
                    if let Some(parent) = target.parent() {
                        more = folder(parent);
                    }
                    self.targets
                        .entry(target.to_owned())
                        .or_default()
                        .insert(package);
                }
                WalkEntry::File { .. } | WalkEntry::LeftOut { .. } => {}
            }
            more
        });
        more
    }

    /// Returns whether code loads other files now than it did when the plan was made.
    pub fn is_outdated(&self, imports: &mut ImportMemo) -> bool {
        let mut planned = self.loaded.values().flatten();
        planned.any(|(package, loaded)| *loaded != LoadedFiles::of(package, imports))
    }

    /// Returns the meaning of an event at `path`; `appears` if something came, went or was renamed
    /// there.
    pub fn meaning(&self, path: &Path, appears: bool) -> Meaning {
        let mut meaning = Meaning::default();
        let (Some(folder), Some(name)) = (
            path.parent(),
            path.file_name().and_then(|name| name.to_str()),
        ) else {
            return meaning;
        };
        if self.env_files.contains(path) {
            meaning.env = true;
            // A part of the way that was missing is there, or a link leads elsewhere.
            meaning.replan = appears && (path.is_symlink() || path.is_dir());
        }
        meaning
            .packages
            .extend(self.targets.get(path).into_iter().flatten());
        if is_excluded(name) {
            return meaning;
        }
        let was_folder = self.folders.contains_key(path);
        let is_folder = path.is_dir() || was_folder;
        self.files_of_packages(path, is_folder, &mut meaning);
        if folder == self.root {
            meaning.config = name == CONFIG_FILE;
            if decides_install(name) {
                meaning.packages.extend(self.loaded.keys());
            }
        }
        meaning.structure = meaning.config
            || is_manifest(name)
            || (appears && self.is_structure(path, folder, name));
        let ours = !meaning.packages.is_empty() || meaning.structure;
        meaning.replan |= IGNORE_FILES.contains(&name)
            || (is_manifest(name) && ours)
            || (appears && is_folder && ours)
            || (appears && path.is_symlink());
        meaning
    }

    /// A folder that came or went, or a file that becomes or was an entry, where those are looked
    /// for. An editor that renames a file over an entry changes nothing of this.
    fn is_structure(&self, path: &Path, folder: &Path, name: &str) -> bool {
        if self.entries.contains(path) {
            return !path.exists();
        }
        if path.is_file() {
            let looked_at = self.parents.contains(folder) || self.candidates.contains(folder);
            return looked_at && is_code(name);
        }
        // A folder; or something gone, which was no entry.
        let known = self.candidates.contains(path) || self.parents.contains(path);
        known || (self.parents.contains(folder) && path.is_dir())
    }

    /// Packages one of whose files a path is, or whose folder it is in. Where a folder is so new
    /// that nobody planned it, the nearest known one above decides.
    fn files_of_packages(&self, path: &Path, is_folder: bool, meaning: &mut Meaning) {
        let mut child = path;
        let mut is_folder = is_folder;
        while let Some(folder) = child.parent() {
            if let (Some(seen), Some(name)) = (self.folders.get(folder), child.file_name()) {
                let taken = seen.iter().filter(|seen| {
                    let path = seen.path.join(name);
                    seen.tree.takes(&path, is_folder, &seen.rules)
                });
                meaning.packages.extend(taken.map(|seen| seen.package));
                return;
            }
            if folder == self.root {
                return;
            }
            child = folder;
            is_folder = true;
        }
    }
}

/// Returns the folders that are watched for a package: its own, and those of the project that it
/// depends on; with what each loads.
pub(super) fn loaded_of(
    package: &Package,
    imports: &mut ImportMemo,
) -> Vec<(Package, LoadedFiles)> {
    let mut watched = vec![package.clone()];
    // The install reports errors in them.
    let local = package.local_dependencies().ok().flatten();
    let folders = local.into_iter().flat_map(|local| local.folders);
    watched.extend(folders.map(|folder| crate::discover::library(&folder, package)));
    let loaded = watched.into_iter().map(|package| {
        let loaded = LoadedFiles::of(&package, imports);
        (package, loaded)
    });
    loaded.collect()
}

/// Returns whether a file of the project's folder decides what is installed for its packages, by its
/// name.
fn decides_install(name: &str) -> bool {
    fnlocal_language::all().any(|language| {
        language.install_settings().contains(&name)
            || language.lockfiles().iter().any(|lock| lock.name == name)
    })
}

/// Returns whether a folder is there and in the project. A repository may bring a link in its
/// place, and the folder that leads to may be any: nothing of it is served, and nothing of it is
/// watched.
fn is_inside(root: &Path, folder: &Path) -> bool {
    folder
        .canonicalize()
        .is_ok_and(|real| real.starts_with(root))
}

/// Folders directly in a folder that may be packages.
fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| !is_excluded(name))
        })
        .map(|entry| entry.path())
        .collect()
}
