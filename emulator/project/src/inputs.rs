//! What package managers read of a project while they install, besides manifests, lock files and
//! settings: patches, hooks, plugins, and the Yarn that a project brings along. And a package's own
//! scripts for an install, with the files they name.
//!
//! Names come from texts of the project. A name that leads out of the project is an error; one that
//! leads nowhere is left to the package manager to report.

mod named;
mod scripts;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::files::{ImportMemo, LoadedFiles, read_inside};
use super::local::{MirroredFile, files_below, read_manifest};
use super::{CodeError, Package};
use named::{patches_of, paths_in, setting};

pub use scripts::InstallScripts;

/// Files that package managers read if they are there.
const FILES: [&str; 3] = [".pnpmfile.cjs", ".pnpmfile.mjs", ".yarnrc"];
/// Folders of which package managers read what settings and manifests name, and more.
const FOLDERS: [&str; 2] = [".yarn/patches", ".yarn/plugins"];
/// Settings whose text names files: certificates, hooks, patches, plugins, releases.
const SETTINGS: [&str; 4] = [".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml"];
/// Where Yarn keeps what it wrote itself, as one file each.
const YARN: &str = ".yarn/";

/// What a package manager reads besides manifests, lock files and settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstallInputs {
    /// The files, by their paths below the folder that the package manager runs in.
    pub files: Vec<MirroredFile>,
    /// The Yarn that the project brings, by its path below that folder.
    pub yarn: Option<String>,
}

impl InstallInputs {
    /// Reads them for a package whose package manager runs in `run_in`.
    ///
    /// # Errors
    /// [`CodeError`] for a name that leads out of the project or of the folder, and for what cannot
    /// be read.
    pub fn read(package: &Package, run_in: &Path) -> Result<Self, CodeError> {
        let mut files = Vec::new();
        for path in input_files(package, run_in)? {
            files.push(read_file(package, run_in, &path)?);
        }
        for folder in FOLDERS.map(|name| run_in.join(name)) {
            if folder.is_dir() {
                files.extend(files_below(&folder, package, run_in)?);
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        let yarn = release(package, run_in);
        let is_there = |path: &String| files.iter().any(|file| file.path == *path);
        Ok(Self {
            yarn: yarn.filter(is_there),
            files,
        })
    }

    /// The files and folders whose change may be a change of the inputs.
    pub(crate) fn places(package: &Package, run_in: &Path) -> Vec<PathBuf> {
        let mut places: Vec<PathBuf> = FILES.map(|name| run_in.join(name)).into();
        places.extend(SETTINGS.map(|name| run_in.join(name)));
        places.extend(input_files(package, run_in).unwrap_or_default());
        for folder in FOLDERS.map(|name| run_in.join(name)) {
            let found = files_below(&folder, package, run_in).unwrap_or_default();
            places.extend(found.into_iter().map(|file| run_in.join(file.path)));
            places.push(folder);
        }
        places
    }
}

/// The Yarn that a project's settings name, relative to the folder of the settings.
fn release(package: &Package, run_in: &Path) -> Option<String> {
    let text = |name: &str| text(package, &run_in.join(name)).unwrap_or_default();
    let path = setting(&text(".yarnrc.yml"), "yarnPath:")
        .or_else(|| setting(&text(".yarnrc"), "yarn-path"))?;
    Some(path.trim_start_matches("./").to_owned())
}

/// The files that there are, with what those that are code load.
fn input_files(package: &Package, run_in: &Path) -> Result<BTreeSet<PathBuf>, CodeError> {
    let mut named: Vec<PathBuf> = FILES.map(|name| run_in.join(name)).into();
    for name in SETTINGS {
        let text = text(package, &run_in.join(name)).unwrap_or_default();
        named.extend(paths_in(&text).map(|path| run_in.join(path)));
    }
    for folder in [run_in, &package.root] {
        let manifest = read_manifest(folder).unwrap_or_default();
        let patches = patches_of(&manifest);
        named.extend(patches.into_iter().map(|patch| patch.below(folder, run_in)));
    }
    let mut files = BTreeSet::new();
    for path in named {
        // An address or another word of a setting that happens to have a slash is no file.
        if !fs::metadata(&path).is_ok_and(|found| found.is_file()) {
            continue;
        }
        let plain = inside(package, run_in, &path)?;
        files.extend(loaded_by(package, run_in, &plain));
        files.insert(plain);
    }
    Ok(files)
}

/// A path that stays below `run_in`, without `.` and `..`.
fn inside(package: &Package, run_in: &Path, path: &Path) -> Result<PathBuf, CodeError> {
    let plain = super::local::plain(path);
    let target = fs::canonicalize(path).map_err(|source| CodeError::Read {
        path: path.to_owned(),
        source,
    })?;
    if plain.starts_with(run_in) && target.starts_with(&package.project_root) {
        return Ok(plain);
    }
    Err(CodeError::InputOutside {
        path: plain,
        target,
        folder: run_in.to_owned(),
    })
}

/// Files that a file of JavaScript loads, except what Yarn wrote itself, which is in one piece.
fn loaded_by(package: &Package, run_in: &Path, file: &Path) -> Vec<PathBuf> {
    let relative = file.strip_prefix(run_in).ok().and_then(Path::to_str);
    let Some(relative) = relative.filter(|path| !path.starts_with(YARN)) else {
        return Vec::new();
    };
    let entry = Package {
        root: run_in.to_owned(),
        entries: vec![relative.to_owned()],
        ..package.clone()
    };
    let loaded = LoadedFiles::of(&entry, &mut ImportMemo::default());
    let paths = loaded.paths().map(|path| run_in.join(path));
    paths.filter(|path| path.is_file()).collect()
}

fn read_file(package: &Package, top: &Path, path: &Path) -> Result<MirroredFile, CodeError> {
    let fail = |source| CodeError::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = read_inside(&package.project_root, path).map_err(fail)?;
    let metadata = fs::metadata(path).map_err(fail)?;
    let relative = path.strip_prefix(top).unwrap_or(path);
    Ok(MirroredFile {
        path: relative.to_string_lossy().into_owned(),
        bytes,
        executable: super::files::Stamp::of(&metadata).executable,
    })
}

fn text(package: &Package, path: &Path) -> Option<String> {
    let bytes = read_inside(&package.project_root, path).ok()?;
    fnlocal_files::decode(bytes).ok()
}

/// A package.json's text fields of a kind, by their names.
fn texts<'a>(manifest: &'a Map<String, Value>, field: &str) -> Vec<(&'a str, &'a str)> {
    let fields = manifest.get(field).and_then(Value::as_object);
    let texts = fields.into_iter().flatten();
    texts
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect()
}
