//! Arguments of `fnlocal clean`.

use std::path::PathBuf;

/// Shown with `fnlocal clean --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal clean --dry-run            list what would be removed
  fnlocal clean                      remove everything on that list
  fnlocal clean --shared             remove base images and the cache of all projects too";

/// Arguments of `fnlocal clean`.
#[derive(Debug, clap::Args)]
pub struct CleanArgs {
    /// The folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Remove what projects share too: base images and their cache.
    #[arg(long)]
    pub shared: bool,
    /// List what would be removed, and remove nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print the removed things as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}
