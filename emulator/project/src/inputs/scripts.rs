//! A package's own scripts for an install.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{inside, loaded_by, read_file, texts};
use crate::local::{LocalDependencies, MirroredFile, files_below, read_manifest};
use crate::{CodeError, Package};

/// Scripts that a package manager runs of the package it installs for.
const RUN: [&str; 3] = ["preinstall", "install", "postinstall"];
/// Scripts that package managers run in a working copy besides: they make what is published.
const WORKING_COPY: [&str; 4] = ["prepublish", "preprepare", "prepare", "postprepare"];
/// What tools read that are not told of it: patches of `patch-package`, the schema of Prisma.
const CONVENTIONS: [(&str, &[&str]); 2] = [
    ("patch-package", &["patches"]),
    ("prisma", &["prisma", "schema.prisma", "prisma.config.ts"]),
];

/// The scripts of a package that an install runs, and those that it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstallScripts {
    /// The scripts that run, with those that they run in turn, by their names. Empty if none runs.
    pub run: BTreeMap<String, String>,
    /// Names of scripts for an install that do not run.
    pub left_out: Vec<String>,
}

impl InstallScripts {
    /// Reads a package's. Those of a package that is installed with others of the project do not
    /// run: the files that they are written for are not all there.
    #[must_use]
    pub fn of(package: &Package) -> Self {
        let alone = matches!(LocalDependencies::of(package), Ok(None));
        let manifest = read_manifest(&package.root).unwrap_or_default();
        Self::from_manifest(&manifest, alone)
    }

    pub(crate) fn from_manifest(manifest: &Map<String, Value>, alone: bool) -> Self {
        let all: BTreeMap<&str, &str> = texts(manifest, "scripts").into_iter().collect();
        let named = |names: &[&str]| -> Vec<String> {
            let there = names.iter().filter(|name| all.contains_key(*name));
            there.map(|name| (*name).to_owned()).collect()
        };
        let (mut waiting, mut left_out) = (named(&RUN), named(&WORKING_COPY));
        if !alone {
            left_out.append(&mut waiting);
        }
        let mut run = BTreeMap::new();
        while let Some(name) = waiting.pop() {
            let Some(text) = all.get(name.as_str()) else {
                continue;
            };
            if run.insert(name, (*text).to_owned()).is_none() {
                // `npm run build` and its relatives name the script as a word.
                let called =
                    words(text).filter(|word| all.contains_key(word) && *word != "install");
                let around =
                    called.flat_map(|word| ["", "pre", "post"].map(|when| format!("{when}{word}")));
                waiting.extend(around);
            }
        }
        Self { run, left_out }
    }

    /// The files of the package that the scripts name, and what those load. When one changes, the
    /// install runs again.
    ///
    /// # Errors
    /// [`CodeError`] for files that cannot be read.
    pub fn named_files(&self, package: &Package) -> Result<Vec<MirroredFile>, CodeError> {
        let root = &package.root;
        let mut files = Vec::new();
        for path in self.places(package) {
            if path.is_dir() {
                files.extend(files_below(&path, package, root)?);
            } else if path.is_file() {
                files.push(read_file(package, root, &path)?);
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        Ok(files)
    }

    /// All files of the package, which the scripts may read. Its package.json is not among them.
    ///
    /// # Errors
    /// [`CodeError`] for files that cannot be read, and for too many.
    pub fn files(&self, package: &Package) -> Result<Vec<MirroredFile>, CodeError> {
        match self.run.is_empty() {
            true => Ok(Vec::new()),
            false => files_below(&package.root, package, &package.root),
        }
    }

    /// The files and folders that the scripts name, whether they are there or not.
    pub(crate) fn places(&self, package: &Package) -> BTreeSet<PathBuf> {
        let root = &package.root;
        let mut places = BTreeSet::new();
        for word in self.run.values().flat_map(|text| words(text)) {
            let conventions = CONVENTIONS.iter().filter(|(tool, _)| *tool == word);
            let usual = conventions.flat_map(|(_, places)| places.iter());
            places.extend(usual.map(|place| root.join(place)));
            let path = root.join(word);
            let is_own = path.exists() && Path::new(word).is_relative();
            // The folder itself would be all of the code: each save would install anew.
            if let Some(plain) = is_own.then(|| inside(package, root, &path).ok()).flatten()
                && plain != *root
            {
                if plain.is_file() {
                    places.extend(loaded_by(package, root, &plain));
                }
                places.insert(plain);
            }
        }
        places
    }
}

/// The words of a script, as a shell would split them.
fn words(script: &str) -> impl Iterator<Item = &str> {
    let between = |c: char| c.is_whitespace() || "\"'`;&|=(){}<>".contains(c);
    script.split(between).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripts(json: &str, alone: bool) -> InstallScripts {
        let scripts = serde_json::from_str::<Value>(json).unwrap();
        let manifest = Map::from_iter([("scripts".to_owned(), scripts)]);
        InstallScripts::from_manifest(&manifest, alone)
    }

    #[test]
    fn scripts_for_an_install_run_with_those_that_they_call() {
        let json = r#"{"postinstall": "npm run gen && node x.js", "pregen": "echo", "gen": "prisma generate",
            "test": "node --test", "prepare": "husky"}"#;
        let found = scripts(json, true);
        let run: Vec<&String> = found.run.keys().collect();
        assert_eq!(run, ["gen", "postinstall", "pregen"]);
        assert_eq!(found.left_out, ["prepare"]);
        let among = scripts(json, false);
        assert!(among.run.is_empty());
        assert_eq!(among.left_out, ["prepare", "postinstall"]);
    }

    #[test]
    fn scripts_that_call_each_other_come_to_an_end() {
        let found = scripts(
            r#"{"install": "npm run a", "a": "npm run b", "b": "npm run a"}"#,
            true,
        );
        assert_eq!(found.run.len(), 3);
    }
}
