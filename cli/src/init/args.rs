//! Arguments of `fnlocal init`.

use std::path::PathBuf;

use clap::ValueEnum;

/// Shown with `--help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal init                       two functions in JavaScript, in this folder
  fnlocal init shop --template ts    in TypeScript, in a new folder
  fnlocal init sale --template auction

What is there already is never overwritten.";

/// Arguments of `fnlocal init`.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// The folder; it is made if it is missing.
    #[arg(default_value = ".", value_name = "DIR")]
    pub folder: PathBuf,
    /// What to begin with.
    #[arg(short, long, value_enum, default_value_t = ProjectTemplate::Js)]
    pub template: ProjectTemplate,
}

/// What a project begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProjectTemplate {
    /// Two small functions in JavaScript.
    Js,
    /// One in TypeScript, as Node.js itself runs it.
    Ts,
    /// The auction of the examples, with limits in fnlocal.toml.
    Auction,
}
