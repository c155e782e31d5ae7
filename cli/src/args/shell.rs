//! Arguments of the commands that help the shell: `completions`, `man`.

use std::path::PathBuf;

/// Shown with `fnlocal completions --help`.
pub const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  fnlocal completions bash > fnlocal.bash      move it to ~/.local/share/bash-completion/completions
  fnlocal completions zsh > _fnlocal           move it to a folder of $fpath
  fnlocal completions fish > fnlocal.fish      move it to ~/.config/fish/completions";

/// Shown with `fnlocal man --help`.
pub const MAN_EXAMPLES: &str = "\
Examples:
  fnlocal man man1                             move them to ~/.local/share/man/man1";

/// Arguments of `fnlocal completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Arguments of `fnlocal man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// The folder for the pages, created if missing.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}
