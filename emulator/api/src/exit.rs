//! Exit codes, documented in `fnlocal --help`.

use std::process::ExitCode;

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// It failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// There is something to do: `promote --plan`.
    Changes = 3,
    /// The configuration is wrong.
    Config = 64,
    /// Docker or AWS does not answer.
    Unreachable = 69,
    /// A fault of fnlocal's own.
    Bug = 70,
    /// Somebody else is at it; try again.
    TryAgain = 75,
    /// Ended by the person.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
