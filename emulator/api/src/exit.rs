//! Exit codes, documented in `fnlocal --help`.

use std::process::ExitCode;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The command succeeded.
    Ok = 0,
    /// The command failed; or `invoke` got a status of at least 400, or a `--fail-if` held.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The plan of `promote --plan` or `destroy --plan` has changes.
    Changes = 3,
    /// The configuration is wrong, or this build lacks the command.
    Config = 64,
    /// Docker, AWS or a running fnlocal does not answer.
    Unreachable = 69,
    /// fnlocal itself has a fault; report it.
    Bug = 70,
    /// Another process is using the same project or environment; try again later.
    TryAgain = 75,
    /// The command was interrupted by Ctrl-C or SIGTERM.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
