//! The folders that hold functions, and the files in them.
//!
//! Deliberately absent: what the functions are called. That is known only to the code, and the
//! driver asks it.

mod globs;
mod handlers;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fnlocal_api::UserError;
use fnlocal_core::PackageId;
use fnlocal_language::{Language, LocalError};

use super::config_file::ConfigFile;
use super::manifest::{ManifestError, PackageManifest};
use super::{Package, ProjectError, Scope, Warning, names};

pub(super) use handlers::{HANDLERS, named_after};

/// Folders whose sub-folders are looked at without being asked.
const USUAL: [&str; 3] = ["functions", "packages", "services"];

/// The packages of a project.
#[derive(Debug)]
pub struct DiscoveredPackages {
    pub packages: Vec<Package>,
    pub warnings: Vec<Warning>,
    /// Folders where a new sub-folder or file may be a new package or entry.
    pub parents: BTreeSet<PathBuf>,
    /// Why there are no packages, if there are none.
    pub none: Option<ProjectError>,
}

/// Looks for packages in `root`.
pub(super) fn discover(root: &Path, file: &ConfigFile) -> Result<DiscoveredPackages, ProjectError> {
    let mut found = DiscoveredPackages {
        packages: Vec::new(),
        warnings: Vec::new(),
        parents: BTreeSet::from([root.to_owned()]),
        none: None,
    };
    let here = candidate(root, root, file)?;
    let has_entry = !here.entries.is_empty();
    let missing = here.missing_main.clone();
    let language = here.language;
    found.await_main(root, missing.as_deref());
    found.await_handlers(root);
    if has_entry {
        found.packages.push(here.package(root));
    }
    match &file.config.packages {
        Some(globs) => globs::by_globs(root, globs, file, &mut found)?,
        None => usual(root, has_entry, file, &mut found)?,
    }
    without_libraries(&mut found.packages);
    if found.packages.is_empty() {
        found.none = Some(match missing {
            Some(main) => ProjectError::NoMain {
                manifest: root.join(language.manifest()),
                main,
            },
            None => ProjectError::NoFunctions {
                folder: root.to_owned(),
            },
        });
    }
    finish(root, &mut found.packages);
    Ok(found)
}

impl DiscoveredPackages {
    /// Notes the folders of a package in which handlers may appear.
    fn await_handlers(&mut self, package: &Path) {
        let folders = HANDLERS.iter().map(|name| package.join(name));
        self.parents.extend(folders);
        self.parents.insert(package.join("netlify"));
    }

    /// Notes the folders in which the entry of a package that is not built will appear.
    fn await_main(&mut self, package: &Path, main: Option<&str>) {
        let Some(main) = main.and_then(plain) else {
            return;
        };
        let mut folder = package.to_owned();
        for part in main.split('/') {
            self.parents.insert(folder.clone());
            folder.push(part);
        }
    }
}

/// The path of an entry without a dot at its beginning. `None` if it leads out of its package.
fn plain(main: &str) -> Option<&str> {
    let main = main.trim_start_matches("./").trim_end_matches('/');
    let stays = Path::new(main)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    stays.then_some(main)
}

/// The package of a folder of handlers, whose manifest is in `root` above it.
pub(super) fn of_handlers(folder: &Path, root: &Path) -> Result<DiscoveredPackages, ProjectError> {
    let mut candidate = candidate(root, root, &ConfigFile::default())?;
    let below = folder.strip_prefix(root).ok().and_then(Path::to_str);
    let language = candidate.language;
    candidate.entries = match (below, index(language, folder)) {
        (None, _) => Vec::new(),
        (Some(below), Some(index)) => vec![format!("{below}/{index}")],
        (Some(below), None) => handlers::of_folder(language, root, below),
    };
    let none = candidate
        .entries
        .is_empty()
        .then(|| ProjectError::NoFunctions {
            folder: folder.to_owned(),
        });
    let packages = match none {
        Some(_) => Vec::new(),
        None => vec![candidate.package(root)],
    };
    Ok(DiscoveredPackages {
        packages,
        warnings: Vec::new(),
        parents: BTreeSet::from([root.to_owned(), folder.to_owned()]),
        none,
    })
}

/// A package of one file, in the package of `root` if a manifest is there.
pub(super) fn single(path: &Path, root: &Path) -> Result<Package, ProjectError> {
    let (Some(entry), Some(name)) = (
        path.strip_prefix(root).ok().and_then(Path::to_str),
        path.file_name().and_then(|name| name.to_str()),
    ) else {
        return Err(ProjectError::NotFound {
            path: path.to_owned(),
        });
    };
    let Some(language) = fnlocal_language::of_code(name) else {
        return Err(ProjectError::NotCode {
            path: path.to_owned(),
        });
    };
    let mut candidate = candidate_in(language, root, root, &ConfigFile::default())?;
    // With a manifest the file is that package's entry, dependencies and all.
    let scope = if candidate.manifest.is_some() {
        Scope::Folder
    } else {
        Scope::File
    };
    candidate.entries = vec![entry.to_owned()];
    let mut package = candidate.package(root);
    package.scope = scope;
    if scope == Scope::File {
        package.name = names::slug(name.split('.').next().unwrap_or(name));
    }
    Ok(package)
}

/// A folder that a package depends on, as a package of its own.
pub(super) fn library(folder: &Path, package: &Package) -> Package {
    let none = ConfigFile::default();
    let found = candidate_in(package.language, folder, &package.project_root, &none);
    let entries = found.map(|found| found.entries);
    Package {
        entries: entries.unwrap_or_default(),
        ..super::mirror::library(folder, package, Vec::new())
    }
}

/// A folder that may be a package.
struct Candidate {
    language: &'static dyn Language,
    root: PathBuf,
    entries: Vec<String>,
    manifest: Option<PackageManifest>,
    /// `main` names a file that is not there.
    missing_main: Option<String>,
}

impl Candidate {
    fn package(self, project: &Path) -> Package {
        let folder = self
            .root
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("package");
        let named = self
            .manifest
            .as_ref()
            .and_then(|manifest| manifest.name.as_deref());
        Package {
            id: PackageId(0),
            name: names::slug(named.unwrap_or(folder)),
            language: self.language,
            root: self.root,
            project_root: project.to_owned(),
            entries: self.entries,
            manifest: self.manifest,
            scope: Scope::Folder,
            nested: Vec::new(),
        }
    }
}

/// The package that a folder is in the first language in which it has entries.
fn candidate(root: &Path, project: &Path, file: &ConfigFile) -> Result<Candidate, ProjectError> {
    let mut best = candidate_in(fnlocal_language::usual(), root, project, file)?;
    for language in fnlocal_language::all().skip(1) {
        let other = candidate_in(language, root, project, file)?;
        let is_better = other.manifest.is_some() && best.manifest.is_none();
        if best.entries.is_empty() && (is_better || !other.entries.is_empty()) {
            best = other;
        }
    }
    Ok(best)
}

/// The package that a folder is in one language.
fn candidate_in(
    language: &'static dyn Language,
    root: &Path,
    project: &Path,
    file: &ConfigFile,
) -> Result<Candidate, ProjectError> {
    let manifest = PackageManifest::read(language, root, project);
    let manifest = manifest.map_err(|error| match error {
        ManifestError::Io(source) => ProjectError::Io {
            path: root.join(language.manifest()),
            source,
        },
        ManifestError::Text(error) => ProjectError::Manifest(Box::new(error)),
    })?;
    let main = manifest.as_ref().and_then(|found| found.entry.clone());
    let resolved = main
        .as_deref()
        .and_then(|main| resolve(language, root, main));
    let missing_main = if resolved.is_none() { main } else { None };
    let named = handlers::named(root, project, file.config.entries.as_deref());
    let entries = match resolved.or_else(|| index(language, root)) {
        _ if !named.is_empty() => named,
        Some(entry) => vec![entry],
        None => handlers::all(language, root),
    };
    Ok(Candidate {
        language,
        root: root.to_owned(),
        entries,
        manifest,
        missing_main,
    })
}

/// Finds the entry that a manifest names.
fn resolve(language: &dyn Language, root: &Path, main: &str) -> Option<String> {
    let mut candidates = language.entry_candidates(plain(main)?).into_iter();
    candidates.find(|path| root.join(path).is_file())
}

/// The file that stands for a folder.
fn index(language: &dyn Language, root: &Path) -> Option<String> {
    let stem = language.index();
    let mut names = language
        .extensions()
        .iter()
        .map(|ending| format!("{stem}.{ending}"));
    names.find(|name| root.join(name).is_file())
}

/// Names in a folder, sorted; none when it cannot be read.
fn children(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

fn is_skipped(name: &str) -> bool {
    let is_installed = |language: &dyn Language| language.installed_folder() == name;
    name.starts_with('.') || fnlocal_language::all().any(is_installed)
}

fn usual(
    root: &Path,
    has_entry: bool,
    file: &ConfigFile,
    found: &mut DiscoveredPackages,
) -> Result<(), ProjectError> {
    let mut parents: Vec<PathBuf> = USUAL.iter().map(|name| root.join(name)).collect();
    if !has_entry {
        parents.push(root.to_owned());
    }
    for parent in parents {
        for name in children(&parent)
            .into_iter()
            .filter(|name| !is_skipped(name))
        {
            let folder = parent.join(name);
            if fnlocal_language::of_manifest(&folder).is_some() {
                add(root, &folder, file, found)?;
            }
        }
        found.parents.insert(parent);
    }
    Ok(())
}

/// Adds a folder if it has an entry, once; says whether it has.
fn add(
    root: &Path,
    folder: &Path,
    file: &ConfigFile,
    found: &mut DiscoveredPackages,
) -> Result<bool, ProjectError> {
    // A link may lead to a package that is found by another way too, or out of the project.
    let Ok(folder) = fs::canonicalize(folder) else {
        return Ok(false);
    };
    if !folder.starts_with(root) {
        return Ok(false);
    }
    let folder = folder.as_path();
    found.await_handlers(folder);
    if found.packages.iter().any(|package| package.root == folder) {
        return Ok(true);
    }
    let candidate = candidate(folder, root, file)?;
    if candidate.entries.is_empty() {
        found.await_main(folder, candidate.missing_main.as_deref());
        if let Some(main) = candidate.missing_main {
            let manifest = folder.join(candidate.language.manifest());
            let error = ProjectError::NoMain { manifest, main };
            found.warnings.push(Warning {
                text: error.to_string(),
                hint: error.hint(),
            });
        }
        return Ok(false);
    }
    found.packages.push(candidate.package(root));
    Ok(true)
}

/// Removes packages that others depend on: what they export is for those, not for clients. Where that
/// would leave none, each is served.
fn without_libraries(packages: &mut Vec<Package>) {
    let depended: BTreeSet<PathBuf> = packages
        .iter()
        .flat_map(|package| match package.local_dependencies() {
            Ok(local) => local.unwrap_or_default().folders,
            Err(LocalError::Version { member, .. }) => BTreeSet::from([member]),
            Err(_) => BTreeSet::new(),
        })
        .collect();
    let is_served = |package: &Package| !depended.contains(&package.root);
    if packages.iter().any(is_served) {
        packages.retain(is_served);
    }
}

/// Sorts, makes names differ, and tells packages what lies inside them.
fn finish(root: &Path, packages: &mut [Package]) {
    packages.sort_by(|a, b| a.root.cmp(&b.root));
    let mut slugs: Vec<(String, String)> = packages
        .iter()
        .map(|package| {
            let relative = package.root.strip_prefix(root).unwrap_or(&package.root);
            (
                package.name.clone(),
                relative.to_string_lossy().into_owned(),
            )
        })
        .collect();
    names::distinct(&mut slugs);
    for (package, (name, _)) in packages.iter_mut().zip(slugs) {
        package.name = name;
    }
    let roots: Vec<PathBuf> = packages
        .iter()
        .map(|package| package.root.clone())
        .collect();
    for (number, package) in packages.iter_mut().enumerate() {
        package.id = PackageId(u32::try_from(number).unwrap_or(u32::MAX));
        let inside = |other: &&PathBuf| other.starts_with(&package.root) && **other != package.root;
        package.nested = roots.iter().filter(inside).cloned().collect();
    }
}
