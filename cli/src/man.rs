//! `fnlocal man`: pages made of the arguments' own description.

use std::fs;
use std::path::PathBuf;

use clap::CommandFactory;
use fnlocal_api::Exit;

use crate::args::Args;
use crate::error::{CliError, CommandResult};

/// Shown below the arguments.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal man man1                             move them to ~/.local/share/man/man1";

/// Arguments of `fnlocal man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// The folder for the pages, created if missing.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// Writes the pages.
pub fn run(args: &ManArgs) -> CommandResult {
    let written = fs::create_dir_all(&args.folder)
        .and_then(|()| clap_mangen::generate_to(Args::command(), &args.folder));
    written.map_err(|error| {
        let hint = format!("see whether {} can be written", args.folder.display());
        CliError::new(Exit::Failed, error, hint)
    })?;
    Ok(Exit::Ok)
}
