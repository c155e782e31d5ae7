//! Arguments of `fnlocal simulate`.

use std::path::PathBuf;

use clap::ValueEnum;
use fnlocal_sim::search::Sweep;
use fnlocal_sim::{Distribution, Slo};

use crate::dev::ProfileChoice;
use crate::simulate::load::{AsyncRate, NodesAt, SimulatedLoad, Span};

/// Shown with `fnlocal simulate --help`.
pub const EXAMPLES: &str = "\
Examples:
  fnlocal simulate --env prod --load spike:2..500 --html spike.html
  fnlocal simulate --env prod --load spike:2..500 --begin 30m --find-prescale
  fnlocal simulate --load steady:200 --sweep nodes=1,2,4,8
  fnlocal simulate --load steady:200 --nodes 3 --kill 1@10m   a node dies
  fnlocal simulate --trace access.log --profile lambda
  fnlocal simulate --replay recording.jsonl   what `fnlocal dev --record` wrote

Functions and limits are those of fnlocal.toml; what only code says is not known here.";

/// Arguments of `fnlocal simulate`.
#[derive(Debug, clap::Args)]
pub struct SimulateArgs {
    /// A folder with fnlocal.toml; without one, what is not said here is assumed.
    #[arg(default_value = ".")]
    pub folder: PathBuf,

    /// Requests a second: `steady:50`, `surge:2..500` (over 10 minutes), `spike:2..500` (in a
    /// second), `diurnal:5..200` (over a day).
    #[arg(long, default_value = "steady:10", help_heading = "Load")]
    pub load: SimulatedLoad,
    /// When a surge or spike begins.
    #[arg(long, default_value = "5m", value_name = "SPAN", help_heading = "Load")]
    pub begin: Span,
    /// How long a surge or spike takes to rise, or a day lasts.
    #[arg(long, value_name = "SPAN", help_heading = "Load")]
    pub over: Option<Span>,
    /// How long requests arrive.
    #[arg(
        long,
        default_value = "30m",
        value_name = "SPAN",
        help_heading = "Load"
    )]
    pub duration: Span,
    /// Requests come evenly, not by chance.
    #[arg(long, help_heading = "Load")]
    pub even: bool,
    /// Zipf's exponent: how much a few functions get most requests; 0 for evenly.
    #[arg(long, default_value_t = 0.0, help_heading = "Load")]
    pub skew: f64,
    /// Requests recorded elsewhere: an access log (common, combined, JSON lines, ALB, CloudFront; packed by
    /// gzip or not), or Azure's counts per function and minute.
    #[arg(long, value_name = "FILE", help_heading = "Load", conflicts_with_all = ["load", "even", "skew"])]
    pub trace: Option<PathBuf>,

    /// Invocations a second that nobody waits for: `20` over all functions, `NAME=20` of one. The
    /// schedules of fnlocal.toml come too, once --at says when the load begins.
    #[arg(long = "async", value_name = "RATE", help_heading = "Load")]
    pub rate: Vec<AsyncRate>,

    /// So many functions, instead of those of fnlocal.toml.
    #[arg(long, value_name = "N", help_heading = "Functions")]
    pub functions: Option<u32>,
    /// How long a function takes: `50ms`, `exp:50ms`, `lognormal:50ms,250ms` (median, p99).
    #[arg(long, value_name = "TIMES", help_heading = "Functions")]
    pub service: Option<Distribution>,
    /// The part of that spent on the processor, from 0 to 1.
    #[arg(
        long,
        default_value_t = 0.3,
        value_name = "PART",
        help_heading = "Functions"
    )]
    pub cpu: f64,
    /// How long an instance takes to boot.
    #[arg(long, value_name = "TIMES", help_heading = "Functions")]
    pub boot: Option<Distribution>,
    /// How long code takes to import.
    #[arg(long, value_name = "TIMES", help_heading = "Functions")]
    pub import: Option<Distribution>,
    /// Times measured by a load test, instead of assumed ones.
    #[arg(long, value_name = "FILE", help_heading = "Functions")]
    pub calibrate: Option<PathBuf>,

    /// The environment: nodes, scaling and pre-scaling of [env.NAME].
    #[arg(long = "env", value_name = "NAME", help_heading = "Fleet")]
    pub env_name: Option<String>,
    /// Always so many nodes.
    #[arg(long, value_name = "N", help_heading = "Fleet")]
    pub nodes: Option<u32>,
    /// EC2 instance type of a node.
    #[arg(long, value_name = "TYPE", help_heading = "Fleet")]
    pub instance_type: Option<String>,
    /// How long a machine takes from its launch until its gateway begins.
    #[arg(long, value_name = "TIMES", help_heading = "Fleet")]
    pub machine_boot: Option<Distribution>,
    /// The fleet's time runs so many times as fast as that of its requests, as with the same option
    /// of `dev` and `up`.
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = crate::args::time_scale, help_heading = "Fleet")]
    pub time_scale: f64,
    /// At least so many nodes from so long after the beginning: `12@10m`.
    #[arg(long, value_name = "NODES@SPAN", help_heading = "Fleet")]
    pub prescale: Vec<NodesAt>,
    /// End so many nodes of those that serve, without a word, so long after the beginning: `1@10m`.
    #[arg(long, value_name = "NODES@SPAN", help_heading = "Fleet")]
    pub kill: Vec<NodesAt>,
    /// When the load begins, for pre-scaling at times of day: `2026-11-27T17:00[Asia/Kolkata]`.
    #[arg(long, value_name = "TIME", help_heading = "Fleet")]
    pub at: Option<String>,
    /// Which node serves a request.
    #[arg(long, value_enum, default_value_t = RoutingChoice::Sticky, help_heading = "Fleet")]
    pub routing: RoutingChoice,
    /// Impose the limits of another platform.
    #[arg(long, value_enum, default_value_t = ProfileChoice::Fnlocal, help_heading = "Fleet")]
    pub profile: ProfileChoice,

    /// What chance begins with: the same gives the same.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// What the run must hold.
    #[arg(long, default_value = "p99<1s,errors<0.1%")]
    pub slo: Slo,
    /// Find the fewest nodes, and the shortest time before the load rises, that hold the objective.
    #[arg(long, conflicts_with = "sweep")]
    pub find_prescale: bool,
    /// Run with several values of one setting: `nodes=2,4,8`.
    #[arg(long, value_name = "KEY=A,B,C")]
    pub sweep: Option<Sweep>,
    /// Steps a run may take.
    #[arg(long, default_value_t = fnlocal_sim::scenario::EVENTS)]
    pub events: u64,
    /// Play a recording of `fnlocal dev` again; exits 1 at the first decision that differs.
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
    /// Write the report as one page with charts.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Which node serves a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoutingChoice {
    /// The one its function belongs to.
    Sticky,
    /// Whichever the balancer gave it to.
    RoundRobin,
}
