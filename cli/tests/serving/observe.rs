//! The observation of a running fnlocal, and of one that ran: logs, errors, metrics, traces, and a
//! debugger's view.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod bundle;
mod diagnosis;
mod errors;
mod inspect;
mod logs;
mod metrics;
mod traces;

use crate::support::Dev;
use crate::support::scrape::Sample;
use serde_json::Value;

/// Returns the answer of `/_fnlocal/logs`.
async fn kept(dev: &Dev, query: &str) -> Vec<Value> {
    let answer = dev.look(&format!("/_fnlocal/logs?{query}")).await;
    let text = answer.text().await.unwrap();
    documents(&text)
}

fn documents(text: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
    text.lines().map(parse).collect()
}

/// The value of the sample of this name that has no labels.
fn value(samples: &[Sample], name: &str) -> f64 {
    let mut named = samples.iter().filter(|one| one.name == name);
    let sample = named.find(|one| one.labels.is_empty());
    sample
        .unwrap_or_else(|| panic!("no {name} in {samples:?}"))
        .value
}
