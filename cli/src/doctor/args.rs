//! Arguments of `fnlocal doctor`.

use std::path::PathBuf;

/// Shown with `fnlocal doctor --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal doctor
  fnlocal doctor --bundle               write fnlocal-bundle.json, a file for a bug report
  fnlocal doctor --json | jq '.[] | select(.state != \"good\")'";

/// Arguments of `fnlocal doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// The folder of functions, or one file.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Print the findings as JSON on stdout.
    #[arg(long)]
    pub json: bool,
    /// Write a file for a bug report (fnlocal-bundle.json): versions, findings, configuration, records
    /// and diagnosis, without values of variables, tokens, bodies or what functions print.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, conflicts_with = "json")]
    pub bundle: Option<Option<PathBuf>>,
    /// Include functions' output and errors in the bundle.
    #[arg(long, requires = "bundle")]
    pub with_output: bool,
}
