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
  fnlocal simulate --load steady:200 --nodes 3 --kill 1@10m   kill a node
  fnlocal simulate --trace access.log --profile lambda
  fnlocal simulate --replay recording.jsonl   replay what `fnlocal dev --record` wrote

Functions and limits come from fnlocal.toml. `config` in code is not read.";

/// Arguments of `fnlocal simulate`.
#[derive(Debug, clap::Args)]
pub struct SimulateArgs {
    /// The folder with fnlocal.toml; without the file, defaults are assumed.
    #[arg(default_value = ".")]
    pub folder: PathBuf,

    /// The number of requests a second: `steady:50`, `surge:2..500` (over 10 minutes), `spike:2..500` (in a
    /// second), `diurnal:5..200` (over a day).
    #[arg(long, default_value = "steady:10", help_heading = "Load")]
    pub load: SimulatedLoad,
    /// The time at which a surge or spike begins.
    #[arg(long, default_value = "5m", value_name = "SPAN", help_heading = "Load")]
    pub begin: Span,
    /// The time in which a surge or spike rises, or the length of a day.
    #[arg(long, value_name = "SPAN", help_heading = "Load")]
    pub over: Option<Span>,
    /// The time during which requests arrive.
    #[arg(
        long,
        default_value = "30m",
        value_name = "SPAN",
        help_heading = "Load"
    )]
    pub duration: Span,
    /// Send requests at even intervals instead of at random.
    #[arg(long, help_heading = "Load")]
    pub even: bool,
    /// The Zipf exponent of requests over functions; 0 spreads them evenly.
    #[arg(long, default_value_t = 0.0, help_heading = "Load")]
    pub skew: f64,
    /// Requests recorded elsewhere: an access log (common, combined, JSON lines, ALB, CloudFront; packed by
    /// gzip or not), or Azure's counts per function and minute.
    #[arg(long, value_name = "FILE", help_heading = "Load", conflicts_with_all = ["load", "even", "skew"])]
    pub trace: Option<PathBuf>,

    /// Asynchronous invocations a second: `20` over all functions, `NAME=20` for one. With --at,
    /// the schedules of fnlocal.toml run too.
    #[arg(long = "async", value_name = "RATE", help_heading = "Load")]
    pub rate: Vec<AsyncRate>,

    /// The number of functions, instead of those of fnlocal.toml.
    #[arg(long, value_name = "N", help_heading = "Functions")]
    pub functions: Option<u32>,
    /// The time a function takes: `50ms`, `exp:50ms`, `lognormal:50ms,250ms` (median, p99).
    #[arg(long, value_name = "TIMES", help_heading = "Functions")]
    pub service: Option<Distribution>,
    /// The part of a function's time spent on the processor, from 0 to 1.
    #[arg(
        long,
        default_value_t = 0.3,
        value_name = "PART",
        help_heading = "Functions"
    )]
    pub cpu: f64,
    /// The time an instance takes to boot.
    #[arg(long, value_name = "TIMES", help_heading = "Functions")]
    pub boot: Option<Distribution>,
    /// The time code takes to import.
    #[arg(long, value_name = "TIMES", help_heading = "Functions")]
    pub import: Option<Distribution>,
    /// The file of times that a load test measured, instead of assumed times.
    #[arg(long, value_name = "FILE", help_heading = "Functions")]
    pub calibrate: Option<PathBuf>,

    /// The environment whose nodes, scaling and pre-scaling are simulated: [env.NAME].
    #[arg(long = "env", value_name = "NAME", help_heading = "Fleet")]
    pub env_name: Option<String>,
    /// A fixed number of nodes.
    #[arg(long, value_name = "N", help_heading = "Fleet")]
    pub nodes: Option<u32>,
    /// The EC2 instance type of a node.
    #[arg(long, value_name = "TYPE", help_heading = "Fleet")]
    pub instance_type: Option<String>,
    /// The time from a machine's launch until its gateway listens.
    #[arg(long, value_name = "TIMES", help_heading = "Fleet")]
    pub machine_boot: Option<Distribution>,
    /// Speed up boots, metrics and alarms of the fleet by this factor, as in `dev` and `up`.
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = crate::args::time_scale, help_heading = "Fleet")]
    pub time_scale: f64,
    /// Raise the minimum number of nodes at a time after the beginning: `12@10m`.
    #[arg(long, value_name = "NODES@SPAN", help_heading = "Fleet")]
    pub prescale: Vec<NodesAt>,
    /// Kill nodes without a drain at a time after the beginning: `1@10m`.
    #[arg(long, value_name = "NODES@SPAN", help_heading = "Fleet")]
    pub kill: Vec<NodesAt>,
    /// The time of day at which the load begins, for pre-scaling and schedules: `2026-11-27T17:00[Asia/Kolkata]`.
    #[arg(long, value_name = "TIME", help_heading = "Fleet")]
    pub at: Option<String>,
    /// The choice of a node for a request.
    #[arg(long, value_enum, default_value_t = RoutingChoice::Sticky, help_heading = "Fleet")]
    pub routing: RoutingChoice,
    /// Apply the limits of another platform.
    #[arg(long, value_enum, default_value_t = ProfileChoice::Fnlocal, help_heading = "Fleet")]
    pub profile: ProfileChoice,

    /// The seed of random numbers; the same seed gives the same report.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The objective that the run must meet.
    #[arg(long, default_value = "p99<1s,errors<0.1%")]
    pub slo: Slo,
    /// Find the smallest number of nodes, and the latest time to add them, that meet the objective.
    #[arg(long, conflicts_with = "sweep")]
    pub find_prescale: bool,
    /// Run once per value of a setting: `nodes=2,4,8`.
    #[arg(long, value_name = "KEY=A,B,C")]
    pub sweep: Option<Sweep>,
    /// The maximum number of events in a run.
    #[arg(long, default_value_t = fnlocal_sim::scenario::EVENTS)]
    pub events: u64,
    /// Replay a recording of `fnlocal dev`; exits 1 at the first decision that differs.
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// Print the report as JSON on stdout.
    #[arg(long)]
    pub json: bool,
    /// Write the report as an HTML page with charts.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// The choice of a node for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoutingChoice {
    /// The node that owns the function.
    Sticky,
    /// The node that the balancer picked.
    RoundRobin,
}
