//! Arguments of `fnlocal destroy`.

use std::path::PathBuf;

/// Shown below the options.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal destroy --env staging            show what would be deleted, ask, delete it
  fnlocal destroy --env staging --plan     show only: ends with 3 if there is anything
  fnlocal destroy --env staging --yes";

/// Arguments of `fnlocal destroy`.
#[derive(Debug, clap::Args)]
pub struct DestroyArgs {
    /// A folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The environment: [env.NAME] of fnlocal.toml.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// Show what would be deleted and delete nothing.
    #[arg(long)]
    pub plan: bool,
    /// Do not ask.
    #[arg(long, conflicts_with = "plan")]
    pub yes: bool,
    /// Print what was deleted as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}
