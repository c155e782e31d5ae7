//! Arguments of `fnlocal node`.

use std::path::PathBuf;

/// Shown below the arguments.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal node --settings /etc/fnlocal/node.json

`fnlocal promote` writes the settings into the machines' user data, which starts this. It follows
the tag `fnlocal:release` of its auto-scaling group. GET /_fnlocal/health on the balancer's port
answers 200 once a release is loaded.";

/// Arguments of `fnlocal node`.
#[derive(Debug, clap::Args)]
pub struct NodeArgs {
    /// The settings that `fnlocal promote` made for this machine.
    #[arg(long, value_name = "FILE")]
    pub settings: PathBuf,
    /// The folder of its queue, which must outlive the process.
    #[arg(long, value_name = "FOLDER", default_value = "/var/lib/fnlocal/queue")]
    pub state: PathBuf,
    /// Write records as JSON, one a line.
    #[arg(long)]
    pub json: bool,
    /// Write no line for requests that went well.
    #[arg(short, long)]
    pub quiet: bool,
}
