//! Arguments of `fnlocal logs`.

use std::path::PathBuf;

/// Shown with `fnlocal logs --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal logs                       show the last 200 records
  fnlocal logs bid -f                follow one function's records
  fnlocal logs --since 5m --grep 'timeout|refused'
  fnlocal logs --request 5f0c21aa00000001
  fnlocal logs bid --env prod -f     follow the nodes on AWS, from CloudWatch
  fnlocal logs --json | jq 'select(.kind == \"invocation\") | .duration_ms'";

/// Arguments of `fnlocal logs`.
#[derive(Debug, clap::Args)]
pub struct LogsArgs {
    /// Show only this function's records.
    #[arg(value_name = "FUNCTION")]
    pub function: Option<String>,
    /// Keep printing new records until Ctrl-C.
    #[arg(short, long)]
    pub follow: bool,
    /// Show records since then: 30s, 5m, 2h or 1d ago, or a time such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Show only records that match a regular expression.
    #[arg(long, value_name = "REGEX")]
    pub grep: Option<String>,
    /// Show only the records of one request, by its x-fnlocal-request-id.
    #[arg(long, value_name = "ID")]
    pub request: Option<String>,
    /// The maximum number of records, counted from the end [default: 200; no maximum with --since or --request].
    #[arg(short = 'n', long, value_name = "N")]
    pub limit: Option<usize>,
    /// Show the records of this environment on AWS, since 1 hour ago by default, or 1 day ago with --request.
    #[arg(long = "env", value_name = "NAME", hide = !cfg!(feature = "aws"))]
    pub env_name: Option<String>,
    /// The project's folder, or one below it.
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub folder: PathBuf,
    /// Print records as JSON, one per line.
    #[arg(long)]
    pub json: bool,
}
