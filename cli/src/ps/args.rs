//! Arguments of `fnlocal ps`.

use std::path::PathBuf;

/// Shown below the arguments.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal ps
  fnlocal ps --folder examples/auction
  fnlocal ps --json | jq '.nodes[].functions[] | {name, queued}'";

/// Arguments of `fnlocal ps`.
#[derive(Debug, clap::Args)]
pub struct PsArgs {
    /// The folder that `fnlocal dev` or `fnlocal up` serves.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// Print JSON on stdout.
    #[arg(long)]
    pub json: bool,
}
