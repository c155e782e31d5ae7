//! The last quarter of an hour, for who opens the page later: one point a second, made whether or not
//! anybody looks, in memory that does not grow with functions, nodes or requests.
//!
//! Latencies are estimates from the spans of a [`Histogram`]; the page's own, made of the log while
//! somebody looks, are exact.

use std::collections::{BTreeMap, VecDeque};

use fnlocal_api::StartKind;
use fnlocal_core::InstancesView;
use fnlocal_driver::{Count, Histogram};
use serde::Serialize;

use super::{NodeStage, RunNow};

/// Points kept: 15 minutes.
const MAX_POINTS: usize = 900;
/// Start kinds and, last, what no instance answered.
const STARTS: usize = StartKind::ALL.len() + 1;

/// Points, the oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    points: VecDeque<HistoryPoint>,
    /// The totals at the last point.
    before: Option<Totals>,
}

/// The counts since the run began.
#[derive(Clone, Debug, Default)]
struct Totals {
    /// Milliseconds since 1970.
    at: u64,
    starts: [u64; STARTS],
    failed: u64,
    latency: Histogram,
}

/// A second: rates per second, latencies in milliseconds, and counts at its end.
#[derive(Clone, Debug, Serialize)]
pub(super) struct HistoryPoint {
    /// Seconds since 1970.
    at: f64,
    all: f64,
    failed: f64,
    refused: f64,
    #[serde(flatten)]
    starts: BTreeMap<&'static str, f64>,
    p50: Option<f64>,
    p99: Option<f64>,
    queued: u32,
    running: u32,
    desired: u32,
    serving: u32,
    spares: u32,
    #[serde(flatten)]
    instances: InstancesView,
}

impl History {
    /// Adds what is at a moment, in milliseconds since 1970.
    pub fn push(&mut self, at: u64, now: &RunNow) {
        let totals = Totals::new(at, now);
        if let Some(before) = self.before.replace(totals.clone()) {
            if self.points.len() == MAX_POINTS {
                self.points.pop_front();
            }
            self.points.push_back(point(&before, &totals, now));
        }
    }

    /// All points as JSON.
    pub fn json(&self) -> String {
        serde_json::to_string(&self.points).expect("plain numbers")
    }
}

impl Totals {
    fn new(at: u64, now: &RunNow) -> Self {
        let mut totals = Self {
            at,
            latency: now.latency.clone(),
            ..Self::default()
        };
        let pictures = now.nodes.values().filter_map(|node| node.picture.as_ref());
        let of_nodes = pictures.flat_map(|picture| &picture.requests);
        let of_nobody = now.fleet.iter().flat_map(|fleet| &fleet.ended);
        for count in of_nodes.chain(of_nobody) {
            totals.starts[slot(count)] += count.requests;
            if count.status >= 500 {
                totals.failed += count.requests;
            }
        }
        totals
    }
}

fn slot(count: &Count) -> usize {
    let known = |start| StartKind::ALL.iter().position(|kind| *kind == start);
    count.start.and_then(known).unwrap_or(STARTS - 1)
}

#[allow(clippy::cast_precision_loss, reason = "counts of requests")]
fn point(before: &Totals, totals: &Totals, now: &RunNow) -> HistoryPoint {
    let seconds = totals.at.saturating_sub(before.at).max(1) as f64 / 1000.0;
    // Nodes that have ended take their counts along.
    let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
    let rates: Vec<f64> = totals
        .starts
        .iter()
        .zip(before.starts)
        .map(|(&now, before)| rate(now, before))
        .collect();
    let words = StartKind::ALL.map(StartKind::word);
    let serving = |node: &&super::NodeNow| node.stage == NodeStage::Serving;
    let serving = now.nodes.values().filter(serving).count() as u32;
    let mut point = HistoryPoint {
        at: totals.at as f64 / 1000.0,
        all: rates.iter().sum(),
        failed: rate(totals.failed, before.failed),
        refused: rates[STARTS - 1],
        starts: words.into_iter().zip(rates.iter().copied()).collect(),
        p50: quantile(&before.latency, &totals.latency, 0.5),
        p99: quantile(&before.latency, &totals.latency, 0.99),
        queued: 0,
        running: 0,
        desired: now
            .fleet
            .as_ref()
            .and_then(|fleet| fleet.desired)
            .unwrap_or(serving),
        serving,
        spares: 0,
        instances: InstancesView::default(),
    };
    for picture in now.nodes.values().filter_map(|node| node.picture.as_ref()) {
        for package in &picture.node.packages {
            point.spares += package.spares + package.spares_paused;
        }
        for function in &picture.node.functions {
            point.queued += function.queued;
            point.running += function.running;
            point.instances += function.instances;
        }
    }
    point
}

/// A quantile of what was counted between two moments, in milliseconds, taken to be spread evenly within
/// its span. `None` if nothing was.
#[allow(clippy::cast_precision_loss, reason = "counts of requests")]
fn quantile(before: &Histogram, now: &Histogram, share: f64) -> Option<f64> {
    let before = before.spans().into_iter().map(|(_, count)| count);
    let spans = now.spans().into_iter().zip(before);
    let spans: Vec<(f64, u64)> = spans
        .map(|((bound, now), before)| (bound, now.saturating_sub(before)))
        .collect();
    let all: u64 = spans.iter().map(|(_, count)| count).sum();
    let mut left = all as f64 * share;
    let mut from = 0.0;
    for (bound, count) in spans {
        // The last span has no bound: the time is at least the one before.
        let to = if bound == f64::MAX { from } else { bound };
        if count as f64 >= left && count > 0 {
            return Some((from + (to - from) * left / count as f64) * 1000.0);
        }
        left -= count as f64;
        from = to;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn counted(requests: u64, latency: &Histogram) -> RunNow {
        let count = Count {
            function: Some("f".into()),
            start: Some(StartKind::Warm),
            status: 200,
            problem: None,
            requests,
        };
        RunNow {
            nodes: BTreeMap::new(),
            fleet: Some(super::super::FleetNow {
                desired: Some(3),
                pooled: 0,
                time_scale: 1.0,
                ended: vec![count],
            }),
            latency: latency.clone(),
        }
    }

    #[test]
    fn a_history_point_has_the_rate_and_latency_since_the_previous_one() {
        let mut history = History::default();
        let mut latency = Histogram::default();
        latency.add(Duration::from_secs(40));
        history.push(1_000, &counted(100, &latency));
        for _ in 0..100 {
            latency.add(Duration::from_millis(15));
        }
        history.push(3_000, &counted(150, &latency));
        let points: serde_json::Value = serde_json::from_str(&history.json()).unwrap();
        assert_eq!(points.as_array().unwrap().len(), 1);
        let point = &points[0];
        assert_eq!((&point["at"], &point["warm"]), (&3.0.into(), &25.0.into()));
        assert_eq!((&point["all"], &point["cold"]), (&25.0.into(), &0.0.into()));
        assert_eq!((&point["p50"], &point["p99"]), (&15.0.into(), &19.9.into()));
        assert_eq!((&point["desired"], &point["busy"]), (&3.into(), &0.into()));
    }

    #[test]
    fn a_history_rate_is_never_negative_after_a_node_leaves() {
        let mut history = History::default();
        let latency = Histogram::default();
        history.push(1_000, &counted(100, &latency));
        history.push(2_000, &counted(40, &latency));
        let points: serde_json::Value = serde_json::from_str(&history.json()).unwrap();
        assert_eq!(
            (&points[0]["all"], &points[0]["p50"]),
            (&0.0.into(), &serde_json::Value::Null)
        );
    }

    #[test]
    fn the_history_keeps_fifteen_minutes() {
        let mut history = History::default();
        let latency = Histogram::default();
        for second in 0..2_000 {
            history.push(second * 1_000, &counted(second, &latency));
        }
        assert_eq!(history.points.len(), 900);
        assert!((history.points[0].at - 1_100.0).abs() < 0.1);
    }
}
