//! `fnlocal schema`: what editors read of fnlocal.toml.

use fnlocal_api::Exit;

use crate::error::{CliError, CommandResult};
use crate::terminal;

/// Shown below the arguments.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal schema > fnlocal.schema.json";

/// Arguments of `fnlocal schema`: none.
#[derive(Debug, clap::Args)]
pub struct SchemaArgs {}

/// Prints the JSON schema.
pub fn run(_: &SchemaArgs) -> CommandResult {
    let text = serde_json::to_string_pretty(fnlocal_project::schema()).map_err(CliError::bug)?;
    terminal::print_json(&text);
    Ok(Exit::Ok)
}
