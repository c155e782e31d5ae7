//! fnlocal's diagnosis of itself: what it does and how long that takes, for a person who looks for a
//! fault in it.
//!
//! Off unless asked for: no subscriber is there then, and an event costs one atomic load.
//! Functions' output and requests are records (`fnlocal logs`), and not part of diagnosis.

pub mod file;
mod filter;
mod writer;

use std::path::Path;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use file::RotatingFile;
use fnlocal_api::{Exit, UserError};
use writer::{DiagnosisGuard, DiagnosisOutput};

/// Chooses what is shown, such as `gateway=debug,runtime=trace`.
pub const FILTER: &str = "FNLOCAL_LOG";
/// `stderr` or `file`.
pub const TARGET: &str = "FNLOCAL_LOG_TO";
/// `text` or `json`.
pub const FORMAT: &str = "FNLOCAL_LOG_FORMAT";

/// Why the diagnosis cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DiagnosisError {
    /// The filter makes no sense.
    #[error(transparent)]
    Filter(#[from] filter::FilterError),
    /// A variable has a value that means nothing.
    #[error("{name} is `{value}`, which is neither {}", known.join(" nor "))]
    Value {
        /// The variable.
        name: &'static str,
        /// The variable's value.
        value: String,
        /// The permitted values.
        known: [&'static str; 2],
    },
    /// The file cannot be written.
    #[error("the diagnosis cannot be written to {}", file::FOLDER)]
    File(#[source] std::io::Error),
    /// The system gives no thread.
    #[error("the diagnosis cannot be written")]
    Thread(#[source] std::io::Error),
}

impl UserError for DiagnosisError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Filter(error) => Some(error.hint()),
            Self::Value { name, known, .. } => Some(format!("set {name}={}", known[0])),
            Self::File(source) => Some(fnlocal_files::hint(source).unwrap_or_else(|| {
                format!("make it writable, or unset {TARGET} to write to stderr")
            })),
            Self::Thread(_) => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Filter(_) | Self::Value { .. } => Exit::Usage,
            Self::File(_) | Self::Thread(_) => Exit::Failed,
        }
    }
}

/// Starts the diagnosis if it is asked for. `verbosity` counts `-v`; `folder` is what the command is
/// about. Ends with what is returned.
///
/// # Errors
/// [`DiagnosisError`]; nothing is started then.
pub fn start(verbosity: u8, folder: &Path) -> Result<Option<DiagnosisGuard>, DiagnosisError> {
    let to_file = choice(TARGET, ["stderr", "file"])?;
    let json = choice(FORMAT, ["text", "json"])?;
    let Some(directives) = filter::directives(&set(FILTER), verbosity, to_file)? else {
        return Ok(None);
    };
    let filter = EnvFilter::builder()
        .with_regex(false)
        .parse(&directives)
        .map_err(|error| filter::FilterError::Malformed(error.to_string()))?;
    let output = if to_file {
        DiagnosisOutput::File(RotatingFile::open(folder).map_err(DiagnosisError::File)?)
    } else {
        DiagnosisOutput::Stderr
    };
    let (lines, writing) = writer::start(output, json).map_err(DiagnosisError::Thread)?;
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(lines);
    let layer = if json {
        layer.json().boxed()
    } else {
        layer.boxed()
    };
    tracing_subscriber::registry()
        .with(layer)
        .with(filter)
        .init();
    Ok(Some(writing))
}

/// A variable's value, in UTF-8; empty if it is not set.
fn set(name: &str) -> String {
    let value = std::env::var_os(name).unwrap_or_default();
    value.to_string_lossy().trim().to_owned()
}

/// Returns whether a variable is the second of two words. An unset variable is the first.
fn choice(name: &'static str, known: [&'static str; 2]) -> Result<bool, DiagnosisError> {
    match set(name) {
        value if value == known[1] => Ok(true),
        value if value.is_empty() || value == known[0] => Ok(false),
        value => Err(DiagnosisError::Value { name, value, known }),
    }
}
