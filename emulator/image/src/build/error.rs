//! Why a build failed.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::ImageError;
use crate::oci::manifest::ImagePlatform;
use fnlocal_api::{Failure, UserError};
use fnlocal_engine::connect::ConnectError;
use fnlocal_project::{CodeError, EnvError, ProjectError, StateError};

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The folder is no project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// Its state folder cannot be had, or another build has it.
    #[error(transparent)]
    State(#[from] StateError),
    /// Its variables cannot be read.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// Its code cannot be read.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The engine is needed and does not answer.
    #[error("{what} needs the Docker engine")]
    Engine {
        /// The purpose.
        what: String,
        /// Why it cannot be used.
        source: ConnectError,
    },
    /// A layer or an image cannot be made.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The package's files changed faster than they could be read.
    #[error("the files change faster than they can be packed")]
    Restless,
    /// A file of the package cannot be imported.
    #[error("{package}: {entry} cannot be imported: {}", failure.summary())]
    Import {
        /// The package.
        package: String,
        /// The file.
        entry: String,
        /// The failure of the code.
        failure: Box<Failure>,
    },
    /// The wrapper did not say what the package exports.
    #[error("{package}: its functions could not be listed: {why}")]
    Describe {
        /// The package.
        package: String,
        /// The output instead of a description.
        why: String,
    },
    /// The package took too much while it was imported.
    #[error("{package}: its functions could not be listed: importing its code {limit}")]
    ImportLimit {
        /// The package.
        package: String,
        /// Too much of what.
        limit: ImportLimit,
    },
    /// The package's own Dockerfile cannot be built.
    #[error("the Dockerfile of {package} could not be built:\n{output}")]
    Dockerfile {
        /// The package.
        package: String,
        /// The engine's output.
        output: String,
    },
    /// The package's own Dockerfile makes an image without the wrapper.
    #[error("the Dockerfile of {package} does not end with fnlocal's wrapper: it starts {found}")]
    Entrypoint {
        /// The package.
        package: String,
        /// The command that starts the wrapper.
        wanted: Vec<String>,
        /// The image's command.
        found: String,
    },
    /// Something cannot be built for a platform that is not the machine's.
    #[error("{what} cannot be built for {platform} on this machine")]
    Foreign {
        /// The thing that cannot be built.
        what: String,
        /// For which platform.
        platform: ImagePlatform,
    },
    /// The nodes' program does not start on the base image.
    #[error("{} does not run on the image nodes have:\n{why}", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// The program's output.
        why: String,
    },
    /// A part of fnlocal itself broke down.
    #[error("a part of fnlocal broke down: {0}")]
    Bug(String),
}

/// A limit that importing code exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportLimit {
    /// More time than this.
    Time(Duration),
    /// More memory than this, in MiB.
    MemoryMib(u32),
    /// More on stdout than this, in bytes.
    OutputBytes(usize),
}

impl fmt::Display for ImportLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => write!(f, "took more than {} s", time.as_secs()),
            Self::MemoryMib(mib) => write!(f, "needed more than {mib} MiB of memory"),
            Self::OutputBytes(bytes) => write!(f, "wrote more than {} MiB", bytes >> 20),
        }
    }
}

impl BuildError {
    /// The lines around the place in the code, when there is one.
    #[must_use]
    pub fn frame(&self) -> Option<&str> {
        match self {
            Self::Import { failure, .. } => failure.frame.as_deref(),
            _ => None,
        }
    }
}

fnlocal_api::user_error!(BuildError [Project, State, Env, Code, Image] {
    Self::Engine { source, .. } => without_runtime(source), Unreachable;
    Self::Restless => "stop the program that writes into the package, or ignore its files";
    Self::Import { failure, .. } => failure.hint.clone();
    Self::Describe { .. } => None;
    Self::ImportLimit { .. } => "do this in a function: a build imports the code only to list its \
        functions";
    Self::Dockerfile { .. } => "the engine's words above say why";
    Self::Entrypoint { wanted, .. } => format!(
        "end the Dockerfile with\n\n    WORKDIR /app\n    USER 1000:1000\n    \
         ENTRYPOINT {}\n\nfnlocal adds the wrapper itself",
        quoted(wanted)
    ), Config;
    Self::Foreign { .. } => "build it on such a machine, in CI for example";
    Self::Program { .. } => concat!(
        "the image is Debian's: get `fnlocal` ", env!("CARGO_PKG_VERSION"), " that was built for it, \
         or for any Linux, and name it with --node-binary FILE"
    ), Config;
    Self::Bug(_) => "this is a fault of fnlocal; report it with the lines above", Bug;
});

/// A command as a Dockerfile has it.
fn quoted(words: &[String]) -> String {
    format!("[\"{}\"]", words.join("\", \""))
}

/// The hint of an engine that does not answer. A build has no runtime to fall back on, as `dev` has.
fn without_runtime(error: &ConnectError) -> Option<String> {
    let hint = error.hint()?;
    let ends = [", or run without", "; or run without"];
    let end = ends.iter().find_map(|or| hint.find(or));
    Some(end.map_or(hint.as_str(), |end| &hint[..end]).to_owned())
}

pub(super) fn bug(error: impl std::fmt::Display) -> BuildError {
    BuildError::Bug(error.to_string())
}
