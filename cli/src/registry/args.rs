//! Arguments of `fnlocal registry`.

use std::path::PathBuf;

/// Shown with `fnlocal registry --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal registry --port 5000
  docker pull 127.0.0.1:5000/auction/auction:latest
  docker run -e PORT=8080 -p 8080:8080 127.0.0.1:5000/auction/auction:latest";

/// Arguments of `fnlocal registry`.
#[derive(Debug, clap::Args)]
pub struct RegistryArgs {
    /// The folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The port to listen on; 0 picks a free one.
    #[arg(short, long, default_value_t = 5000)]
    pub port: u16,
    /// Print records as JSON on stdout, one per line.
    #[arg(long)]
    pub json: bool,
}
