//! Arguments of `fnlocal up`.

use std::path::PathBuf;

use crate::args::FleetArgs;

/// Shown with `fnlocal up --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal up                         build this folder, then serve the release
  fnlocal up --release 3f9a01bc      serve a kept release, by the beginning of its digest
  fnlocal up --release release.json  serve a release from a file
  fnlocal up --nodes 3               run three nodes behind a load balancer
  fnlocal up --scale --env prod      scale as [env.prod] says";

/// Arguments of `fnlocal up`.
#[derive(Debug, clap::Args)]
pub struct UpArgs {
    /// The folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The release: a file, or the beginning of a digest [default: build a new one].
    #[arg(long)]
    pub release: Option<String>,
    /// The port to listen on; 0 picks a free one.
    #[arg(short, long, env = "FNLOCAL_PORT")]
    pub port: Option<u16>,
    /// The address to listen on. Other machines can connect unless this is a loopback address.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: std::net::IpAddr,
    /// Read `.env.NAME` in addition to `.env`.
    #[arg(long = "env", value_name = "NAME")]
    pub env_name: Option<String>,
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
