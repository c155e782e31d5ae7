//! The page in a real browser: every chart is drawn, nothing comes from the network, nothing
//! complains. The browser is driven by its own protocol (Chrome DevTools).
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "support/browser.rs"]
mod browser;
mod support;

use std::time::Duration;

use browser::Browser;
use fnlocal_loadtest::compare::compare;
use fnlocal_loadtest::{LoadKind, LoadReport, html};
use serde_json::{Value, json};
use support::{Backend, Behaviour, plan, run, steady};

/// A real run, with what a gateway and a cold start would add.
fn report() -> LoadReport {
    let backend = Backend::start(Behaviour {
        error_every: Some(20),
        ..Behaviour::default()
    });
    let report = run(
        &backend.url,
        &plan(LoadKind::Rate(steady(50.0, Duration::from_secs(2)))),
    );
    let mut value = serde_json::to_value(&report).unwrap();
    value["gateway"] = json!({
        "samples": (0..9).map(|at| json!({
            "at_ms": at * 250, "spares": 1, "all": at + 2, "queued": at, "running": 2, "refused": at,
            "instances": { "starting": 1, "assigning": 0, "idle": 1, "busy": at, "paused": 0,
                "resuming": 0, "stopping": 0 },
        })).collect::<Vec<_>>(),
        "counts": [{ "function": "</script><b>", "start": "warm", "status": 200, "problem": null,
            "requests": 100 }],
        "differences": [],
    });
    value["colds"] = json!([{ "at_ms": 5, "function": "bid", "kind": "first", "lag": 100,
        "latency": 90_000, "phases": { "queue": 1000, "create": 9000, "boot": 50_000,
        "import": 5000, "handler": 20_000 } }]);
    serde_json::from_value(value).unwrap()
}

/// Counts painted pixels of each canvas.
const PAINTED: &str = "[...document.querySelectorAll('.chart canvas')].map((canvas) => {
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let painted = 0;
  for (let at = 3; at < pixels.length; at += 4) painted += pixels[at] > 0;
  return painted;
})";

#[tokio::test]
async fn every_chart_is_drawn_offline_without_errors_in_both_colour_schemes() {
    let report = tokio::task::spawn_blocking(report).await.unwrap();
    let verdicts = ["p99>1s", "errors>1%", "cold.p99>1s"].map(|text| {
        let budget: fnlocal_loadtest::budget::Budget = text.parse().unwrap();
        budget.judge(&report)
    });
    let page = html::page(&report, Some(&compare(&report, &report)), &verdicts);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    std::fs::write(&file, page).unwrap();
    let mut browser = Browser::start().await;
    for scheme in ["light", "dark"] {
        browser.screen(800, scheme).await;
        browser.events.clear();
        let url = format!("file://{}", file.display());
        browser.ask("Page.navigate", json!({ "url": url })).await;
        browser.wait_for("Page.loadEventFired").await;
        // uPlot draws in a microtask after it is made; two frames later it is on the screen.
        let frames =
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))";
        browser.evaluate(frames).await;
        let painted = browser.evaluate(PAINTED).await;
        let painted: Vec<u64> = serde_json::from_value(painted).unwrap();
        assert_eq!(painted.len(), 4, "latency, rate, instances, queue");
        assert!(
            painted.iter().all(|&pixels| pixels > 2000),
            "{scheme}: {painted:?}"
        );
        for chart in ["histogram", "waterfall"] {
            let script = format!("document.querySelectorAll('#{chart} svg rect').length");
            let bars = browser.evaluate(&script).await.as_u64().unwrap();
            assert!(bars >= 1, "{chart}: {bars}");
        }
        let rows = browser
            .evaluate("document.querySelectorAll('#comparison tr').length")
            .await;
        assert!(rows.as_u64().unwrap() >= 3, "{rows}");
        let cell = "document.querySelector('#counts td').textContent";
        assert_eq!(browser.evaluate(cell).await, "</script><b>");
        let requests = browser.of("Network.requestWillBeSent");
        let asked = requests
            .iter()
            .map(|one| one["params"]["request"]["url"].as_str().unwrap());
        let foreign: Vec<_> = asked
            .filter(|url| !url.starts_with("file://") && !url.starts_with("data:"))
            .collect();
        assert_eq!(foreign, Vec::<&str>::new());
        for complaint in [
            "Runtime.exceptionThrown",
            "Runtime.consoleAPICalled",
            "Log.entryAdded",
        ] {
            assert_eq!(browser.of(complaint), Vec::<&Value>::new(), "{scheme}");
        }
    }
}
