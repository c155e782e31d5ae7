//! Arguments of `fnlocal node`.

use std::path::PathBuf;

/// Shown below the arguments.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal node --settings /etc/fnlocal/node.json

`fnlocal promote` writes the settings into the machines' user data, which starts this command. A node
follows the tag `fnlocal:release` of its auto-scaling group. GET /_fnlocal/health on the balancer's port
answers 200 once a release is loaded.";

/// Arguments of `fnlocal node`.
#[derive(Debug, clap::Args)]
pub struct NodeArgs {
    /// The settings file that `fnlocal promote` wrote for this machine.
    #[arg(long, value_name = "FILE")]
    pub settings: PathBuf,
    /// The folder of the node's queue, on a disk that outlives the process.
    #[arg(long, value_name = "FOLDER", default_value = "/var/lib/fnlocal/queue")]
    pub state: PathBuf,
    /// Print records as JSON, one per line.
    #[arg(long)]
    pub json: bool,
    /// Do not print a line for successful requests.
    #[arg(short, long)]
    pub quiet: bool,
}
