//! The raw results of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::gateway::{GatewayCount, GatewaySample};
use crate::recorder::SampleRecorder;

/// The raw results of a run.
pub struct Gathered {
    /// Every sample, as histograms.
    pub recorder: SampleRecorder,
    /// When it began.
    pub began_at: jiff::Timestamp,
    /// How long it took.
    pub took: Duration,
    /// Requests that were sent.
    pub sent: u64,
    /// Requests that were due and could not be sent.
    pub dropped: u64,
    /// Requests whose answers were not waited for.
    pub unanswered: u64,
    /// `true` if the run was interrupted.
    pub interrupted: bool,
    /// The gateway's reports.
    pub watched: GatewaySamples,
}

/// The gateway's reports.
#[derive(Default)]
pub struct GatewaySamples {
    /// Its figures now and then.
    pub samples: Vec<GatewaySample>,
    /// The ends of the run's requests, by the gateway's count; `None` if it gives none.
    pub counts: Option<Vec<GatewayCount>>,
}

/// Returns the counts between two reports, of the functions that were called.
pub(super) fn difference(
    now: &[GatewayCount],
    before: &[GatewayCount],
    of: &BTreeSet<&str>,
) -> Vec<GatewayCount> {
    let key = |count: &GatewayCount| GatewayCount {
        requests: 0,
        ..count.clone()
    };
    let before: BTreeMap<GatewayCount, u64> =
        before.iter().map(|one| (key(one), one.requests)).collect();
    let called = |count: &&GatewayCount| {
        count
            .function
            .as_deref()
            .is_some_and(|name| of.contains(name))
    };
    let mut counts: Vec<GatewayCount> = now
        .iter()
        .filter(called)
        .map(|count| GatewayCount {
            // A fleet's node that is gone took its counts along.
            requests: count
                .requests
                .saturating_sub(before.get(&key(count)).copied().unwrap_or(0)),
            ..count.clone()
        })
        .filter(|count| count.requests > 0)
        .collect();
    counts.sort();
    counts
}
