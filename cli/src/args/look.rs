//! Arguments of `ps`, `open` and `top`.

use std::path::PathBuf;
use std::time::Duration;

/// Shown with `fnlocal ps --help`.
pub const PS_EXAMPLES: &str = "\
Examples:
  fnlocal ps
  fnlocal ps --folder examples/auction
  fnlocal ps --json | jq '.nodes[].functions[] | {name, queued}'";

/// Shown with `fnlocal open --help`.
pub const OPEN_EXAMPLES: &str = "\
Examples:
  fnlocal open             open the dashboard in a browser
  fnlocal open --print     print its address, which holds the token";

/// Shown with `fnlocal top --help`.
pub const TOP_EXAMPLES: &str = "\
Examples:
  fnlocal top
  fnlocal top --folder examples/auction

Keys:
  up, down   select a function      enter   show only its requests and lines
  l          lines or requests      s       sort by another column
  c          stop its idle instances, so that the next start is cold
  space      pause the display      q       quit";

/// Arguments of `fnlocal ps`.
#[derive(Debug, clap::Args)]
pub struct PsArgs {
    /// The folder that `fnlocal dev` or `fnlocal up` serves.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// Print JSON on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `fnlocal open`.
#[derive(Debug, clap::Args)]
pub struct OpenArgs {
    /// The folder that `fnlocal dev` or `fnlocal up` serves.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// Print the address instead of opening a browser.
    #[arg(long)]
    pub print: bool,
}

/// Arguments of `fnlocal top`.
#[derive(Debug, clap::Args)]
pub struct TopArgs {
    /// The folder that `fnlocal dev` or `fnlocal up` serves.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// Exit after this time, such as 10s.
    #[arg(long = "for", value_name = "SPAN", value_parser = super::span::span)]
    pub length: Option<Duration>,
}
