use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::kept;
use crate::support::scrape::{Sample, scrape};
use crate::support::{Dev, Folder, eventually};

const MIXED: &str = "exports.good = (req, res) => { console.log('good'); res.send('ok'); };
exports.bad = () => { throw new Error('bad'); };
exports.slow = { func: () => new Promise(() => {}), config: { timeout: 300 } };
exports.rare = { func: (req, res) => res.send('ok'), config: { rps: 1 } };";

type Ends = BTreeMap<(String, String, u64, String), u64>;

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn of_view(view: &Value) -> Ends {
    let each = view["requests"].as_array().unwrap().iter();
    each.map(|one| {
        let start = one["start"].as_str().unwrap_or("none").to_owned();
        let status = one["status"].as_u64().unwrap();
        let key = (text(&one["function"]), start, status, text(&one["problem"]));
        (key, one["requests"].as_u64().unwrap())
    })
    .collect()
}

fn of_log(log: &[Value]) -> Ends {
    let mut ends = Ends::new();
    for one in log {
        let start = one["start"].as_str().unwrap_or("none").to_owned();
        let status = one["status"].as_u64().unwrap();
        let key = (text(&one["function"]), start, status, text(&one["problem"]));
        *ends.entry(key).or_default() += 1;
    }
    ends
}

fn of_metrics(samples: &[Sample]) -> Ends {
    let ended = samples
        .iter()
        .filter(|one| one.name == "fnlocal_requests_total");
    ended
        .map(|one| {
            let label = |key: &str| one.labels[key].clone();
            let status = label("status").parse().unwrap();
            let key = (label("function"), label("start"), status, label("problem"));
            (key, one.value as u64)
        })
        .collect()
}

/// Labels as `name=value`.
type Wanted<'a> = &'a [(&'a str, &'a str)];

/// The value of the sample of this name with these labels, and maybe others.
fn found(samples: &[Sample], name: &str, labels: Wanted<'_>) -> Option<f64> {
    let has = |one: &Sample| {
        let mut labels = labels.iter();
        labels.all(|(key, value)| one.labels.get(*key).is_some_and(|known| known == value))
    };
    let mut named = samples.iter().filter(|one| one.name == name);
    Some(named.find(|one| has(one))?.value)
}

#[tokio::test]
async fn metrics_view_and_log_count_the_same_requests() {
    let folder = Folder::new(&[("index.js", MIXED)]);
    let dev = Dev::start_with(&folder, &["--runtime", "process", "--quiet"]);
    for path in [
        "/good",
        "/bad",
        "/slow",
        "/rare",
        "/rare",
        "/rare",
        "/none",
        "/good?again",
    ] {
        reqwest::get(dev.at(path)).await.unwrap();
    }
    let both = (0..50).map(|_| reqwest::get(dev.at("/good")));
    futures_util::future::join_all(both).await;
    eventually("the log has them all", async || {
        kept(&dev, "kind=invocation").await.len() == 58
    })
    .await;
    let log = of_log(&kept(&dev, "kind=invocation").await);
    let view = of_view(&dev.view().await);
    let samples = scrape(&dev).await;
    assert_eq!(log, view);
    assert_eq!(of_metrics(&samples), view);
    for (name, labels) in [
        (
            "fnlocal_request_duration_seconds_count",
            &[("function", "bad")][..],
        ),
        (
            "fnlocal_refusals_total",
            &[("function", "rare"), ("reason", "rate_limited")],
        ),
        (
            "fnlocal_instances",
            &[("function", "good"), ("state", "idle")],
        ),
        ("fnlocal_start_phase_seconds_count", &[("phase", "import")]),
        (
            "fnlocal_function_peak_memory_bytes",
            &[("function", "good")],
        ),
    ] {
        let labels = [&[("node", "local")], labels].concat();
        let value = found(&samples, name, &labels);
        assert!(value.is_some(), "no {name} {labels:?} in {samples:?}");
    }
    for cause in ["handler", "timeout"] {
        let errors = found(&samples, "fnlocal_errors_total", &[("cause", cause)]);
        assert_eq!(errors, Some(1.0), "{cause}");
    }
}

#[tokio::test]
async fn every_metric_of_the_grafana_dashboard_exists() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../emulator/grafana.json");
    let dashboard: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let named: BTreeSet<String> = targets
        .flat_map(|target| {
            let text = target["expr"].as_str().unwrap().to_owned();
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let ours = words.filter(|word| word.starts_with("fnlocal_"));
            ours.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert!(named.len() > 10, "{named:?}");
    let folder = Folder::new(&[("index.js", MIXED)]);
    let dev = Dev::start_with(&folder, &["--runtime", "process"]);
    for path in ["/good", "/rare", "/rare", "/rare"] {
        reqwest::get(dev.at(path)).await.unwrap();
    }
    let samples = scrape(&dev).await;
    let there: BTreeSet<&str> = samples.iter().map(|one| one.name.as_str()).collect();
    let missing: Vec<_> = named
        .iter()
        .filter(|name| !there.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?} in {there:?}");
}
