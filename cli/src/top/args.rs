//! Arguments of `fnlocal top`.

use std::path::PathBuf;
use std::time::Duration;

/// Shown below the arguments.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal top
  fnlocal top --folder examples/auction

Keys:
  up, down   select a function      enter   show only its requests and lines
  l          lines or requests      s       sort by another column
  c          stop its idle instances, so that the next start is cold
  space      pause the display      q       quit";

/// Arguments of `fnlocal top`.
#[derive(Debug, clap::Args)]
pub struct TopArgs {
    /// The folder that `fnlocal dev` or `fnlocal up` serves.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// Exit after this time, such as 10s.
    #[arg(long = "for", value_name = "SPAN", value_parser = crate::args::span)]
    pub length: Option<Duration>,
}
