//! Arguments of `fnlocal init`.

use std::path::PathBuf;

use clap::ValueEnum;

/// Shown with `--help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal init                       create two JavaScript functions in this folder
  fnlocal init shop --template ts    create a TypeScript project in a new folder
  fnlocal init sale --template auction

Existing files are never overwritten.";

/// Arguments of `fnlocal init`.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// The project's folder, created if missing.
    #[arg(default_value = ".", value_name = "DIR")]
    pub folder: PathBuf,
    /// The template of the project.
    #[arg(short, long, value_enum, default_value_t = ProjectTemplate::Js)]
    pub template: ProjectTemplate,
}

/// The template of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProjectTemplate {
    /// Two small functions in JavaScript.
    Js,
    /// One function in TypeScript, run by Node.js itself.
    Ts,
    /// The example `auction`, with limits in fnlocal.toml.
    Auction,
}
