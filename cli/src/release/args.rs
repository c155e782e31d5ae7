//! Arguments of `fnlocal release`.

use std::path::PathBuf;

use clap::Subcommand;

/// Shown with `fnlocal release --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal release list
  fnlocal release list --env prod    list the releases on AWS and mark the current one
  fnlocal release show 3f9a01bc > release.json
  fnlocal release diff 3f9a01bc 77b0c2d1
  fnlocal release prune --keep 3 --dry-run";

const LIST_EXAMPLES: &str = "\
Examples:
  fnlocal release list
  fnlocal release list --json | jq -r '.[].digest'";

const SHOW_EXAMPLES: &str = "\
Examples:
  fnlocal release show 3f9a01bc                  show a kept release by the beginning of its digest
  fnlocal release show release.json              show a release from a file
  fnlocal release show 3f9a01bc > release.json";

const PRUNE_EXAMPLES: &str = "\
Examples:
  fnlocal release prune --dry-run                list what would be removed
  fnlocal release prune --keep 3";

const DIFF_EXAMPLES: &str = "\
Examples:
  fnlocal release diff 3f9a01bc 77b0c2d1
  fnlocal release diff 3f9a01bc release.json --json";

/// Arguments of `fnlocal release`.
#[derive(Debug, clap::Args)]
pub struct ReleaseArgs {
    /// The action.
    #[command(subcommand)]
    pub command: ReleaseCommand,
    /// The project's folder.
    #[arg(long, default_value = ".", global = true)]
    pub folder: PathBuf,
    /// Print JSON on stdout.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Actions on releases.
#[derive(Debug, Subcommand)]
pub enum ReleaseCommand {
    /// List kept releases, the newest first.
    #[command(after_help = LIST_EXAMPLES)]
    List {
        /// List the releases of this environment on AWS.
        #[arg(long = "env", value_name = "NAME", hide = !cfg!(feature = "aws"))]
        env_name: Option<String>,
    },
    /// Print one release as JSON.
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// A file, or the beginning of the release's digest.
        release: String,
    },
    /// Remove old releases, and images that no release names any more.
    #[command(after_help = PRUNE_EXAMPLES)]
    Prune {
        /// The number of newest releases to keep.
        #[arg(long, default_value_t = 10)]
        keep: usize,
        /// List what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Compare two releases as their callers see them.
    #[command(after_help = DIFF_EXAMPLES)]
    Diff {
        /// The older release.
        old: String,
        /// The newer release.
        new: String,
    },
}
