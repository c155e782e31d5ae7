//! From what a run gathered to its report.

use std::collections::BTreeMap;

use fnlocal_api::StartKind;
use hdrhistogram::Histogram;

use super::{
    ColdSample, FORMAT, FailureCount, GatewayReport, LatencySummary, LoadReport, RequestGroup,
    RunEnvironment, intervals,
};
use crate::gateway::GatewayCount;
use crate::profile::Segment;
use crate::recorder::{SampleRecorder, StepTally, fine};
use crate::run::{Gathered, LoadKind, LoadPlan};
use crate::sample::{GatewayPhases, SampleKind};
use crate::target::Target;

/// Lag that disturbs nothing, in microseconds: of one in a hundred, whom a busy machine may hold up,
const LAG_ALLOWED: u64 = 10_000;
/// and of half of the requests, whose median it would be.
const USUAL_LAG_ALLOWED: u64 = 1000;

/// The inputs of a report besides the figures.
pub struct Context<'a> {
    /// Where load went.
    pub target: &'a Target,
    /// The plan.
    pub plan: &'a LoadPlan,
}

impl LatencySummary {
    /// Of a histogram of microseconds.
    #[must_use]
    pub fn from_histogram(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        let at = |quantile| histogram.value_at_quantile(quantile);
        Self {
            count: histogram.len(),
            mean: histogram.mean(),
            min: histogram.min(),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max(),
        }
    }
}

impl LoadReport {
    /// Returns the result of a run.
    #[must_use]
    pub fn new(gathered: &Gathered, context: &Context<'_>) -> Self {
        let plan = context.plan;
        let recorder = &gathered.recorder;
        let name = |step: usize| plan.scenario.steps[step].function.clone();
        let mut all = fine();
        let mut kinds: BTreeMap<SampleKind, StepTally> = BTreeMap::new();
        let mut functions: BTreeMap<(String, SampleKind), StepTally> = BTreeMap::new();
        for ((step, kind), tally) in &recorder.tallies {
            // Histograms resize themselves, so nothing is out of range.
            let _infallible = all.add(&tally.latency);
            kinds.entry(*kind).or_default().merge(tally);
            let key = (name(*step), *kind);
            functions.entry(key).or_default().merge(tally);
        }
        let total = LatencySummary::from_histogram(&all);
        let lag = LatencySummary::from_histogram(&recorder.lag);
        let parts = intervals::parts(segments(&plan.load));
        let counts = counts(recorder, &name);
        let errors = kinds.values().map(|tally| tally.errors).sum::<u64>() + gathered.unanswered;
        Self {
            format: FORMAT,
            target: context.target.url.clone(),
            shape: plan.shape,
            load: describe(&plan.load),
            scenario: plan.scenario.name.clone(),
            omission: omission(&plan.load).to_owned(),
            began: gathered.began_at.to_string(),
            took_ms: gathered.took.as_millis() as u64,
            interrupted: gathered.interrupted,
            invalid: invalid(gathered, &total, &lag),
            sent: gathered.sent,
            dropped: gathered.dropped,
            unanswered: gathered.unanswered,
            retried: recorder.retried,
            errors,
            total,
            kinds: kinds
                .iter()
                .map(|(kind, tally)| group(None, *kind, tally))
                .collect(),
            functions: functions
                .iter()
                .map(|((name, kind), tally)| group(Some(name.clone()), *kind, tally))
                .collect(),
            lag,
            colds: colds(recorder, &name),
            gateway: gateway(gathered, &counts),
            counts,
            failures: failures(recorder),
            intervals: intervals::intervals(recorder, &parts),
            parts,
            width_ms: recorder.width.as_millis() as u64,
            environment: RunEnvironment::here(
                context.target.runtime.clone(),
                plan.connections,
                plan.timeout.as_millis() as u64,
            ),
        }
    }
}

fn group(function: Option<String>, kind: SampleKind, tally: &StepTally) -> RequestGroup {
    let phases = tally.phases.as_deref();
    let mean = |at: usize| phases.map_or(0, |phases| phases[at].mean().round() as u64);
    RequestGroup {
        function,
        kind,
        errors: tally.errors,
        latency: LatencySummary::from_histogram(&tally.latency),
        service: phases.map(|phases| LatencySummary::from_histogram(&phases[4])),
        start: tally.phases.as_ref().and_then(|_| start(kind, tally)),
        phases: phases.map(|_| GatewayPhases {
            queue: mean(0),
            create: mean(1),
            boot: mean(2),
            import: mean(3),
            handler: mean(4),
        }),
    }
}

/// Time to start, of kinds that start something.
fn start(kind: SampleKind, tally: &StepTally) -> Option<LatencySummary> {
    let starts = kind.start().is_some_and(StartKind::imports);
    starts.then(|| LatencySummary::from_histogram(&tally.start))
}

fn segments(load: &LoadKind) -> &[Segment] {
    match load {
        LoadKind::Rate(segments) | LoadKind::Users(segments) => segments,
        LoadKind::Cold(_) => &[],
    }
}

fn describe(load: &LoadKind) -> String {
    let range = |segments: &[Segment], unit: &str| {
        let ends = segments
            .iter()
            .flat_map(|segment| [segment.from, segment.to]);
        let (low, high) = ends.fold((f64::MAX, 0.0_f64), |(low, high), one| {
            (low.min(one), high.max(one))
        });
        if (high - low).abs() < f64::EPSILON {
            format!("{high} {unit}")
        } else {
            format!("{low} to {high} {unit}")
        }
    };
    match load {
        LoadKind::Rate(segments) => range(segments, "requests a second, open loop"),
        LoadKind::Users(segments) => range(segments, "users, closed loop (goose)"),
        LoadKind::Cold(plan) => format!(
            "{} cold starts one by one, {} times {} at once, for each function",
            plan.rounds, plan.bursts, plan.at_once
        ),
    }
}

fn omission(load: &LoadKind) -> &'static str {
    match load {
        LoadKind::Rate(_) => {
            "Latencies count from the moment a request was due, whether or not earlier ones had \
             ended: coordinated omission is avoided, and a stall shows in full."
        }
        LoadKind::Users(_) => {
            "Latencies count from the moment a user sent a request. Users wait for answers, so a \
             stall keeps them from sending and is under-represented; nothing is added for that."
        }
        LoadKind::Cold(_) => "Latencies count from the moment a request was sent.",
    }
}

/// Why the figures are the generator's own.
fn invalid(gathered: &Gathered, total: &LatencySummary, lag: &LatencySummary) -> Vec<String> {
    let mut reasons = Vec::new();
    if gathered.dropped > 0 {
        let (dropped, due) = (gathered.dropped, gathered.dropped + gathered.sent);
        reasons.push(format!("{dropped} of {due} requests could not be sent"));
    }
    for (quantile, late, allowed) in [
        ("p99", lag.p99, LAG_ALLOWED.max(total.p99 / 10)),
        ("p50", lag.p50, USUAL_LAG_ALLOWED.max(total.p50 / 10)),
    ] {
        if late > allowed {
            let late = crate::words::millis(late);
            reasons.push(format!(
                "requests were sent late: {quantile} of the lag is {late}"
            ));
        }
    }
    reasons
}

fn counts(recorder: &SampleRecorder, name: &dyn Fn(usize) -> String) -> Vec<GatewayCount> {
    let mut counts: BTreeMap<(String, Option<&str>, u16), u64> = BTreeMap::new();
    for ((step, kind, status), requests) in &recorder.statuses {
        *counts
            .entry((name(*step), kind.start().map(StartKind::word), *status))
            .or_default() += requests;
    }
    let each = counts.into_iter();
    each.map(|((function, start, status), requests)| GatewayCount {
        function: Some(function),
        start: start.map(str::to_owned),
        status,
        problem: None,
        requests,
    })
    .collect()
}

fn colds(recorder: &SampleRecorder, name: &dyn Fn(usize) -> String) -> Vec<ColdSample> {
    let each = recorder.colds.iter();
    each.map(|cold| ColdSample {
        at_ms: cold.at.as_millis() as u64,
        function: name(cold.step),
        kind: cold.kind,
        lag: cold.lag.as_micros() as u64,
        latency: cold.latency.as_micros() as u64,
        phases: cold.phases,
    })
    .collect()
}

fn failures(recorder: &SampleRecorder) -> Vec<FailureCount> {
    let each = recorder.failures.iter();
    each.map(|(failure, requests)| FailureCount {
        reason: failure.name().to_owned(),
        requests: *requests,
    })
    .collect()
}

fn gateway(gathered: &Gathered, ours: &[GatewayCount]) -> Option<GatewayReport> {
    let counts = gathered.watched.counts.clone()?;
    Some(GatewayReport {
        samples: gathered.watched.samples.clone(),
        differences: differences(ours, &counts),
        counts,
    })
}

/// Where two counts differ. The platform's reasons are left out: the generator does not see them.
fn differences(ours: &[GatewayCount], theirs: &[GatewayCount]) -> Vec<String> {
    type Key = (Option<String>, Option<String>, u16);
    let mut both: BTreeMap<Key, (u64, u64)> = BTreeMap::new();
    let key = |count: &GatewayCount| (count.function.clone(), count.start.clone(), count.status);
    for count in ours {
        both.entry(key(count)).or_default().0 += count.requests;
    }
    for count in theirs {
        both.entry(key(count)).or_default().1 += count.requests;
    }
    let differ = both
        .into_iter()
        .filter(|(_, (ours, theirs))| ours != theirs);
    differ
        .map(|((function, start, status), (ours, theirs))| {
            format!(
                "{} {} {status}: {ours} by the generator, {theirs} by the gateway",
                function.unwrap_or_default(),
                start.as_deref().unwrap_or("-"),
            )
        })
        .collect()
}
