//! Arguments of `fnlocal destroy`.

use std::path::PathBuf;

/// Shown below the options.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal destroy --env staging            show the plan, ask for the project's name, delete
  fnlocal destroy --env staging --plan     show the plan only; exits 3 if anything would be deleted
  fnlocal destroy --env staging --yes";

/// Arguments of `fnlocal destroy`.
#[derive(Debug, clap::Args)]
pub struct DestroyArgs {
    /// The folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The environment: [env.NAME] of fnlocal.toml.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// Show the plan and delete nothing.
    #[arg(long)]
    pub plan: bool,
    /// Delete without asking.
    #[arg(long, conflicts_with = "plan")]
    pub yes: bool,
    /// Print the deleted resources as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}
