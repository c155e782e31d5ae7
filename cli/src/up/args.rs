//! Arguments of `fnlocal up`.

use std::path::PathBuf;

use crate::args::FleetArgs;

/// Shown with `fnlocal up --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal up                         build this folder, then serve the release
  fnlocal up --release 3f9a01bc      serve one that is kept, by the beginning of its digest
  fnlocal up --release release.json  serve one from a file
  fnlocal up --nodes 3               on three nodes behind a load balancer
  fnlocal up --scale --env prod      as many as the group of [env.prod] wants";

/// Arguments of `fnlocal up`.
#[derive(Debug, clap::Args)]
pub struct UpArgs {
    /// A folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// A release: a file, or the beginning of its digest [default: built anew].
    #[arg(long)]
    pub release: Option<String>,
    /// The port to listen on; 0 takes a free one.
    #[arg(short, long, env = "FNLOCAL_PORT")]
    pub port: Option<u16>,
    /// The address to listen on. Others than this machine's own let others in.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: std::net::IpAddr,
    /// Use `.env.NAME` besides `.env`.
    #[arg(long = "env", value_name = "NAME")]
    pub env_name: Option<String>,
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
