//! Arguments of `fnlocal status`.

use std::path::PathBuf;

/// Shown below the options.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal status                     the only environment of fnlocal.toml
  fnlocal status --env prod
  fnlocal status --env prod --json | jq '.nodes[].target'";

/// Arguments of `fnlocal status`.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// The folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The environment: [env.NAME] of fnlocal.toml [default: the only one there].
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// Print JSON on stdout.
    #[arg(long)]
    pub json: bool,
}
