//! Arguments of `fnlocal queue`.

use std::path::PathBuf;

use clap::Subcommand;
use fnlocal_gateway::triggers::job::JobId;

/// Shown with `fnlocal queue --help`.
pub const EXAMPLES: &str = "\
Examples:
  curl -X POST localhost:9000/mail -H 'x-fnlocal-invoke: async' -d hello
  fnlocal queue list
  fnlocal queue list --dead --json | jq -r '.[].job.error'
  fnlocal queue show 0006441f2a91c3d8
  fnlocal queue retry --dead --function mail
  fnlocal queue purge 0006441f2a91c3d8";

const LIST_EXAMPLES: &str = "\
Examples:
  fnlocal queue list
  fnlocal queue list --function mail
  fnlocal queue list --dead --json | jq -r '.[].job.error'";

const SHOW_EXAMPLES: &str = "\
Examples:
  fnlocal queue show 0006441f2a91c3d8
  fnlocal queue show 0006441f2a91c3d8 --json | jq .job.attempts";

const RETRY_EXAMPLES: &str = "\
Examples:
  fnlocal queue retry 0006441f2a91c3d8
  fnlocal queue retry --dead --function mail   retry all dead letters of a function";

const PURGE_EXAMPLES: &str = "\
Examples:
  fnlocal queue purge 0006441f2a91c3d8
  fnlocal queue purge --dead                   remove all dead letters";

/// Arguments of `fnlocal queue`.
#[derive(Debug, clap::Args)]
pub struct QueueArgs {
    /// The action.
    #[command(subcommand)]
    pub command: QueueCommand,
    /// The project's folder.
    #[arg(long, default_value = ".", global = true)]
    pub folder: PathBuf,
    /// Print JSON on stdout.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Actions on the queue.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// List waiting and running jobs and dead letters, the oldest first.
    #[command(after_help = LIST_EXAMPLES)]
    List {
        /// List only this function's jobs.
        #[arg(long, value_name = "NAME")]
        function: Option<String>,
        /// List only dead letters.
        #[arg(long)]
        dead: bool,
    },
    /// Show one job with its body.
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// The job's id.
        id: JobId,
    },
    /// Run dead letters again, and jobs that wait for another attempt at once.
    #[command(after_help = RETRY_EXAMPLES)]
    Retry(Chosen),
    /// Remove jobs that are not running.
    #[command(after_help = PURGE_EXAMPLES)]
    Purge(Chosen),
}

/// The selected jobs.
#[derive(Debug, clap::Args)]
pub struct Chosen {
    /// The jobs' ids.
    #[arg(required_unless_present_any = ["dead", "all"], conflicts_with_all = ["dead", "all"])]
    pub ids: Vec<JobId>,
    /// Select all dead letters.
    #[arg(long)]
    pub dead: bool,
    /// Select all jobs.
    #[arg(long, conflicts_with = "dead")]
    pub all: bool,
    /// Select only this function's jobs.
    #[arg(long, value_name = "NAME")]
    pub function: Option<String>,
}
