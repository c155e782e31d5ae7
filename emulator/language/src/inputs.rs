//! The files that package managers read of a project while they install, besides manifests, lock files and
//! settings; and a package's own scripts for an install.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::MirroredFile;

/// Where package managers' inputs are, below the folder that the package manager runs in.
#[derive(Clone, Copy, Debug)]
pub struct InputPlaces {
    /// Files that package managers read if they are there.
    pub files: &'static [&'static str],
    /// Folders of which they read what settings and manifests name, and more.
    pub folders: &'static [&'static str],
    /// Settings whose text names files.
    pub settings: &'static [&'static str],
}

/// A file that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedInput {
    /// Below the folder that the package manager runs in.
    OfProject(String),
    /// Below the manifest's folder.
    OfPackage(String),
}

impl NamedInput {
    /// The file's path, given the manifest's folder and the one that the package manager runs in.
    #[must_use]
    pub fn below(&self, folder: &Path, run_in: &Path) -> PathBuf {
        match self {
            Self::OfProject(path) => run_in.join(path),
            Self::OfPackage(path) => folder.join(path),
        }
    }
}

/// The files that a package manager reads besides manifests, lock files and settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstallInputs {
    /// The files, by their paths below the folder that the package manager runs in.
    pub files: Vec<MirroredFile>,
    /// The package manager that the project brings, by its path below that folder.
    pub brought: Option<String>,
}

/// The scripts of a package that an install runs, and those that it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstallScripts {
    /// The scripts that run, with those that they run in turn, by their names. Empty if none runs.
    pub run: BTreeMap<String, String>,
    /// Names of scripts for an install that do not run.
    pub left_out: Vec<String>,
}

/// The files that a language's package managers read of a project, and the scripts its packages run for an install.
pub trait LanguageInputs {
    /// Where the inputs are.
    fn input_places(&self) -> InputPlaces;

    /// The words of settings that may be paths of files.
    fn settings_paths(&self, text: &str) -> Vec<String>;

    /// The files that a manifest names.
    fn manifest_paths(&self, manifest: &str) -> Vec<NamedInput>;

    /// The package manager that settings name, relative to their folder. `read` gives the text of
    /// settings by their name, which is empty if there are none.
    fn brought_manager(&self, read: &dyn Fn(&str) -> String) -> Option<String>;

    /// Returns whether an input loads no other file, by its path.
    fn is_whole_input(&self, path: &str) -> bool;

    /// The scripts of a package for an install. Those of a package that is not `alone`, but
    /// installed with others of the project, do not run: the files that they are written for are
    /// not all there.
    fn install_scripts(&self, manifest: &str, alone: bool) -> InstallScripts;

    /// The files that a tool reads by convention, by its name.
    fn usual_inputs(&self, tool: &str) -> &'static [&'static str];
}

/// Returns the words of a script, as a shell would split them.
pub fn script_words(script: &str) -> impl Iterator<Item = &str> {
    let between = |c: char| c.is_whitespace() || "\"'`;&|=(){}<>".contains(c);
    script.split(between).filter(|word| !word.is_empty())
}
