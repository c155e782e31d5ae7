//! The contents of other platforms' project files: functions, routes, variables' names, limits and
//! schedules, as a `fnlocal.toml` and entry files, with a list of what could not be taken over.
//!
//! Deliberately absent: running anything, and guessing what a file does not say.
#![warn(missing_docs)]

mod document;
mod entry;
mod firebase;
mod imported;
mod netlify;
mod sam;
mod schedule;
mod serverless;
mod vercel;
mod wrangler;
mod write;

use std::path::{Path, PathBuf};

pub use imported::{ImportedFunction, ImportedProject, ImportedRoute};
pub use write::{WrittenFile, files};

/// The maximum size of a file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The files that can be read, by name.
pub const KNOWN: [&str; 6] = [
    "template.yaml",
    "serverless.yml",
    "firebase.json",
    "netlify.toml",
    "vercel.json",
    "wrangler.toml",
];

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be opened.
    #[error("{} cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The file is larger than any such file.
    #[error("{} has more than {MAX_FILE_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is of no platform that is known.
    #[error("{} is no file of a platform that is known", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// Its text is not what its name says.
    #[error("{}: {why}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// The reason, with its place.
        why: String,
    },
}

fnlocal_api::user_error!(ImportError: Usage {
    Self::Unknown { .. } => format!("known are {}", KNOWN.join(", "));
    _ => None;
});

/// Reads a platform's file. The project's code is looked at below its folder.
///
/// # Errors
/// The file cannot be read, or is of no known platform.
pub fn read(path: &Path) -> Result<ImportedProject, ImportError> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let root = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let text = read_text(path)?;
    let fail = |why: String| ImportError::Text {
        path: path.to_owned(),
        why,
    };
    let yaml = || document::yaml(&text).map_err(fail);
    let json = || document::json(&text).map_err(fail);
    let toml = || document::toml(&text).map_err(fail);
    match (stem, ending) {
        ("template", "yaml" | "yml") => Ok(sam::read(&yaml()?, root)),
        ("template" | "sam", "json") => Ok(sam::read(&json()?, root)),
        ("serverless", "yaml" | "yml") => Ok(serverless::read(&yaml()?, root)),
        ("serverless", "json") => Ok(serverless::read(&json()?, root)),
        ("firebase", "json") => Ok(firebase::read(&json()?)),
        ("netlify", "toml") => Ok(netlify::read(&toml()?, root)),
        ("vercel", "json") => Ok(vercel::read(&json()?, root)),
        ("wrangler", "toml") => Ok(wrangler::read(&toml()?, root)),
        ("wrangler", "json" | "jsonc") => Ok(wrangler::read(&json()?, root)),
        _ => Err(ImportError::Unknown {
            path: path.to_owned(),
        }),
    }
}

fn read_text(path: &Path) -> Result<String, ImportError> {
    use std::io::Read as _;
    let io = |source| ImportError::Io {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(io)?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(io)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(ImportError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(text)
}
