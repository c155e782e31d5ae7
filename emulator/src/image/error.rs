//! Why an image or a package's dependencies cannot be had.

use std::path::PathBuf;

use bollard::errors::Error as EngineError;

/// Why an image, or a package's dependencies, cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The base can neither be pulled nor made.
    #[error(
        "the base image {image} could not be pulled ({pull}) nor made from this machine's node ({host})"
    )]
    NoBase {
        /// What was to be pulled.
        image: String,
        /// Why that failed.
        pull: String,
        /// Why a base could not be made.
        host: String,
    },
    /// The engine refused.
    #[error("{what}")]
    Engine {
        /// What was tried.
        what: &'static str,
        /// What the engine said.
        source: Box<EngineError>,
    },
    /// npm failed.
    #[error("the dependencies of {package} could not be installed:\n{output}")]
    Install {
        /// Whose.
        package: String,
        /// All npm wrote.
        output: String,
    },
    /// npm was still busy when its time was up.
    #[error("installing the dependencies of {package} took more than 10 minutes:\n{output}")]
    Slow {
        /// Whose.
        package: String,
        /// What npm wrote until then.
        output: String,
    },
    /// package.json is not JSON.
    #[error("{} is not valid JSON", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
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
    },
    /// The store of images fails.
    #[error(transparent)]
    Store(#[from] fnlocal_registry::StoreError),
    /// A layer cannot be made, read or sent.
    #[error("a layer could not be made")]
    Layer {
        /// Why.
        source: std::io::Error,
    },
    /// There is no npm on this machine.
    #[error("npm was not found, and {package} has dependencies")]
    NoNpm {
        /// Whose dependencies wait.
        package: String,
    },
}

impl ImageError {
    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoBase { .. } => {
                "pull the base once while online, name one you have (base_image in fnlocal.toml), \
                 or run without Docker: --runtime process"
            }
            Self::Install { .. } => {
                "the words above say why; the same command there shows them too"
            }
            Self::Slow { .. } => "check the network and the registry's address in .npmrc",
            Self::NoNpm { .. } => "install npm, or use Docker with a base image that has it",
            Self::Engine { .. } => "`fnlocal doctor` checks the engine",
            Self::Outside { .. } => {
                "publish it, or put its files into the package: a `file:` dependency is not \
                 packed into the image"
            }
            Self::Store(error) => return error.hint(),
            Self::Layer { source } if source.kind() == std::io::ErrorKind::StorageFull => {
                "make room on the disk"
            }
            Self::Io { source, .. } => return fnlocal_files::hint(source),
            Self::Manifest { .. } | Self::Layer { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

pub(crate) fn engine(what: &'static str) -> impl Fn(EngineError) -> ImageError {
    move |source| ImageError::Engine {
        what,
        source: Box::new(source),
    }
}

pub(crate) fn io(path: &std::path::Path) -> impl Fn(std::io::Error) -> ImageError + '_ {
    move |source| ImageError::Io {
        path: path.to_owned(),
        source,
    }
}
