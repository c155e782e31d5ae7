//! The files that package managers read of a project while they install, besides manifests, lock files and
//! settings, as the package's language says it. And a package's own scripts for an install, with the
//! files they name.
//!
//! Names come from texts of the project. A name that leads out of the project is an error; one that
//! leads nowhere is left to the package manager to report.

mod scripts;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use fnlocal_language::{InstallInputs, MirroredFile};

use super::files::{ImportMemo, LoadedFiles, Stamp, read_inside, read_text_inside};
use super::mirror::files_below;
use super::{CodeError, Package};

impl Package {
    /// Reads what its package manager, which runs in `run_in`, reads besides manifests, lock files
    /// and settings.
    ///
    /// # Errors
    /// [`CodeError`] for a name that leads out of the project or of the folder, and for what cannot
    /// be read.
    pub fn install_inputs(&self, run_in: &Path) -> Result<InstallInputs, CodeError> {
        let mut files = Vec::new();
        for path in input_files(self, run_in)? {
            files.push(read_file(self, run_in, &path)?);
        }
        for folder in input_folders(self, run_in) {
            if folder.is_dir() {
                files.extend(files_below(&folder, self, run_in)?);
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        let settings = |name: &str| text(self, &run_in.join(name));
        let brought = self.language.brought_manager(&settings);
        let is_there = |path: &String| files.iter().any(|file| file.path == *path);
        Ok(InstallInputs {
            brought: brought.filter(is_there),
            files,
        })
    }

    /// The files and folders whose change may be a change of the inputs.
    pub(crate) fn input_places(&self, run_in: &Path) -> Vec<PathBuf> {
        let named = self.language.input_places();
        let names = named.files.iter().chain(named.settings);
        let mut places: Vec<PathBuf> = names.map(|name| run_in.join(name)).collect();
        places.extend(input_files(self, run_in).unwrap_or_default());
        for folder in input_folders(self, run_in) {
            let found = files_below(&folder, self, run_in).unwrap_or_default();
            places.extend(found.into_iter().map(|file| run_in.join(file.path)));
            places.push(folder);
        }
        places
    }
}

fn input_folders(package: &Package, run_in: &Path) -> impl Iterator<Item = PathBuf> {
    let folders = package.language.input_places().folders.iter();
    folders.map(|name| run_in.join(name))
}

/// The files that there are, with what those that are code load.
fn input_files(package: &Package, run_in: &Path) -> Result<BTreeSet<PathBuf>, CodeError> {
    let language = package.language;
    let places = language.input_places();
    let mut named: Vec<PathBuf> = places.files.iter().map(|name| run_in.join(name)).collect();
    for name in places.settings {
        let paths = language.settings_paths(&text(package, &run_in.join(name)));
        named.extend(paths.into_iter().map(|path| run_in.join(path)));
    }
    for folder in [run_in, &package.root] {
        let manifest = text(package, &folder.join(language.manifest()));
        let inputs = language.manifest_paths(&manifest);
        named.extend(inputs.into_iter().map(|input| input.below(folder, run_in)));
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
    let plain = plain(path);
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

/// Files that a source loads, unless it is known to be in one piece.
fn loaded_by(package: &Package, run_in: &Path, file: &Path) -> Vec<PathBuf> {
    let relative = file.strip_prefix(run_in).ok().and_then(Path::to_str);
    let Some(relative) = relative.filter(|path| !package.language.is_whole_input(path)) else {
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
        executable: Stamp::of(&metadata).executable,
    })
}

/// A file's text; empty if there is none that can be read.
fn text(package: &Package, path: &Path) -> String {
    read_text_inside(&package.project_root, path).unwrap_or_default()
}

/// A path without `.` and `..`, by its text.
fn plain(path: &Path) -> PathBuf {
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
