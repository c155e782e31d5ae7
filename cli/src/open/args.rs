//! Arguments of `fnlocal open`.

use std::path::PathBuf;

/// Shown below the arguments.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal open             the dashboard, in the browser
  fnlocal open --print     its address, for another browser; it holds the token that lets you in";

/// Arguments of `fnlocal open`.
#[derive(Debug, clap::Args)]
pub struct OpenArgs {
    /// The folder that `fnlocal dev` or `fnlocal up` serves.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// Print the address, and open nothing.
    #[arg(long)]
    pub print: bool,
}
