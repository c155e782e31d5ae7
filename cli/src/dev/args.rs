//! Arguments of `fnlocal dev`.

use std::path::PathBuf;

use clap::ValueEnum;
use fnlocal_emulator::inspect;
use fnlocal_emulator::inspect::InspectOptions;

use crate::args::{FleetArgs, MountsChoice};

/// Shown with `fnlocal dev --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal dev                        run the functions of this folder
  fnlocal dev examples/auction       those of another
  fnlocal dev hello.js --port 8080   one file, on a port of your choice
  fnlocal dev --runtime process      without Docker, less isolated
  fnlocal dev --mounts copy          code is copied into the engine, not mounted
  fnlocal dev --nodes 3              three nodes behind a load balancer, as in the cloud
  fnlocal dev --scale 2..10 --time-scale 10
  fnlocal dev --inspect bid          let a debugger attach to one function
  fnlocal dev --json | jq .          records for machines";

/// Arguments of `fnlocal dev`.
#[derive(Debug, clap::Args)]
pub struct DevArgs {
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
    /// How code gets into containers.
    #[arg(long, value_enum, default_value_t = MountsChoice::Auto, env = "FNLOCAL_MOUNTS")]
    pub mounts: MountsChoice,
    /// Use `.env.NAME` besides `.env`.
    #[arg(long = "env", value_name = "NAME")]
    pub env_name: Option<String>,
    /// Impose the limits of another platform.
    #[arg(long, value_enum, default_value_t = ProfileChoice::Fnlocal)]
    pub profile: ProfileChoice,
    /// Write what the core decides, and why, to a file for `fnlocal simulate --replay`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nodes", "scale"])]
    pub record: Option<PathBuf>,
    /// Let a debugger attach to a function, on a port of 127.0.0.1 that stays the same across
    /// reloads [default port: 9229]. It then has one instance, and no timeout while one is attached.
    #[arg(long, value_name = "FUNCTION[=PORT]", value_parser = inspect, conflicts_with_all = ["nodes", "scale"])]
    pub inspect: Option<InspectOptions>,
    /// Do not print a line for every request.
    #[arg(short, long)]
    pub quiet: bool,
    /// Print records as JSON, one a line, on stdout.
    #[arg(long)]
    pub json: bool,
    /// Several nodes instead of one.
    #[command(flatten)]
    pub fleet: FleetArgs,
}

fn inspect(text: &str) -> Result<InspectOptions, &'static str> {
    let (function, port) = text.split_once('=').unwrap_or((text, ""));
    let port = match port {
        "" => Ok(inspect::PORT),
        port => port
            .parse()
            .map_err(|_| "a port is a number up to 65535, as in bid=9230"),
    };
    Ok(InspectOptions {
        function: function.to_owned(),
        port: port?,
    })
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
