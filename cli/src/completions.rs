//! `fnlocal completions`: a shell's script, made of the arguments' own description.

use clap::CommandFactory;
use fnlocal_api::Exit;

use crate::args::Args;
use crate::error::CommandResult;
use crate::terminal;

/// Shown below the arguments.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal completions bash > fnlocal.bash      move it to ~/.local/share/bash-completion/completions
  fnlocal completions zsh > _fnlocal           move it to a folder of $fpath
  fnlocal completions fish > fnlocal.fish      move it to ~/.config/fish/completions";

/// Arguments of `fnlocal completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Prints the script.
pub fn run(args: &CompletionsArgs) -> CommandResult {
    let mut command = Args::command();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "fnlocal", &mut script);
    terminal::print!("{}", String::from_utf8_lossy(&script));
    Ok(Exit::Ok)
}
