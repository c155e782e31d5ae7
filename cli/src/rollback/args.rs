//! Arguments of `fnlocal rollback`.

use std::path::PathBuf;

/// Shown below the options.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal rollback --env prod             go back to the release before the current one
  fnlocal rollback --env prod --to 12     switch to release r000012, older or newer
  fnlocal rollback --env prod --to 12 --yes";

/// Arguments of `fnlocal rollback`.
#[derive(Debug, clap::Args)]
pub struct RollbackArgs {
    /// The folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The environment: [env.NAME] of fnlocal.toml [default: the only one there].
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// The release's number [default: the one before the current release].
    #[arg(long, value_name = "N")]
    pub to: Option<u32>,
    /// Switch without asking.
    #[arg(short, long)]
    pub yes: bool,
    /// Print the result as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}
