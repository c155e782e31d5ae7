//! A folder of functions: its configuration, packages, variables and code.
//!
//! [`Project::open`] reads `fnlocal.toml` and finds packages; the driver asks a package's code what
//! it exports and gives the answer to [`Project::settle`]; [`CodeStore`] turns each save into an
//! immutable copy that instances import. Nothing here runs code or knows of instances.
#![warn(clippy::disallowed_macros)]

mod above;
mod checks;
mod code;
mod code_config;
mod code_lines;
mod config;
mod config_file;
mod description;
mod diagnostics;
mod discover;
pub mod env;
mod env_expand;
pub mod env_file;
mod files;
mod inputs;
mod manifest;
mod mirror;
mod names;
mod open;
mod prescale;
pub mod programs;
mod resolve;
mod running;
mod schema;
mod settings;
mod shell;
mod state;
mod triggers;
mod values;
pub mod watch;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use fnlocal_core::{PackageId, Profile};
use fnlocal_language::Language;

pub use code::{CodeError, CodeStore, DepsHash, Snapshot};
pub use code_config::camel;
pub use config::{
    AsyncConfig, BodyMode, BuildConfig, CONFIG_FILE, Config, DevConfig, EnvConfig, ExpectConfig,
    FunctionConfig, INSTALL_TIME, LimitsConfig, LoadRequestConfig, LoadtestConfig, LogsChoice,
    NodeRangeConfig, OnConfig, PrescaleConfig, ProjectLogs, RouteConfig, RuntimeKind,
    ScaleOnConfig, ScenarioConfig,
};
pub use config_file::ConfigFile;
pub use description::{DescribedFunction, DescribedModule, Description};
pub use diagnostics::{FileError, suggest};
pub use env::{EnvError, Environment, env_files};
pub use manifest::{Lockfile, PackageManifest};
pub use names::MAX_FUNCTION_NAME;
pub use prescale::PrescaleError;
pub use resolve::{Across, FunctionProblem, Settled, SettledFunction};
pub use running::{NotRunning, Running, RunningFile};
pub use schema::{bounds, described_defaults, schema};
pub use settings::{DEFAULT_BODY_LIMIT, FunctionSettings};
pub use shell::ShellVariables;
pub use state::{StateDir, StateError};
pub use values::{ByteSize, MemorySize, RequestRate, TimeSpan};

pub use code::hash as hash_of_files;
pub use code::{config_error, hash_with_outside};
pub use files::{
    IGNORE_FILES, ImportMemo, LinkFree, LoadedFiles, Memo, Rules, Stamp, Tree, WalkEntry,
    WalkError, is_excluded, open_within, read_inside,
};
use state::STATE_DIR;

/// A folder of functions.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder, without links.
    pub root: PathBuf,
    /// The project's name.
    pub name: String,
    /// `fnlocal.toml`, or its absence.
    pub file: ConfigFile,
    /// The name of the environment: `dev`, `prod`, …
    pub env_name: String,
    /// Its packages, sorted by folder.
    pub packages: Vec<Package>,
    /// Warnings that are no reason to stop.
    pub warnings: Vec<Warning>,
    /// Whose limits apply.
    pub profile: Profile,
    /// The path it was opened by: the folder, or a single file.
    opened: PathBuf,
    /// Folders where a new sub-folder or file may be a new package or entry.
    parents: BTreeSet<PathBuf>,
    /// The behaviour without functions.
    when_empty: WhenEmpty,
    /// The files that the project waits for while it has no functions. `None` if it has some.
    pub waits_for: Option<String>,
    /// The next package's number; those of packages that went away are not given again.
    next_package: u32,
}

/// The behaviour of a project without functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WhenEmpty {
    /// The project does not open.
    Refuse,
    /// The project opens without packages, and says what it waits for.
    Wait,
}

/// Functions that share one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its number; the same for the same folder as long as the project is reloaded, not opened.
    pub id: PackageId,
    /// A name fit for folders, labels and image repositories; no other package has it.
    pub name: String,
    /// Its folder, without links.
    pub root: PathBuf,
    /// The project's folder.
    pub project_root: PathBuf,
    /// Files that export functions, relative to `root` with `/`.
    pub entries: Vec<String>,
    /// The language it is written in.
    pub language: &'static dyn Language,
    /// Its manifest, if it has one.
    pub manifest: Option<PackageManifest>,
    /// The part of the folder that belongs to it.
    pub scope: Scope,
    /// Folders inside that are packages of their own.
    pub nested: Vec<PathBuf>,
}

impl Package {
    /// The function that a file is named after, if it is one of several in a folder of handlers.
    /// `None` if the file may export any name. `entry` may be relative to the project, too.
    #[must_use]
    pub fn named_after(&self, entry: &str) -> Option<String> {
        discover::named_after(entry)
    }
}

/// The part of its folder that belongs to a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything that is not ignored.
    Folder,
    /// The entry alone: a single file was given, and no manifest lies beside it.
    File,
}

/// A warning that is no reason to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The text.
    pub text: String,
    /// One action that helps.
    pub hint: Option<String>,
}

impl Warning {
    /// The warning's text, with its hint on a line below.
    #[must_use]
    pub fn report(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{self}\n  hint: {hint}"),
            None => self.text.clone(),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Project {
    /// Opens a folder, or a single file, as a project. `env_name` is `dev` when not given.
    ///
    /// # Errors
    /// [`ProjectError`], for people.
    pub fn open(path: &Path, env_name: Option<&str>) -> Result<Self, ProjectError> {
        open::open(path, env_name.unwrap_or("dev"), WhenEmpty::Refuse)
    }

    /// The same for a folder that is followed from save to save: without functions it opens too,
    /// and [`Self::waits_for`] says what is missing.
    ///
    /// # Errors
    /// [`ProjectError`], but for a folder without functions or whose entry is not built.
    pub fn open_to_follow(path: &Path, env_name: Option<&str>) -> Result<Self, ProjectError> {
        open::open(path, env_name.unwrap_or("dev"), WhenEmpty::Wait)
    }

    /// Opens it again; packages in the same folders keep their numbers.
    ///
    /// # Errors
    /// [`ProjectError`]; this project is still good for running what it runs.
    pub fn reload(&self) -> Result<Self, ProjectError> {
        open::reload(self)
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.file.config
    }

    /// Its `.fnlocal`, whether it is there or not.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join(STATE_DIR)
    }

    /// The languages of its packages, each once; the usual one if there are none.
    #[must_use]
    pub fn languages(&self) -> Vec<&'static dyn Language> {
        let all = fnlocal_language::all();
        let is_used = |language: &&'static dyn Language| {
            let mut packages = self.packages.iter();
            packages.any(|package| package.language == *language)
        };
        let used: Vec<_> = all.filter(is_used).collect();
        match used.is_empty() {
            true => vec![fnlocal_language::usual()],
            false => used,
        }
    }

    /// A package by its number.
    #[must_use]
    pub fn package(&self, id: PackageId) -> Option<&Package> {
        self.packages.iter().find(|package| package.id == id)
    }

    pub fn parents(&self) -> &BTreeSet<PathBuf> {
        &self.parents
    }
}

/// Why a folder is no project.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// Nothing is there.
    #[error("there is no {}", path.display())]
    NotFound {
        /// The requested path.
        path: PathBuf,
    },
    /// A single file in no known language.
    #[error("{} is not a {} file", path.display(), source_titles())]
    NotCode {
        /// The file.
        path: PathBuf,
    },
    /// `fnlocal.toml` is wrong.
    #[error("{0}")]
    Config(Box<FileError>),
    /// A manifest is wrong.
    #[error("{0}")]
    Manifest(Box<FileError>),
    /// No functions.
    #[error("no functions were found in {}", folder.display())]
    NoFunctions {
        /// Where they were looked for.
        folder: PathBuf,
    },
    /// The manifest names an entry that is not there.
    #[error("{} names `{main}` as its entry, which does not exist", manifest.display())]
    NoMain {
        /// The manifest.
        manifest: PathBuf,
        /// The entry that it names.
        main: String,
    },
    /// A file cannot be read.
    #[error("could not read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        source: io::Error,
    },
}

impl ProjectError {
    /// Returns what has to appear before a project without functions can open.
    fn awaited(&self) -> String {
        match self {
            Self::NoMain { manifest, main } => {
                format!("{main}, which {} names as its entry", manifest.display())
            }
            Self::NoFunctions { folder } => {
                let awaited = each(|language| language.entries_awaited());
                format!("{} in {}", awaited.join(", or "), folder.display())
            }
            other => other.to_string(),
        }
    }
}

/// The words of each language.
fn each(said: impl Fn(&dyn Language) -> &'static str) -> Vec<&'static str> {
    fnlocal_language::all().map(said).collect()
}

fn source_titles() -> String {
    each(|language| language.source_title()).join(" or ")
}

/// The endings of files that may hold functions, for people.
fn endings() -> String {
    let all = fnlocal_language::all().flat_map(|language| language.extensions());
    let mut all: Vec<&str> = all.copied().collect();
    let last = all.pop().unwrap_or_default();
    format!("{} or {last}", all.join(", "))
}

fnlocal_api::user_error!(ProjectError: Config {
    Self::Config(error) | Self::Manifest(error) => error.hint();
    Self::NoFunctions { .. } => each(|language| language.first_function()).join("\n\nor ");
    Self::NoMain { .. } => "build it first, or correct `main`";
    Self::NotCode { .. } => format!("give a folder, or a file that ends in {}", endings());
    Self::Io { source, .. } => fnlocal_files::hint(source);
    Self::NotFound { .. } => None;
});
