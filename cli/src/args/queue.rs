//! Arguments of `fnlocal queue`.

use std::path::PathBuf;

use clap::Subcommand;
use fnlocal_emulator::triggers::job::JobId;

/// Arguments of `fnlocal queue`.
#[derive(Debug, clap::Args)]
pub struct Queue {
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
    List {
        /// Of one function.
        #[arg(long, value_name = "NAME")]
        function: Option<String>,
        /// Only those that were given up.
        #[arg(long)]
        dead: bool,
    },
    /// One job, whole.
    Show {
        /// Its id.
        id: JobId,
    },
    /// Run jobs that were given up again, and those that wait for another attempt now.
    Retry(Chosen),
    /// Remove jobs, except those that run.
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
