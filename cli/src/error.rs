//! Why a command ends early: what failed, one action that helps, and the exit code.

use std::error::Error;

use fnlocal_api::{Exit, IntoHint, UserError};
use fnlocal_image::release::MakeError;

/// How a command ends.
pub type CommandResult = Result<Exit, CliError>;

/// Why a command ends early. Only `run.rs` prints it.
#[derive(Debug)]
pub struct CliError {
    /// How the command ends.
    pub exit: Exit,
    /// The failure.
    pub error: Box<dyn Error>,
    /// One action that helps.
    pub hint: Option<String>,
    /// Lines of a function's code, printed before the error.
    pub frame: Option<String>,
}

impl CliError {
    /// An error that has no type of its own.
    pub fn new(exit: Exit, error: impl Into<Box<dyn Error>>, hint: impl IntoHint) -> Self {
        Self {
            exit,
            error: error.into(),
            hint: hint.into_hint(),
            frame: None,
        }
    }

    /// The command line is wrong.
    pub fn usage(error: impl Into<Box<dyn Error>>, hint: impl IntoHint) -> Self {
        Self::new(Exit::Usage, error, hint)
    }

    /// fnlocal.toml is wrong.
    pub fn config(error: impl Into<Box<dyn Error>>, hint: impl IntoHint) -> Self {
        Self::new(Exit::Config, error, hint)
    }

    /// The machine refused, and nothing better than its own words is known.
    pub fn failed(error: impl Into<Box<dyn Error>>) -> Self {
        Self::new(Exit::Failed, error, None)
    }

    /// A fault of fnlocal.
    pub fn bug(error: impl Into<Box<dyn Error>>) -> Self {
        Self::new(Exit::Bug, error, None)
    }

    /// A file cannot be read or written.
    #[cfg(feature = "aws")]
    pub fn file(what: &str, path: &std::path::Path, source: std::io::Error) -> Self {
        Self::failed(format!("could not {what} {}: {source}", path.display()))
    }

    /// A release cannot be made: with the lines of code around the place, if there is one.
    pub fn from_make(error: MakeError) -> Self {
        let frame = match &error {
            MakeError::Build(error) => error.frame().map(str::to_owned),
            _ => None,
        };
        Self {
            frame,
            ..Self::from(error)
        }
    }
}

impl<E: UserError + 'static> From<E> for CliError {
    fn from(error: E) -> Self {
        let (exit, hint) = (error.exit(), error.hint());
        Self::new(exit, error, hint)
    }
}
