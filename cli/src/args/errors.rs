//! Arguments of `fnlocal errors`.

use std::path::PathBuf;

/// Arguments of `fnlocal errors`.
#[derive(Debug, clap::Args)]
pub struct Errors {
    /// Only this function's.
    #[arg(value_name = "FUNCTION")]
    pub function: Option<String>,
    /// A folder of functions, or one below it.
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub folder: PathBuf,
    /// Print the groups as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}
