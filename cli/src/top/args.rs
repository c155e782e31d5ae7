//! Arguments of `fnlocal top`.

use std::path::PathBuf;
use std::time::Duration;

/// Shown below the arguments.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal top
  fnlocal top --folder examples/auction

Keys:
  up, down   choose a function      enter   only its requests and lines
  l          lines or requests      s       sort by another column
  c          stop its idle instances, for a cold start
  space      hold still             q       quit";

/// Arguments of `fnlocal top`.
#[derive(Debug, clap::Args)]
pub struct TopArgs {
    /// The folder that `fnlocal dev` or `fnlocal up` serves.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// End after so long, such as 10s.
    #[arg(long = "for", value_name = "SPAN", value_parser = crate::args::span)]
    pub length: Option<Duration>,
}
