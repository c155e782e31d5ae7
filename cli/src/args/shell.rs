//! Arguments of the commands that help the shell: `completions`, `man`.

use std::path::PathBuf;

/// Shown with `fnlocal completions --help`.
pub const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  fnlocal completions bash > fnlocal.bash      put it into ~/.local/share/bash-completion/completions
  fnlocal completions zsh > _fnlocal           put it into a folder of $fpath
  fnlocal completions fish > fnlocal.fish      put it into ~/.config/fish/completions";

/// Shown with `fnlocal man --help`.
pub const MAN_EXAMPLES: &str = "\
Examples:
  fnlocal man man1                             put them into ~/.local/share/man/man1";

/// Arguments of `fnlocal completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// Which shell's.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Arguments of `fnlocal man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// The folder the pages are written to; it is made if it is missing.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}
