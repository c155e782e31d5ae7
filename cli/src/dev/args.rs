//! Arguments of `fnlocal dev`.

use std::path::PathBuf;

use clap::ValueEnum;
use fnlocal_emulator::inspect::InspectOptions;

use crate::args::{FleetArgs, MountsChoice};

/// Shown with `fnlocal dev --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal dev                        serve the functions of this folder
  fnlocal dev examples/auction       serve those of another folder
  fnlocal dev hello.js --port 8080   serve one file on port 8080
  fnlocal dev --runtime process      run without Docker, with less isolation
  fnlocal dev --mounts copy          copy code into the engine instead of mounting it
  fnlocal dev --nodes 3              run three nodes behind a load balancer
  fnlocal dev --scale 2..10 --time-scale 10
  fnlocal dev --inspect bid          let a debugger attach to function `bid`
  fnlocal dev --json | jq .          print records as JSON";

/// Arguments of `fnlocal dev`.
#[derive(Debug, clap::Args)]
pub struct DevArgs {
    /// The folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The port to listen on; 0 picks a free one.
    #[arg(short, long, env = "FNLOCAL_PORT")]
    pub port: Option<u16>,
    /// The address to listen on. Other machines can connect unless this is a loopback address.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: std::net::IpAddr,
    /// The runtime of instances [default: auto].
    #[arg(long, value_enum)]
    pub runtime: Option<RuntimeChoice>,
    /// How code reaches containers.
    #[arg(long, value_enum, default_value_t = MountsChoice::Auto, env = "FNLOCAL_MOUNTS")]
    pub mounts: MountsChoice,
    /// Read `.env.NAME` in addition to `.env`.
    #[arg(long = "env", value_name = "NAME")]
    pub env_name: Option<String>,
    /// Apply the limits of another platform.
    #[arg(long, value_enum, default_value_t = ProfileChoice::Fnlocal)]
    pub profile: ProfileChoice,
    /// Record each event and decision in a file for `fnlocal simulate --replay`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nodes", "scale"])]
    pub record: Option<PathBuf>,
    /// Let a debugger attach to a function, on a port of 127.0.0.1 that stays the same across
    /// reloads [default port: 9229]. The function has one instance, and no timeout while debugged.
    #[arg(long, value_name = "FUNCTION[=PORT]", value_parser = inspect, conflicts_with_all = ["nodes", "scale"])]
    pub inspect: Option<InspectOptions>,
    /// Do not print a line for every request.
    #[arg(short, long)]
    pub quiet: bool,
    /// Print records as JSON on stdout, one per line.
    #[arg(long)]
    pub json: bool,
    /// A fleet instead of one node.
    #[command(flatten)]
    pub fleet: FleetArgs,
}

fn inspect(text: &str) -> Result<InspectOptions, &'static str> {
    let (function, port) = text.split_once('=').unwrap_or((text, ""));
    let port = match port {
        "" => Ok(fnlocal_language::usual().debug_port()),
        port => port
            .parse()
            .map_err(|_| "a port is a number up to 65535, as in bid=9230"),
    };
    Ok(InspectOptions {
        function: function.to_owned(),
        port: port?,
    })
}

/// The runtime of instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RuntimeChoice {
    /// Docker if an engine answers, else processes; the choice is printed with its reason.
    Auto,
    /// Containers of the Docker engine.
    Docker,
    /// Node.js processes of your own user.
    Process,
}

/// The platform whose limits apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProfileChoice {
    /// The limits of fnlocal.toml.
    Fnlocal,
    /// The limits of AWS Lambda: 1,000 instances, 1,000 starts in 10 s, 6 MB, 429 instead of a queue.
    Lambda,
    /// The limits of Google Cloud Run: 100 instances of 80 requests, a wait of at least 10 s, then 429.
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
