//! Arguments of `fnlocal open`.

use std::path::PathBuf;

/// Shown below the arguments.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal open             open the dashboard in a browser
  fnlocal open --print     print its address, which holds the token";

/// Arguments of `fnlocal open`.
#[derive(Debug, clap::Args)]
pub struct OpenArgs {
    /// The folder that `fnlocal dev` or `fnlocal up` serves.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// Print the address instead of opening a browser.
    #[arg(long)]
    pub print: bool,
}
