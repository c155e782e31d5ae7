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

/// A sample's value, by the beginning of its line.
async fn metrics(dev: &Dev) -> String {
    let answer = reqwest::get(dev.at("/_fnlocal/metrics")).await.unwrap();
    assert!(answer.status().is_success());
    answer.text().await.unwrap()
}

fn sample(text: &str, name: &str) -> f64 {
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}
