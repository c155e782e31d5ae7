//! Why something cannot be done in the cloud, for people.

use std::error::Error as StdError;
use std::fmt;

/// The kind of a failure, which decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloudErrorKind {
    /// The command failed: 1.
    Failed,
    /// `fnlocal.toml` asks for what cannot be: 64.
    Config,
    /// AWS does not answer, or does not know who asks: 69.
    Unreachable,
    /// Another process is promoting, or AWS is busy: 75.
    TryAgain,
    /// Interrupted by the person: 130.
    Interrupted,
}

/// Why something cannot be done in the cloud.
#[derive(Debug)]
pub struct CloudError {
    /// The kind of the failure.
    pub kind: CloudErrorKind,
    /// One action that helps.
    pub hint: Option<String>,
    what: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl CloudError {
    /// A failure; `what` names the thing.
    pub fn new(kind: CloudErrorKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            hint: None,
            what: what.into(),
            source: None,
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// The same with its cause.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
            ..self
        }
    }
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl StdError for CloudError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

fnlocal_api::user_error!(CloudError {
    Self { kind: CloudErrorKind::Failed, hint, .. } => hint.clone();
    Self { kind: CloudErrorKind::Config, hint, .. } => hint.clone(), Config;
    Self { kind: CloudErrorKind::Unreachable, hint, .. } => hint.clone(), Unreachable;
    Self { kind: CloudErrorKind::TryAgain, hint, .. } => hint.clone(), TryAgain;
    Self { kind: CloudErrorKind::Interrupted, hint, .. } => hint.clone(), Interrupted;
});
