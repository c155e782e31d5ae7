//! Arguments of `fnlocal loadtest`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use fnlocal_loadtest::budget::{Budget, BudgetError};

use crate::args::span;

/// Shown with `fnlocal loadtest --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal loadtest                                   send 20 requests a second to all functions of this folder
  fnlocal loadtest --profile spike --rate 10 --peak 300 --html report.html
  fnlocal loadtest --profile coldstart --function bid
  fnlocal loadtest --scenario bids --users 50        simulate 50 users, who wait for answers
  fnlocal loadtest --save new.json --compare old.json --fail-if 'cold.p99>800ms' --fail-if 'errors>0.1%'
  fnlocal loadtest --url https://staging.example.org --yes

Profiles:
  steady     a constant rate
  surge      a rise from --rate to --peak over most of the run
  spike      a jump from --rate to --peak within a second, and back
  soak       a constant rate for an hour
  coldstart  forced cold starts, one by one and many at once";

/// Arguments of `fnlocal loadtest`.
#[derive(Debug, clap::Args)]
pub struct LoadtestArgs {
    /// The folder of functions; the `fnlocal dev` or `fnlocal up` running there is the target.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The shape of the load.
    #[arg(short, long, value_enum, default_value = "steady")]
    pub profile: LoadProfile,
    /// Send the requests of `[loadtest.scenarios.NAME]` in fnlocal.toml.
    #[arg(short, long, value_name = "NAME", conflicts_with = "functions")]
    pub scenario: Option<String>,
    /// Send GET requests to this function; may be repeated.
    #[arg(short, long = "function", value_name = "NAME")]
    pub functions: Vec<String>,
    /// Send the requests to this URL.
    #[arg(long, conflicts_with = "env")]
    pub url: Option<String>,
    /// Send the requests to this environment on AWS.
    #[arg(long, value_name = "NAME", hide = !cfg!(feature = "aws"))]
    pub env: Option<String>,
    /// Allow a target other than this machine.
    #[arg(long)]
    pub yes: bool,
    /// The number of requests a second at the beginning.
    #[arg(short, long, default_value = "20", value_parser = positive)]
    pub rate: f64,
    /// The number of users instead of a rate; each waits for an answer before the next request.
    #[arg(short, long, conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..))]
    pub users: Option<u32>,
    /// The maximum rate or number of users of a surge or spike [default: ten times the beginning].
    #[arg(long, value_parser = positive)]
    pub peak: Option<f64>,
    /// The duration, such as 30s, 5m or 1h [default: by profile].
    #[arg(short, long, value_parser = span)]
    pub duration: Option<Duration>,
    /// The number of single cold starts per function.
    #[arg(long, default_value_t = 10)]
    pub rounds: u32,
    /// The number of simultaneous requests to a function with one instance.
    #[arg(long, default_value_t = 8)]
    pub at_once: u32,
    /// The maximum number of connections.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub connections: u32,
    /// The maximum time of a request.
    #[arg(long, default_value = "60s", value_parser = span)]
    pub timeout: Duration,
    /// Fail if this condition holds, such as `cold.p99>800ms`; may be repeated.
    #[arg(long, value_name = "BUDGET", value_parser = budget)]
    pub fail_if: Vec<Budget>,
    /// Compare with a saved run.
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// Save the run as JSON for `--compare`.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Write the report as an HTML page with charts.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the measured times for `fnlocal simulate --calibrate`.
    #[arg(long, value_name = "FILE")]
    pub calibration: Option<PathBuf>,
    /// Write goose's own report too; opening it loads charts from the network.
    #[arg(long, value_name = "FILE", requires = "users")]
    pub goose_report: Option<PathBuf>,
    /// Print the report as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}

/// The shape of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LoadProfile {
    /// A constant rate.
    Steady,
    /// A rise over minutes.
    Surge,
    /// A sudden jump, and back.
    Spike,
    /// A constant rate for an hour.
    Soak,
    /// Forced cold starts, one by one and many at once.
    Coldstart,
}

fn budget(text: &str) -> Result<Budget, String> {
    let parsed = text.parse();
    parsed.map_err(|error: BudgetError| format!("{}\nhint: {}", error.why, error.hint))
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "the value is not a number".to_owned())?;
    if (0.001..=1_000_000.0).contains(&number) {
        Ok(number)
    } else {
        Err("the value must be between 0.001 and 1000000".to_owned())
    }
}
