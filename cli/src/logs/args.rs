//! Arguments of `fnlocal logs`.

use std::path::PathBuf;

/// Shown with `fnlocal logs --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal logs                       the last of all functions
  fnlocal logs bid -f                one function's, as they come
  fnlocal logs --since 5m --grep 'timeout|refused'
  fnlocal logs --request 5f0c21aa00000001
  fnlocal logs bid --env prod -f     of the nodes on AWS, from CloudWatch
  fnlocal logs --json | jq 'select(.kind == \"invocation\") | .duration_ms'";

/// Arguments of `fnlocal logs`.
#[derive(Debug, clap::Args)]
pub struct LogsArgs {
    /// Only this function's.
    #[arg(value_name = "FUNCTION")]
    pub function: Option<String>,
    /// Go on as more is written, until Ctrl-C.
    #[arg(short, long)]
    pub follow: bool,
    /// Not before this: 30s, 5m, 2h or 1d ago, or a time such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only what matches a regular expression.
    #[arg(long, value_name = "REGEX")]
    pub grep: Option<String>,
    /// Only what happened for one request, by its x-fnlocal-request-id.
    #[arg(long, value_name = "ID")]
    pub request: Option<String>,
    /// Only so many of the last [default: 200, or all with --since or --request].
    #[arg(short = 'n', long, value_name = "N")]
    pub limit: Option<usize>,
    /// Of this environment on AWS; without --since of the last hour, or day with --request.
    #[arg(long = "env", value_name = "NAME", hide = !cfg!(feature = "aws"))]
    pub env_name: Option<String>,
    /// A folder of functions, or one below it.
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub folder: PathBuf,
    /// Print JSON, one document a line.
    #[arg(long)]
    pub json: bool,
}
