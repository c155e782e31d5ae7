//! What may stand on the command line.

mod simulate;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

pub use simulate::{RoutingChoice, Simulate};

const EXIT_CODES: &str = "\
Exit codes:
  0 done   1 failed   2 wrong usage   64 bad configuration   69 Docker unreachable
  70 a fault of fnlocal   75 try again   130 interrupted";

/// Serverless functions on this laptop, and the same images and gateway in the cloud.
#[derive(Debug, Parser)]
#[command(name = "fnlocal", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a folder of functions, with warm pools and hot reload.
    #[command(after_help = "\
Examples:
  fnlocal dev                        run the functions of this folder
  fnlocal dev examples/auction       those of another
  fnlocal dev hello.js --port 8080   one file, on a port of your choice
  fnlocal dev --runtime process      without Docker, less isolated
  fnlocal dev --json | jq .          records for machines")]
    Dev(Dev),
    /// See what a surge or a spike does to a fleet, on virtual time.
    #[command(after_help = "\
Examples:
  fnlocal simulate --env prod --load spike:2..500 --html spike.html
  fnlocal simulate --env prod --load spike:2..500 --begin 30m --find-prescale
  fnlocal simulate --load steady:200 --sweep nodes=1,2,4,8
  fnlocal simulate --trace access.log --profile lambda
  fnlocal simulate --replay recording.jsonl   what `fnlocal dev --record` wrote

Functions and limits are those of fnlocal.toml; what only code says is not known here.")]
    Simulate(Box<Simulate>),
    /// Print the JSON schema of fnlocal.toml.
    #[command(after_help = "\
Examples:
  fnlocal schema > fnlocal.schema.json")]
    Schema,
}

/// Arguments of `fnlocal dev`.
#[derive(Debug, clap::Args)]
pub struct Dev {
    /// A folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The port to listen on; 0 takes a free one.
    #[arg(short, long, env = "FNLOCAL_PORT")]
    pub port: Option<u16>,
    /// The address to listen on. Others than this machine's own let others in.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: std::net::IpAddr,
    /// What runs the instances.
    #[arg(long, value_enum)]
    pub runtime: Option<RuntimeChoice>,
    /// Use `.env.NAME` besides `.env`.
    #[arg(long = "env", value_name = "NAME")]
    pub env_name: Option<String>,
    /// Impose the limits of another platform.
    #[arg(long, value_enum, default_value_t = ProfileChoice::Fnlocal)]
    pub profile: ProfileChoice,
    /// Write what the core decides, and why, to a file for `fnlocal simulate --replay`.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Do not print a line for every request.
    #[arg(short, long)]
    pub quiet: bool,
    /// Print records as JSON, one a line, on stdout.
    #[arg(long)]
    pub json: bool,
}

/// What runs the instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RuntimeChoice {
    /// Docker if it answers, else processes; says which and why.
    Auto,
    /// Containers of the Docker engine.
    Docker,
    /// Node.js processes of your own user.
    Process,
}

/// Whose limits apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProfileChoice {
    /// Those of fnlocal.toml.
    Fnlocal,
    /// AWS Lambda's: 1,000 at once, 1,000 starts in 10 s, 6 MB, 429 instead of a queue.
    Lambda,
    /// Google Cloud Run's: 100 instances of 80 requests, a wait of 10 s or more, then 429.
    Cloudrun,
}

impl From<ProfileChoice> for fnlocal_core::Profile {
    fn from(choice: ProfileChoice) -> Self {
        match choice {
            ProfileChoice::Fnlocal => Self::Fnlocal,
            ProfileChoice::Lambda => Self::Lambda,
            ProfileChoice::Cloudrun => Self::CloudRun,
        }
    }
}
