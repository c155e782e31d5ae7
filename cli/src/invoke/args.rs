//! Arguments of `fnlocal invoke`.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue, Method};

/// Shown with `--help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal invoke bid
  fnlocal invoke bid --data '{\"bidder\": \"Ada\", \"amount\": 10}'
  fnlocal invoke bid --file bid.json --header 'x-team: red'
  fnlocal invoke bid --method DELETE --path '/lots/7?force=1'
  fnlocal invoke bid --cold                    measure a cold start
  fnlocal invoke bid --json | jq .timing
  fnlocal invoke resize --event s3-put.json    hand a Lambda handler this event
  fnlocal invoke bid --env prod                call it on AWS, through the load balancer

The body is printed to stdout; status, start kind and timing to stderr. A status of 400 or more
exits 1.";

/// Arguments of `fnlocal invoke`.
#[derive(Debug, clap::Args)]
pub struct InvokeArgs {
    /// The function's name.
    #[arg(value_name = "FN")]
    pub function: String,
    /// The request's body.
    #[arg(short, long, value_name = "TEXT", conflicts_with = "file")]
    pub data: Option<String>,
    /// The file with the body; `-` is stdin.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The file with a Lambda handler's event as JSON; `-` is stdin. The handler gets the event as it
    /// is, and its result is printed.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "file", "method", "path", "env_name"])]
    pub event: Option<PathBuf>,
    /// A request header; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The request's method [default: GET, or POST with a body].
    #[arg(short = 'X', long)]
    pub method: Option<Method>,
    /// The rest of the URL after the function's name, such as `/lots/7?full=1`.
    #[arg(short, long, default_value = "")]
    pub path: String,
    /// Stop the function's idle instances first, so that the call meets a cold start.
    #[arg(long)]
    pub cold: bool,
    /// Call the function in this environment on AWS.
    #[arg(long = "env", value_name = "NAME", conflicts_with = "cold", hide = !cfg!(feature = "aws"))]
    pub env_name: Option<String>,
    /// Print the response with status, headers and timing as JSON.
    #[arg(long)]
    pub json: bool,
    /// The folder that `fnlocal dev` or `fnlocal up` serves, or that was promoted.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || "write it as in 'content-type: text/plain'".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = HeaderName::try_from(name.trim()).map_err(|_| wrong())?;
    let value = HeaderValue::try_from(value.trim()).map_err(|_| wrong())?;
    Ok((name, value))
}
