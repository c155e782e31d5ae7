//! An install: the inputs, the commands and the environment of a package manager.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::{InstallInputs, InstallScripts, LocalDependencies};

/// The folder of an install in a container.
pub const INSTALL_WORK: &str = "/fnlocal-build";

/// A package whose dependencies are to be installed.
pub struct InstallRequest<'a> {
    /// The package's folder.
    pub root: &'a Path,
    /// The project's folder, out of which nothing is read.
    pub project: &'a Path,
    /// The text of its manifest.
    pub manifest: &'a str,
    /// The parts of the project that it depends on, with their files.
    pub local: Option<(LocalDependencies, Vec<MirroredFile>)>,
    /// The files of the project that its package manager reads besides.
    pub inputs: InstallInputs,
    /// Its own scripts for an install, and the files of it that they name.
    pub scripts: (InstallScripts, Vec<MirroredFile>),
}

/// A file as a package manager is to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirroredFile {
    /// Relative to a folder that the list it is in belongs to, such as [`LocalDependencies::top`]. With
    /// `/`.
    pub path: String,
    /// The file's content.
    pub bytes: Vec<u8>,
    /// The file can be executed.
    pub executable: bool,
}

/// A file that an install reads and that cannot be read.
#[derive(Debug)]
pub struct InstallFileError {
    pub path: PathBuf,
    pub source: io::Error,
}

/// The parts of this machine that a package manager's settings come from.
pub struct HostEnvironment<'a> {
    /// The person's variables.
    pub env: BTreeMap<String, String>,
    /// The person's home.
    pub home: Option<PathBuf>,
    /// Reads a file that these name. `None` if it cannot be read.
    pub read: &'a dyn Fn(&Path) -> Option<Vec<u8>>,
}

/// This machine's settings of a package manager, for an install in [`INSTALL_WORK`]. None of them stays
/// in an image.
#[derive(Debug, Default)]
pub struct HostSettings {
    /// Variables as `NAME=value`.
    pub env: Vec<String>,
    /// Files by their names in the folder, and their modes.
    pub files: Vec<(&'static str, Vec<u8>, u32)>,
}

/// A program that runs the commands of an install in a container, puts what they installed where code
/// finds it, and removes its own traces. Its arguments are the commands as JSON, a list of lists, and the
/// folder they run in, relative to its own.
///
/// Its exit codes: 90 if the container's memory limit ended a command, and 91 if its limit of processes
/// did.
#[derive(Clone, Copy, Debug)]
pub struct InstallScript {
    pub file: &'static str,
    pub bytes: &'static [u8],
}

/// The install of a package.
pub trait InstallPlan: fmt::Debug + Send + Sync {
    /// Everything that the result depends on, but for the interpreter.
    fn parts(&self) -> Vec<&[u8]>;

    /// A warning for the person, if something is odd.
    fn warning(&self) -> Option<String>;

    /// Facts about the install that the person may not expect.
    fn notes(&self) -> Vec<String>;

    /// Returns whether scripts of the package run. They may read all of its files, which are put into
    /// the folder the commands run in, before [`InstallPlan::files`].
    fn runs_scripts(&self) -> bool;

    /// The files that package managers read, by their paths in the install's folder, and whether they
    /// can be executed.
    fn files(&self) -> Vec<(String, &[u8], bool)>;

    /// The folder, below that of the install, in which its commands run.
    fn run_in(&self) -> &str;

    /// The commands that install into the folder `work`. `target` is the architecture of images that are
    /// not for this machine, as images spell it.
    fn steps(&self, work: &str, target: Option<&str>) -> Vec<Vec<String>>;

    /// The environment of these commands on this machine.
    fn env(&self, work: &str) -> Vec<String>;

    /// The settings that an install in a container needs of this machine.
    fn host_settings(&self, host: HostEnvironment<'_>) -> HostSettings;

    /// The package manager's name.
    fn manager(&self) -> &'static str;

    /// Returns whether the package manager installs for another architecture than its own.
    fn installs_for_others(&self) -> bool;
}
