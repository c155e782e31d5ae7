//! Why a command for AWS ends early: the error, what to do about it, and the exit code.

use std::error::Error;

use fnlocal_cloud::{CloudError, Kind};
use fnlocal_image::build::BuildError;
use fnlocal_image::release::{MakeError, ReleaseStoreError};
use fnlocal_project::ProjectError;

use crate::exit::Exit;
use crate::run::fail;
use crate::terminal;

/// Why a command ends early.
#[derive(Debug)]
pub struct Refusal {
    exit: Exit,
    error: Box<dyn Error>,
    hint: Option<String>,
    /// Lines of code, for those who wrote them.
    frame: Option<String>,
}

impl Refusal {
    /// How the command ends.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// A refusal in one sentence.
    pub fn new(exit: Exit, error: impl Into<String>, hint: Option<String>) -> Self {
        Self::of(exit, error.into(), hint)
    }

    /// The command line is wrong.
    pub fn usage(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Usage, error, Some(hint.into()))
    }

    /// fnlocal.toml is wrong.
    pub fn config(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Config, error, Some(hint.into()))
    }

    /// A file cannot be read or written.
    pub fn file(what: &str, path: &std::path::Path, source: std::io::Error) -> Self {
        Self::new(
            Exit::Failed,
            format!("could not {what} {}: {source}", path.display()),
            None,
        )
    }

    /// What it says, without its causes.
    pub fn text(&self) -> String {
        self.error.to_string()
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Prints it; the exit code.
    pub fn tell(&self) -> Exit {
        if let Some(frame) = &self.frame {
            terminal::eprintln!("{frame}");
        }
        fail(self.exit, &*self.error, self.hint.as_deref())
    }

    fn of(exit: Exit, error: impl Into<Box<dyn Error>>, hint: Option<String>) -> Self {
        Self {
            exit,
            error: error.into(),
            hint,
            frame: None,
        }
    }
}

impl From<CloudError> for Refusal {
    fn from(error: CloudError) -> Self {
        let exit = match error.kind {
            Kind::Failed => Exit::Failed,
            Kind::Config => Exit::Config,
            Kind::Unreachable => Exit::Unreachable,
            Kind::TryAgain => Exit::TryAgain,
            Kind::Interrupted => Exit::Interrupted,
        };
        let hint = error.hint.clone();
        Self::of(exit, error, hint)
    }
}

impl From<ProjectError> for Refusal {
    fn from(error: ProjectError) -> Self {
        let hint = error.hint();
        Self::of(Exit::Config, error, hint)
    }
}

impl From<BuildError> for Refusal {
    fn from(error: BuildError) -> Self {
        let (exit, hint) = (crate::build::exit_of(&error), error.hint());
        let frame = error.frame().map(str::to_owned);
        Self {
            frame,
            ..Self::of(exit, error, hint)
        }
    }
}

impl From<MakeError> for Refusal {
    fn from(error: MakeError) -> Self {
        match error {
            MakeError::Build(error) => error.into(),
            error => {
                let (exit, hint) = (crate::release::exit_of(&error), error.hint());
                Self::of(exit, error, hint)
            }
        }
    }
}

impl From<ReleaseStoreError> for Refusal {
    fn from(error: ReleaseStoreError) -> Self {
        let hint = error.hint();
        Self::of(Exit::Failed, error, hint)
    }
}
