//! Why an image or a package's dependencies cannot be had.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::errors::Error as EngineError;
use fnlocal_language::{LocalError, ManifestFault};
use fnlocal_project::CodeError;

/// Why an image, or a package's dependencies, cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The base can neither be pulled nor made.
    #[error(
        "the base image {image} could not be pulled ({pull}) nor made from this machine's node ({host})"
    )]
    NoBase {
        /// The image to pull.
        image: String,
        /// Why that failed.
        pull: String,
        /// Why a base could not be made.
        host: String,
    },
    /// The engine refused.
    #[error("{what}")]
    Engine {
        /// The attempted step.
        what: &'static str,
        /// The engine's error.
        source: Box<EngineError>,
    },
    /// The package manager failed.
    #[error("the dependencies of {package} could not be installed:\n{output}")]
    Install {
        package: String,
        /// All it wrote.
        output: String,
    },
    /// An install took too much.
    #[error("installing the dependencies of {package} {limit}:\n{output}")]
    InstallLimit {
        package: String,
        /// Too much of what.
        limit: InstallLimit,
        /// The output of the package manager until then.
        output: String,
    },
    /// A manifest is none.
    #[error("{} is not valid {}", path.display(), format_of(path))]
    Manifest {
        /// The file.
        path: PathBuf,
        source: ManifestFault,
    },
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        source: std::io::Error,
    },
    /// A dependency that is a link to somewhere else.
    #[error("{link} of {package}'s dependencies links to {target}, which no image has")]
    Outside {
        /// Whose dependencies.
        package: String,
        /// The link.
        link: String,
        /// Where it leads.
        target: String,
        /// One action that helps.
        hint: &'static str,
    },
    /// A dependency inside the project cannot be found or used.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// A dependency inside the project cannot be read.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The store of images fails.
    #[error(transparent)]
    Store(#[from] fnlocal_registry::StoreError),
    /// A layer cannot be made, read or sent.
    #[error("a layer could not be made")]
    Layer { source: std::io::Error },
    /// There is no package manager on this machine.
    #[error("{manager} was not found, and {package} has dependencies")]
    NoManager {
        manager: &'static str,
        /// Whose dependencies wait.
        package: String,
    },
}

/// A limit that an install exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstallLimit {
    /// More time than this.
    Time(Duration),
    /// More memory than this, in MiB.
    MemoryMib(u32),
    /// More processes and threads than this.
    Processes(i64),
    /// More files than this, in bytes.
    DiskBytes(i64),
}

impl InstallLimit {
    fn hint(self) -> &'static str {
        match self {
            Self::Time(_) => {
                "check the network and the registry's address in .npmrc; an install script may also \
                 wait without end (install_timeout in fnlocal.toml's [build] allows more time)"
            }
            Self::MemoryMib(_) | Self::Processes(_) | Self::DiskBytes(_) => {
                "an install script takes too much: the words above may say which"
            }
        }
    }
}

impl fmt::Display for InstallLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => write!(f, "took more than its time limit of {} s", time.as_secs()),
            Self::MemoryMib(mib) => write!(f, "took more than its memory limit of {mib} MiB"),
            Self::Processes(most) => write!(f, "reached its limit of {most} processes"),
            Self::DiskBytes(bytes) => {
                write!(f, "wrote more than its disk limit of {} GiB", bytes >> 30)
            }
        }
    }
}

fnlocal_api::user_error!(ImageError [Store, Local, Code] {
    Self::NoBase { .. } => "pull the base once while online, name one you have (base_image in \
        fnlocal.toml), or run without Docker: --runtime process";
    Self::Install { .. } => "the words above say why; the same command there shows them too";
    Self::InstallLimit { limit, .. } => limit.hint();
    Self::NoManager { manager, .. } =>
        format!("install {manager}, or use Docker with a base image that has it");
    Self::Engine { .. } => "`fnlocal doctor` checks the engine";
    Self::Outside { hint, .. } => *hint;
    Self::Layer { source } if source.kind() == std::io::ErrorKind::StorageFull =>
        "make room on the disk";
    Self::Io { source, .. } => fnlocal_files::hint(source);
    Self::Manifest { .. } | Self::Layer { .. } => None;
});

/// The format of a file, as its ending names it.
fn format_of(path: &Path) -> String {
    let ending = path.extension().unwrap_or_default();
    ending.to_string_lossy().to_uppercase()
}

pub(crate) fn engine(what: &'static str) -> impl Fn(EngineError) -> ImageError {
    move |source| ImageError::Engine {
        what,
        source: Box::new(source),
    }
}

pub(crate) fn io(path: &Path) -> impl Fn(std::io::Error) -> ImageError + '_ {
    move |source| ImageError::Io {
        path: path.to_owned(),
        source,
    }
}
