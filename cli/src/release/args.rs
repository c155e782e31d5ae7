//! Arguments of `fnlocal release`.

use std::path::PathBuf;

use clap::Subcommand;

/// Shown with `fnlocal release --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal release list
  fnlocal release list --env prod    what rollback could go back to, the one that runs marked
  fnlocal release show 3f9a01bc > release.json
  fnlocal release diff 3f9a01bc 77b0c2d1
  fnlocal release prune --keep 3 --dry-run";

const LIST_EXAMPLES: &str = "\
Examples:
  fnlocal release list
  fnlocal release list --json | jq -r '.[].digest'";

const SHOW_EXAMPLES: &str = "\
Examples:
  fnlocal release show 3f9a01bc                  by the beginning of its digest
  fnlocal release show release.json              one from a file
  fnlocal release show 3f9a01bc > release.json";

const PRUNE_EXAMPLES: &str = "\
Examples:
  fnlocal release prune --dry-run                what would be removed
  fnlocal release prune --keep 3";

const DIFF_EXAMPLES: &str = "\
Examples:
  fnlocal release diff 3f9a01bc 77b0c2d1
  fnlocal release diff 3f9a01bc release.json --json";

/// Arguments of `fnlocal release`.
#[derive(Debug, clap::Args)]
pub struct ReleaseArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ReleaseCommand,
    /// The project's folder.
    #[arg(long, default_value = ".", global = true)]
    pub folder: PathBuf,
    /// Print JSON on stdout.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do with releases.
#[derive(Debug, Subcommand)]
pub enum ReleaseCommand {
    /// The releases that are kept, the newest first.
    #[command(after_help = LIST_EXAMPLES)]
    List {
        /// Those that can be rolled back to in this environment on AWS.
        #[arg(long = "env", value_name = "NAME", hide = !cfg!(feature = "aws"))]
        env_name: Option<String>,
    },
    /// One release, whole.
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// A file, or the beginning of its digest.
        release: String,
    },
    /// Forget old releases, and remove images no release names any more.
    #[command(after_help = PRUNE_EXAMPLES)]
    Prune {
        /// How many of the newest stay.
        #[arg(long, default_value_t = 10)]
        keep: usize,
        /// Say what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// What differs for callers between two.
    #[command(after_help = DIFF_EXAMPLES)]
    Diff {
        /// The older one.
        old: String,
        /// The newer one.
        new: String,
    },
}
