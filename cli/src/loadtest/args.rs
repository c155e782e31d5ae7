//! Arguments of `fnlocal loadtest`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use fnlocal_loadtest::budget::{Budget, BudgetError};

use crate::args::span;

/// Shown with `fnlocal loadtest --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal loadtest                                   20 requests a second to all functions of this folder
  fnlocal loadtest --profile spike --rate 10 --peak 300 --html report.html
  fnlocal loadtest --profile coldstart --function bid
  fnlocal loadtest --scenario bids --users 50        users who wait for answers, on goose
  fnlocal loadtest --save new.json --compare old.json --fail-if 'cold.p99>800ms' --fail-if 'errors>0.1%'
  fnlocal loadtest --url https://staging.example.org --yes

Profiles:
  steady     the same rate all the time
  surge      grows from --rate to --peak over most of the run
  spike      jumps from --rate to --peak within a second, and back
  soak       steady for an hour
  coldstart  forces cold starts, one by one and many at once";

/// Arguments of `fnlocal loadtest`.
#[derive(Debug, clap::Args)]
pub struct LoadtestArgs {
    /// A folder of functions; a fnlocal that runs there is the target.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The shape of the load.
    #[arg(short, long, value_enum, default_value = "steady")]
    pub profile: LoadProfile,
    /// Send what `[loadtest.scenarios.NAME]` in fnlocal.toml says.
    #[arg(short, long, value_name = "NAME", conflicts_with = "functions")]
    pub scenario: Option<String>,
    /// Send GET requests to this function; may be repeated.
    #[arg(short, long = "function", value_name = "NAME")]
    pub functions: Vec<String>,
    /// Send them there.
    #[arg(long, conflicts_with = "env")]
    pub url: Option<String>,
    /// Send them to this environment.
    #[arg(long, value_name = "NAME", hide = !cfg!(feature = "aws"))]
    pub env: Option<String>,
    /// Send them although the target is not this machine.
    #[arg(long)]
    pub yes: bool,
    /// Requests a second, where the profile begins.
    #[arg(short, long, default_value = "20", value_parser = positive)]
    pub rate: f64,
    /// Users instead of a rate: each waits for its answer before it sends again.
    #[arg(short, long, conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..))]
    pub users: Option<u32>,
    /// The most requests a second, or users, of a surge or spike; ten times the beginning.
    #[arg(long, value_parser = positive)]
    pub peak: Option<f64>,
    /// How long: 30s, 5m, 1h. Each profile has a length of its own.
    #[arg(short, long, value_parser = span)]
    pub duration: Option<Duration>,
    /// Cold starts one by one, for each function.
    #[arg(long, default_value_t = 10)]
    pub rounds: u32,
    /// Requests at once to a function with one instance, to see cold starts of more load.
    #[arg(long, default_value_t = 8)]
    pub at_once: u32,
    /// Connections at the most.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub connections: u32,
    /// How long a request may take.
    #[arg(long, default_value = "60s", value_parser = span)]
    pub timeout: Duration,
    /// Fail when this holds, such as `cold.p99>800ms`; may be repeated.
    #[arg(long, value_name = "BUDGET", value_parser = budget)]
    pub fail_if: Vec<Budget>,
    /// Say what changed since a run that was saved.
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// Save the run as JSON, to compare with later.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Write a page with charts.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write measured times for `fnlocal simulate --calibrate`.
    #[arg(long, value_name = "FILE")]
    pub calibration: Option<PathBuf>,
    /// Write goose's own report besides; its charts are loaded from the network when it is opened.
    #[arg(long, value_name = "FILE", requires = "users")]
    pub goose_report: Option<PathBuf>,
    /// Print the report as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}

/// The shape of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LoadProfile {
    /// The same all the time.
    Steady,
    /// Growing over minutes.
    Surge,
    /// Suddenly much, then little again.
    Spike,
    /// The same for an hour.
    Soak,
    /// Cold starts, one and many at once.
    Coldstart,
}

fn budget(text: &str) -> Result<Budget, String> {
    let parsed = text.parse();
    parsed.map_err(|error: BudgetError| format!("{}\nhint: {}", error.why, error.hint))
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (0.001..=1_000_000.0).contains(&number) {
        Ok(number)
    } else {
        Err("it must be between 0.001 and 1000000".to_owned())
    }
}
