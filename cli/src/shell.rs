//! `fnlocal completions` and `fnlocal man`: what is made of the arguments' own description.

use std::fs;

use clap::CommandFactory;
use fnlocal_api::Exit;

use crate::args::{Args, CompletionsArgs, ManArgs};
use crate::error::{CliError, CommandResult};
use crate::terminal;

/// Prints the script.
pub fn completions(args: &CompletionsArgs) -> CommandResult {
    let mut command = Args::command();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "fnlocal", &mut script);
    terminal::print!("{}", String::from_utf8_lossy(&script));
    Ok(Exit::Ok)
}

/// Writes the pages.
pub fn man(args: &ManArgs) -> CommandResult {
    let written = fs::create_dir_all(&args.folder)
        .and_then(|()| clap_mangen::generate_to(Args::command(), &args.folder));
    written.map_err(|error| {
        let hint = format!("see whether {} can be written", args.folder.display());
        CliError::new(Exit::Failed, error, hint)
    })?;
    Ok(Exit::Ok)
}
