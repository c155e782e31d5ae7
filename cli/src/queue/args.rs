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
  fnlocal queue retry --dead --function mail   all of a function that were given up";

const PURGE_EXAMPLES: &str = "\
Examples:
  fnlocal queue purge 0006441f2a91c3d8
  fnlocal queue purge --dead                   all that were given up";

/// Arguments of `fnlocal queue`.
#[derive(Debug, clap::Args)]
pub struct QueueArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: QueueCommand,
    /// The project's folder.
    #[arg(long, default_value = ".", global = true)]
    pub folder: PathBuf,
    /// Print JSON on stdout.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do with the queue.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// The jobs that wait, run, or were given up, the oldest first.
    #[command(after_help = LIST_EXAMPLES)]
    List {
        /// Of one function.
        #[arg(long, value_name = "NAME")]
        function: Option<String>,
        /// Only those that were given up.
        #[arg(long)]
        dead: bool,
    },
    /// One job, whole.
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// Its id.
        id: JobId,
    },
    /// Run jobs that were given up again, and those that wait for another attempt now.
    #[command(after_help = RETRY_EXAMPLES)]
    Retry(Chosen),
    /// Remove jobs, except those that run.
    #[command(after_help = PURGE_EXAMPLES)]
    Purge(Chosen),
}

/// Which jobs.
#[derive(Debug, clap::Args)]
pub struct Chosen {
    /// Their ids.
    #[arg(required_unless_present_any = ["dead", "all"], conflicts_with_all = ["dead", "all"])]
    pub ids: Vec<JobId>,
    /// All that were given up.
    #[arg(long)]
    pub dead: bool,
    /// All.
    #[arg(long, conflicts_with = "dead")]
    pub all: bool,
    /// Of these, those of one function.
    #[arg(long, value_name = "NAME")]
    pub function: Option<String>,
}
