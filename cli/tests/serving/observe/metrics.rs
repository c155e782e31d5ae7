use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::support::{Dev, Folder, eventually};
use super::{kept, metrics};

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

fn of_metrics(metrics: &str) -> Ends {
    let lines = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("fnlocal_requests_total{"));
    lines
        .map(|line| {
            let (labels, value) = line.split_once("} ").unwrap();
            let labels: BTreeMap<&str, &str> = labels
                .split(',')
                .map(|label| label.split_once('=').unwrap())
                .map(|(key, value)| (key, value.trim_matches('"')))
                .collect();
            let label = |key: &str| labels[key].to_owned();
            let status = labels["status"].parse().unwrap();
            let key = (label("function"), label("start"), status, label("problem"));
            (key, value.parse().unwrap())
        })
        .collect()
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
    let text = metrics(&dev).await;
    assert_eq!(log, view);
    assert_eq!(of_metrics(&text), view);
    for has in [
        "fnlocal_request_duration_seconds_count{node=\"local\",function=\"bad\"",
        "fnlocal_refusals_total{node=\"local\",function=\"rare\",reason=\"rate_limited\"} ",
        "fnlocal_instances{node=\"local\",function=\"good\",state=\"idle\"} ",
        "fnlocal_start_phase_seconds_count{node=\"local\",phase=\"import\"} ",
        "fnlocal_function_peak_memory_bytes{node=\"local\",function=\"good\"} ",
        "fnlocal_errors_total{cause=\"handler\"} 1",
        "fnlocal_errors_total{cause=\"timeout\"} 1",
    ] {
        assert!(text.contains(has), "no {has} in {text}");
    }
}

#[tokio::test]
async fn every_metric_the_grafana_dashboard_names_is_there() {
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
    let text = metrics(&dev).await;
    let there: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let missing: Vec<_> = named
        .iter()
        .filter(|name| !there.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?} in {text}");
}
