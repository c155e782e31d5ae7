//! Arguments of `fnlocal rollback`.

use std::path::PathBuf;

/// Shown below the options.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal rollback --env prod             to the release before the one that runs
  fnlocal rollback --env prod --to 12     to release r000012, older or newer
  fnlocal rollback --env prod --to 12 --yes";

/// Arguments of `fnlocal rollback`.
#[derive(Debug, clap::Args)]
pub struct RollbackArgs {
    /// A folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The environment: [env.NAME] of fnlocal.toml [default: the only one there].
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// The release's number [default: the one before that which runs].
    #[arg(long, value_name = "N")]
    pub to: Option<u32>,
    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
    /// Print what was done as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}
