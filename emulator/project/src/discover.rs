//! The folders that hold functions, and the files in them.
//!
//! Deliberately absent: what the functions are called. That is known only to the code, and the
//! driver asks it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fnlocal_api::UserError;
use fnlocal_core::PackageId;
use globset::{GlobBuilder, GlobMatcher};

use super::config_file::ConfigFile;
use super::manifest::{ManifestError, PackageManifest};
use super::{Package, ProjectError, Scope, Warning, names};

/// Endings of files Node runs, in the order an entry is looked for.
pub(super) const EXTENSIONS: [&str; 6] = ["js", "mjs", "cjs", "ts", "mts", "cts"];
/// Folders whose sub-folders are looked at without being asked.
const USUAL: [&str; 3] = ["functions", "packages", "services"];
/// How deep a glob of `packages` is followed.
const GLOB_DEPTH: usize = 8;

/// The packages of a project.
#[derive(Debug)]
pub struct DiscoveredPackages {
    pub packages: Vec<Package>,
    pub warnings: Vec<Warning>,
    /// Folders where a new sub-folder or file may be a new package or entry.
    pub parents: BTreeSet<PathBuf>,
}

/// Looks for packages in `root`.
pub(super) fn discover(root: &Path, file: &ConfigFile) -> Result<DiscoveredPackages, ProjectError> {
    let mut found = DiscoveredPackages {
        packages: Vec::new(),
        warnings: Vec::new(),
        parents: BTreeSet::from([root.to_owned()]),
    };
    let here = candidate(root, root)?;
    let has_entry = !here.entries.is_empty();
    let missing = here.missing_main.clone();
    found.parents.insert(root.join("functions"));
    if has_entry {
        found.packages.push(here.package(root));
    }
    match &file.config.packages {
        Some(globs) => by_globs(root, globs, file, &mut found)?,
        None => usual(root, has_entry, &mut found)?,
    }
    if found.packages.is_empty() {
        return Err(match missing {
            Some(main) => ProjectError::NoMain {
                manifest: root.join("package.json"),
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

/// A package of one file.
pub(super) fn single(path: &Path) -> Result<Package, ProjectError> {
    let (Some(folder), Some(name)) = (
        path.parent(),
        path.file_name().and_then(|name| name.to_str()),
    ) else {
        return Err(ProjectError::NotFound {
            path: path.to_owned(),
        });
    };
    if !is_code(name) {
        return Err(ProjectError::NotCode {
            path: path.to_owned(),
        });
    }
    let mut candidate = candidate(folder, folder)?;
    // With a package.json beside it the file is that package's entry, dependencies and all.
    let scope = if candidate.manifest.is_some() {
        Scope::Folder
    } else {
        Scope::File
    };
    candidate.entries = vec![name.to_owned()];
    let mut package = candidate.package(folder);
    package.scope = scope;
    if scope == Scope::File {
        package.name = names::slug(name.split('.').next().unwrap_or(name));
    }
    Ok(package)
}

/// A folder that may be a package.
struct Candidate {
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
            root: self.root,
            project_root: project.to_owned(),
            entries: self.entries,
            manifest: self.manifest,
            scope: Scope::Folder,
            nested: Vec::new(),
        }
    }
}

fn candidate(root: &Path, project: &Path) -> Result<Candidate, ProjectError> {
    let manifest = PackageManifest::read(root, project).map_err(|error| match error {
        ManifestError::Io(source) => ProjectError::Io {
            path: root.join("package.json"),
            source,
        },
        ManifestError::Text(error) => ProjectError::Manifest(Box::new(error)),
    })?;
    let main = manifest.as_ref().and_then(|manifest| manifest.main.clone());
    let resolved = main.as_deref().and_then(|main| resolve(root, main));
    let missing_main = if resolved.is_none() { main } else { None };
    let entries = match resolved.or_else(|| index(root)) {
        Some(entry) => vec![entry],
        None => in_functions(root),
    };
    Ok(Candidate {
        root: root.to_owned(),
        entries,
        manifest,
        missing_main,
    })
}

/// Finds `main` as Node does: the file, with an ending, or a folder's index.
fn resolve(root: &Path, main: &str) -> Option<String> {
    let main = main.trim_start_matches("./").trim_end_matches('/');
    let stays = Path::new(main)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    if !stays {
        return None;
    }
    if root.join(main).is_file() {
        return Some(main.to_owned());
    }
    let endings = EXTENSIONS.iter().map(|ending| format!("{main}.{ending}"));
    let inside = EXTENSIONS
        .iter()
        .map(|ending| format!("{main}/index.{ending}"));
    endings.chain(inside).find(|path| root.join(path).is_file())
}

fn index(root: &Path) -> Option<String> {
    let mut names = EXTENSIONS.iter().map(|ending| format!("index.{ending}"));
    names.find(|name| root.join(name).is_file())
}

/// `functions/*.js`, and `functions/*/index.js` of folders that are no packages of their own.
fn in_functions(root: &Path) -> Vec<String> {
    let mut entries = Vec::new();
    for name in children(&root.join("functions")) {
        let path = root.join("functions").join(&name);
        if path.is_file() && is_code(&name) {
            entries.push(format!("functions/{name}"));
        } else if path.is_dir() && !path.join("package.json").is_file() {
            entries.extend(index(&path).map(|index| format!("functions/{name}/{index}")));
        }
    }
    entries
}

/// Returns whether a file may hold functions, by its name.
pub fn is_code(name: &str) -> bool {
    let Some((stem, ending)) = name.rsplit_once('.') else {
        return false;
    };
    EXTENSIONS.contains(&ending)
        && !stem.starts_with(['.', '_'])
        && ![".d", ".test", ".spec"]
            .iter()
            .any(|end| stem.ends_with(end))
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
    name.starts_with('.') || name == "node_modules"
}

fn usual(root: &Path, has_entry: bool, found: &mut DiscoveredPackages) -> Result<(), ProjectError> {
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
            if folder.join("package.json").is_file() {
                add(root, &folder, found)?;
            }
        }
        found.parents.insert(parent);
    }
    Ok(())
}

fn by_globs(
    root: &Path,
    globs: &[String],
    file: &ConfigFile,
    found: &mut DiscoveredPackages,
) -> Result<(), ProjectError> {
    let mut matchers = Vec::new();
    for text in globs {
        let wrong = |why: String| {
            let error = file.error_at(&["packages"], format!("`{text}` {why}"));
            let hint = "write folders relative to fnlocal.toml, such as \"services/*\"";
            ProjectError::Config(Box::new(error.with_hint(Some(hint.to_owned()))))
        };
        let pattern = text.trim_start_matches("./").trim_end_matches('/');
        if pattern.starts_with('/') || pattern.split('/').any(|part| part == "..") {
            return Err(wrong("leads out of the project".to_owned()));
        }
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        let glob = glob.map_err(|error| wrong(format!("is not a glob: {}", error.kind())))?;
        let literal = pattern
            .split('/')
            .take_while(|part| !part.contains(['*', '?', '[', '{']));
        let mut parent = root.to_owned();
        for part in literal {
            parent.push(part);
            found.parents.insert(parent.clone());
        }
        matchers.push((text, glob.compile_matcher(), false));
    }
    descend(root, Path::new(""), &mut matchers, found)?;
    for (text, _, _) in matchers.iter().filter(|(_, _, used)| !used) {
        let path = file.path.as_deref().unwrap_or(root).display();
        found.warnings.push(Warning {
            text: format!("{path}: `packages` names `{text}`, where no folder holds functions"),
            hint: Some(
                "a package is a folder with a package.json `main`, an index.js or functions/*.js"
                    .into(),
            ),
        });
    }
    Ok(())
}

fn descend(
    root: &Path,
    relative: &Path,
    globs: &mut [(&String, GlobMatcher, bool)],
    found: &mut DiscoveredPackages,
) -> Result<(), ProjectError> {
    let folder = root.join(relative);
    for name in children(&folder)
        .into_iter()
        .filter(|name| !is_skipped(name))
    {
        let relative = relative.join(&name);
        let child = root.join(&relative);
        if !child.is_dir() || child.is_symlink() {
            continue;
        }
        for (_, glob, used) in globs.iter_mut() {
            if glob.is_match(&relative) {
                found.parents.insert(folder.clone());
                *used |= add(root, &child, found)?;
            }
        }
        if relative.components().count() < GLOB_DEPTH {
            descend(root, &relative, globs, found)?;
        }
    }
    Ok(())
}

/// Adds a folder if it has an entry, once; says whether it has.
fn add(root: &Path, folder: &Path, found: &mut DiscoveredPackages) -> Result<bool, ProjectError> {
    // A link may lead to a package that is found by another way too, or out of the project.
    let Ok(folder) = fs::canonicalize(folder) else {
        return Ok(false);
    };
    if !folder.starts_with(root) {
        return Ok(false);
    }
    let folder = folder.as_path();
    found.parents.insert(folder.join("functions"));
    if found.packages.iter().any(|package| package.root == folder) {
        return Ok(true);
    }
    let candidate = candidate(folder, root)?;
    if candidate.entries.is_empty() {
        if let Some(main) = candidate.missing_main {
            let manifest = folder.join("package.json");
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
