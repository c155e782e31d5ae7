//! How long requests of the last second took.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::feed::TICKS;

/// A function's name, and milliseconds one of its requests took.
pub(super) type Took = (Option<String>, f64);

/// Latencies of the last looks.
#[derive(Debug, Default)]
pub(super) struct RecentLatencies(VecDeque<Vec<Took>>);

/// Latencies in order, by how many were shorter; in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct LatencyQuantiles {
    p50: f64,
    p95: f64,
    p99: f64,
    max: f64,
    /// How many they are of.
    n: usize,
}

impl RecentLatencies {
    /// Adds what the last look found, and forgets what is older than a second.
    pub fn turn(&mut self, found: Vec<Took>) {
        self.0.push_back(found);
        if self.0.len() > TICKS as usize {
            self.0.pop_front();
        }
    }

    /// By function, and of all under an empty name.
    pub fn quantiles(&self) -> BTreeMap<&str, LatencyQuantiles> {
        let mut lists: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (function, took) in self.0.iter().flatten() {
            lists.entry("").or_default().push(*took);
            if let Some(name) = function {
                lists.entry(name).or_default().push(*took);
            }
        }
        lists
            .into_iter()
            .map(|(name, list)| (name, LatencyQuantiles::from_list(list)))
            .collect()
    }
}

impl LatencyQuantiles {
    fn from_list(mut list: Vec<f64>) -> Self {
        list.sort_by(f64::total_cmp);
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in a list of thousands"
        )]
        let at = |share: f64| list[((list.len() - 1) as f64 * share).round() as usize];
        Self {
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            max: at(1.0),
            n: list.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_quantiles_cover_the_last_second_per_function_and_overall() {
        let mut latencies = RecentLatencies::default();
        latencies.turn(vec![(Some("old".into()), 9999.0)]);
        for _ in 0..TICKS {
            let bids = (1..=25).map(|ms| (Some("bid".to_owned()), f64::from(ms)));
            latencies.turn(bids.chain([(None, 100.0)]).collect());
        }
        let quantiles = latencies.quantiles();
        assert_eq!(quantiles.keys().collect::<Vec<_>>(), [&"", &"bid"]);
        let bid = quantiles["bid"];
        assert_eq!((bid.n, bid.p50, bid.max), (100, 13.0, 25.0));
        assert_eq!(quantiles[""].max, 100.0);
    }
}
