//! Arguments of `fnlocal doctor`.

use std::path::PathBuf;

/// Shown with `fnlocal doctor --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal doctor
  fnlocal doctor --json | jq '.[] | select(.state != \"good\")'";

/// Arguments of `fnlocal doctor`.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// A folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Print what was found as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}
