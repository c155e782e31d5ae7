//! Arguments of `fnlocal errors`.

use std::path::PathBuf;

/// Shown with `fnlocal errors --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal errors
  fnlocal errors bid
  fnlocal errors --json | jq '.[] | {message, count, last_seen}'";

/// Arguments of `fnlocal errors`.
#[derive(Debug, clap::Args)]
pub struct ErrorsArgs {
    /// Show only this function's errors.
    #[arg(value_name = "FUNCTION")]
    pub function: Option<String>,
    /// The project's folder, or one below it.
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub folder: PathBuf,
    /// Print the groups as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}
