//! Gathers numbers while a run goes on, in room that does not grow with its requests.

use std::collections::BTreeMap;

use fnlocal_core::balancer::TargetFailure;
use fnlocal_core::scaling::ScalingReason;
use fnlocal_core::{NodeId, RefuseReason, StartKind};
use hdrhistogram::Histogram;

use super::jobs::JobsRecorder;
use super::summary::{Latency, Summary, millis};
use super::{
    Cost, Died, Peak, RefusedCount, RequestCounts, Scaled, Series, Setup, SimulationReport,
    SloVerdict,
};
use crate::price;
use crate::scenario::{Routing, Scenario};
use crate::slo::{Slo, SloBound};

/// The maximum number of buckets of a run, as far as whole seconds allow.
const BUCKETS: f64 = 600.0;
/// The longest latency told apart, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// The state of an instance, in the order of [`Series::instances`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "their names say it")]
pub enum InstanceState {
    Starting,
    Spare,
    Importing,
    Idle,
    Busy,
    Paused,
    Stopping,
}

/// Why a request had no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The node's core refused it.
    Core(RefuseReason),
    /// The balancer answered itself.
    Balancer(TargetFailure),
}

impl Refusal {
    /// In a word, and the status the client gets.
    #[must_use]
    pub const fn told(self) -> (&'static str, u16) {
        match self {
            Self::Core(reason) => match reason {
                RefuseReason::UnknownFunction => ("unknown_function", 404),
                RefuseReason::BrokenCode => ("import_failed", 500),
                RefuseReason::RateLimited => ("rate_limited", 429),
                RefuseReason::Throttled => ("throttled", 429),
                RefuseReason::QueueFull => ("queue_full", 503),
                RefuseReason::QueueTimeout => ("queue_timeout", 504),
                RefuseReason::Timeout => ("timeout", 504),
                RefuseReason::InstanceDied => ("instance_died", 502),
                RefuseReason::StartFailed => ("start_failed", 503),
                RefuseReason::Draining => ("draining", 503),
            },
            Self::Balancer(failure) => {
                let name = match failure {
                    TargetFailure::NoTarget => "balancer_no_target",
                    TargetFailure::Broken => "balancer_broken",
                    TargetFailure::NoConnection => "balancer_no_connection",
                    TargetFailure::Silent => "balancer_timeout",
                };
                (name, failure.status())
            }
        }
    }
}

/// The state at the end of a bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) serving: usize,
    pub(crate) waiting: u64,
    pub(crate) open: usize,
    pub(crate) promised_mib: u64,
}

/// The events of the present bucket.
#[derive(Clone, Copy, Debug, Default)]
struct TimeBucket {
    arrived: u64,
    answered: u64,
    refused: u64,
    cold: u64,
}

/// Gathers what happens during a run, in memory that does not grow with it.
#[derive(Debug)]
pub(crate) struct ReportRecorder {
    /// When requests can come, in microseconds.
    zero: u64,
    width: u64,
    bucket_ends: u64,
    bucket: TimeBucket,
    now: Histogram<u64>,
    all: Histogram<u64>,
    kinds: BTreeMap<StartKind, Histogram<u64>>,
    requests: RequestCounts,
    refused: BTreeMap<&'static str, (u16, u64)>,
    instances: [u64; 7],
    peak: Peak,
    paid: u32,
    paid_since: u64,
    paid_micros: u64,
    scaling: Vec<Scaled>,
    deaths: Vec<Died>,
    series: Series,
    slo: Slo,
    jobs: JobsRecorder,
}

pub(super) fn histogram(digits: u8) -> Histogram<u64> {
    Histogram::new_with_max(LONGEST, digits).expect("the bounds are constants and fit")
}

impl ReportRecorder {
    pub(crate) fn new(scenario: &Scenario, zero: u64) -> Self {
        let seconds = (scenario.source.duration() / BUCKETS).ceil().max(1.0);
        let width = seconds as u64 * 1_000_000;
        Self {
            zero,
            width,
            bucket_ends: zero + width,
            bucket: TimeBucket::default(),
            now: histogram(2),
            all: histogram(3),
            kinds: BTreeMap::new(),
            requests: RequestCounts::default(),
            refused: BTreeMap::new(),
            instances: [0; 7],
            peak: Peak::default(),
            paid: 0,
            paid_since: zero,
            paid_micros: 0,
            scaling: Vec::new(),
            deaths: Vec::new(),
            series: Series {
                width: seconds,
                ..Series::default()
            },
            slo: scenario.slo.clone(),
            jobs: JobsRecorder::new(),
        }
    }

    pub(crate) fn bucket_ends(&self) -> u64 {
        self.bucket_ends
    }

    /// Triggered work.
    pub(crate) fn jobs(&mut self) -> &mut JobsRecorder {
        &mut self.jobs
    }

    pub(crate) fn arrived(&mut self) {
        self.requests.arrived += 1;
        self.bucket.arrived += 1;
    }

    pub(crate) fn forwarded(&mut self) {
        self.requests.forwarded += 1;
    }

    pub(crate) fn refused(&mut self, refusal: Refusal) {
        self.requests.refused += 1;
        self.bucket.refused += 1;
        let (reason, status) = refusal.told();
        self.refused.entry(reason).or_insert((status, 0)).1 += 1;
    }

    /// Counts a request that was answered after `took` microseconds.
    pub(crate) fn answered(&mut self, took: u64, start: Option<StartKind>) {
        let start = start.unwrap_or(StartKind::Warm);
        self.requests.answered += 1;
        self.bucket.answered += 1;
        if start.imports() {
            self.bucket.cold += 1;
        }
        self.now.saturating_record(took);
        self.all.saturating_record(took);
        let kind = self.kinds.entry(start).or_insert_with(|| histogram(3));
        kind.saturating_record(took);
    }

    /// An instance came, changed or went.
    pub(crate) fn instance(&mut self, from: Option<InstanceState>, to: Option<InstanceState>) {
        if let Some(from) = from {
            self.instances[from as usize] -= 1;
        }
        if let Some(to) = to {
            self.instances[to as usize] += 1;
        }
        if from.is_none() {
            let all = self.instances.iter().sum();
            self.peak.instances = self.peak.instances.max(all);
        }
    }

    /// Sets the number of machines that are paid for from now on.
    pub(crate) fn paid(&mut self, now: u64, paid: u32) {
        let now = now.max(self.paid_since);
        self.paid_micros += u64::from(self.paid) * (now - self.paid_since);
        (self.paid, self.paid_since) = (paid, now);
    }

    pub(crate) fn scaled(&mut self, now: u64, nodes: u32, why: ScalingReason) {
        let at = (now as f64 - self.zero as f64) / 1e6;
        self.scaling.push(Scaled { at, nodes, why });
    }

    pub(crate) fn died(&mut self, now: u64, node: NodeId, broken: u64, repeated: u64) {
        self.deaths.push(Died {
            at: (now as f64 - self.zero as f64) / 1e6,
            node: node.0,
            broken,
            repeated,
        });
    }

    /// The bucket under way is over.
    pub(crate) fn end_bucket(&mut self, moment: Moment) {
        let bucket = std::mem::take(&mut self.bucket);
        let series = &mut self.series;
        series.arrived.push(bucket.arrived);
        series.answered.push(bucket.answered);
        series.refused.push(bucket.refused);
        series.cold.push(bucket.cold);
        for (percent, column) in [
            (50.0, &mut series.p50),
            (95.0, &mut series.p95),
            (99.0, &mut series.p99),
        ] {
            column.push(millis(self.now.value_at_percentile(percent)));
        }
        series.serving.push(moment.serving);
        series.paid.push(self.paid);
        series.waiting.push(moment.waiting);
        series.open.push(moment.open);
        series.instances.push(self.instances);
        let total = bucket.answered + bucket.refused;
        series
            .held
            .push(held(&self.slo, &self.now, bucket.refused, total));
        self.now.reset();
        self.bucket_ends += self.width;
        let peak = &mut self.peak;
        peak.nodes = peak.nodes.max(moment.serving);
        peak.waiting = peak.waiting.max(moment.waiting);
        peak.promised_mib = peak.promised_mib.max(moment.promised_mib);
    }

    /// The run is over.
    pub(crate) fn report(mut self, scenario: &Scenario, events: u64) -> SimulationReport {
        let duration = scenario.source.duration();
        self.paid(self.zero + (duration * 1e6) as u64, self.paid);
        let mut requests = self.requests;
        let percent = |part: u64, of: u64| part as f64 / of.max(1) as f64 * 100.0;
        let waited = self.kinds.iter().filter(|(kind, _)| kind.imports());
        let cold = waited.map(|(_, histogram)| histogram.len()).sum();
        requests.cold_percent = percent(cold, requests.answered);
        requests.error_percent = percent(requests.refused, requests.answered + requests.refused);
        let all = ("all".to_owned(), &self.all);
        let kinds = self.kinds.iter();
        let kinds = kinds.map(|(kind, histogram)| (kind.word().to_owned(), histogram));
        let latency = std::iter::once(all)
            .chain(kinds)
            .map(|(start, histogram)| Latency {
                start,
                summary: Summary::from_histogram(histogram),
            });
        let refused = self
            .refused
            .iter()
            .map(|(&reason, &(status, count))| RefusedCount {
                reason: reason.to_owned(),
                status,
                count,
            });
        SimulationReport {
            setup: setup(scenario, events),
            requests,
            refused: refused.collect(),
            latency: latency.collect(),
            jobs: self.jobs.report(),
            peak: self.peak,
            slo: self.verdict(),
            cost: self.cost(scenario, duration),
            scaling: self.scaling,
            deaths: self.deaths,
            series: self.series,
            notes: Vec::new(),
        }
    }

    fn verdict(&self) -> SloVerdict {
        let width = self.series.width;
        let broken = |at: &(usize, &bool)| !at.1;
        let mut broken = self.series.held.iter().enumerate().filter(broken);
        let count = broken.clone().count();
        let first = broken.next().map(|(at, _)| at);
        let last = broken.next_back().map(|(at, _)| at).or(first);
        let total = self.requests.answered + self.requests.refused;
        SloVerdict {
            objective: self.slo.to_string(),
            holds: held(&self.slo, &self.all, self.requests.refused, total),
            breaks_at: first.map(|at| at as f64 * width),
            breaks_until: last.map(|at| (at + 1) as f64 * width),
            broken: count as f64 * width,
        }
    }

    fn cost(&self, scenario: &Scenario, duration: f64) -> Cost {
        let hours = self.paid_micros as f64 / 3.6e9;
        let nodes = self.paid_micros as f64 / 1e6 / duration.max(f64::MIN_POSITIVE);
        let hour = scenario.machine.hour;
        let balancer_month = price::BALANCER_HOUR * price::MONTH_HOURS;
        let month = nodes * hour * price::MONTH_HOURS + balancer_month;
        Cost {
            nodes,
            run: hours * hour,
            node_hour: hour,
            month: (hour > 0.0).then_some(month),
            balancer_month,
            prices_of: price::DATE,
            region: price::REGION,
        }
    }
}

fn setup(scenario: &Scenario, events: u64) -> Setup {
    Setup {
        seed: scenario.seed,
        profile: scenario.machine.profile.name().to_owned(),
        functions: scenario.functions.len(),
        node: scenario.machine.kind.clone(),
        routing: match scenario.routing {
            Routing::Sticky(_) => "sticky".to_owned(),
            Routing::RoundRobin => "round_robin".to_owned(),
        },
        duration: scenario.source.duration(),
        times: scenario.times.clone(),
        events,
    }
}

/// Returns whether these answers and refusals hold an objective.
fn held(slo: &Slo, latency: &Histogram<u64>, refused: u64, total: u64) -> bool {
    slo.bounds.iter().all(|bound| match *bound {
        SloBound::Latency { percentile, below } => {
            latency.is_empty() || millis(latency.value_at_percentile(percentile)) < below
        }
        SloBound::Errors { below } => refused as f64 * 100.0 < below * total.max(1) as f64,
    })
}
