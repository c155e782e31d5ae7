//! Arguments of `fnlocal clean`.

use std::path::PathBuf;

/// Shown with `fnlocal clean --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal clean --dry-run            list what would be removed
  fnlocal clean                      remove it
  fnlocal clean --shared             base images and the cache of all projects, too";

/// Arguments of `fnlocal clean`.
#[derive(Debug, clap::Args)]
pub struct CleanArgs {
    /// A folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Also what projects share: base images and the cache of bases.
    #[arg(long)]
    pub shared: bool,
    /// List what would be removed, and remove nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print what was removed as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}
