//! One request at a time, as many instances as needed and allowed, on real Docker.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::{Dev, Folder, header};

const SLEEPER: &str = r#"
let served = 0, running = 0;
exports.sleeper = {
  func: async (req, res) => {
    running += 1;
    const together = running;
    served += 1;
    await new Promise((done) => setTimeout(done, 200));
    running -= 1;
    res.json({ served, together });
  },
  config: { maxInstances: 8 },
};
"#;

async fn get(url: &str) -> (reqwest::StatusCode, String, String, serde_json::Value) {
    let answer = reqwest::get(url).await.unwrap();
    let status = answer.status();
    let instance = answer.headers().get("x-fnlocal-instance");
    let instance = instance.map_or_else(String::new, |value| value.to_str().unwrap().to_owned());
    let start = answer.headers().get("x-fnlocal-start");
    let start = start.map_or_else(String::new, |value| value.to_str().unwrap().to_owned());
    let body = answer.json().await.unwrap_or_default();
    (status, instance, start, body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_parallel_requests_are_all_answered_by_at_most_max_instances() {
    let folder = Folder::new(&[("index.js", SLEEPER)]);
    let dev = Dev::start(&folder);
    let url = dev.at("/sleeper");
    let requests: Vec<_> = (0..100)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { get(&url).await })
        })
        .collect();
    let mut by_instance: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for request in requests {
        let (status, instance, _, body) = request.await.unwrap();
        assert_eq!(status, 200, "{body}");
        assert_eq!(
            body["together"], 1,
            "two requests shared an instance at once"
        );
        by_instance
            .entry(instance)
            .or_default()
            .push(body["served"].as_u64().unwrap());
    }
    assert!(by_instance.len() <= 8, "{by_instance:?}");
    assert!(by_instance.len() > 1, "{by_instance:?}");
    for served in by_instance.values_mut() {
        // Globals survive from one call to the next: the count goes up by one without a gap.
        served.sort_unstable();
        let expected: Vec<u64> = (1..=served.len() as u64).collect();
        assert_eq!(served, &expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_parallel_calls_to_a_cold_function_are_all_answered() {
    let code = "exports.quick = (req, res) => res.json({ ok: true });";
    let folder = Folder::new(&[("index.js", code)]);
    let dev = Dev::start(&folder);
    let url = dev.at("/quick");
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { get(&url).await })
        })
        .collect();
    for request in requests {
        let ended = tokio::time::timeout(Duration::from_secs(30), request).await;
        assert_eq!(ended.unwrap().unwrap().0, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_names_its_start_kind_timing_node_and_instance() {
    let code = "exports.quick = (req, res) => res.json({ ok: true });";
    let folder = Folder::new(&[("index.js", code)]);
    let dev = Dev::start(&folder);
    let first = reqwest::get(dev.at("/quick")).await.unwrap();
    assert_eq!(header(&first, "x-fnlocal-start"), "spare");
    let timing = header(&first, "server-timing").to_owned();
    for phase in [
        "queue;dur=",
        "create;dur=",
        "boot;dur=",
        "import;dur=",
        "handler;dur=",
    ] {
        assert!(timing.contains(phase), "{timing}");
    }
    assert_eq!(header(&first, "x-fnlocal-request-id").len(), 16);
    assert_eq!(header(&first, "x-fnlocal-code").len(), 16);
    assert_eq!(header(&first, "x-fnlocal-node"), "local");
    let instance = header(&first, "x-fnlocal-instance").to_owned();
    let second = reqwest::get(dev.at("/quick")).await.unwrap();
    assert_eq!(header(&second, "x-fnlocal-start"), "warm");
    assert_eq!(header(&second, "x-fnlocal-instance"), instance);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_beyond_the_queue_limit_are_refused_with_a_reason() {
    let folder = Folder::new(&[
        ("index.js", SLEEPER),
        (
            "fnlocal.toml",
            "[functions.sleeper]\nmax_instances = 1\nqueue = 3\nrps = 1000\n",
        ),
    ]);
    let dev = Dev::start(&folder);
    let url = dev.at("/sleeper");
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { get(&url).await })
        })
        .collect();
    let mut answered = 0;
    let mut refused = 0;
    for request in requests {
        match request.await.unwrap() {
            (status, ..) if status == 200 => answered += 1,
            (status, _, _, body) => {
                assert_eq!(status, 503, "{body}");
                assert_eq!(body["reason"], "queue_full");
                assert_eq!(body["function"], "sleeper");
                assert!(body["hint"].is_string());
                refused += 1;
            }
        }
    }
    assert!(
        (3..=5).contains(&answered),
        "{answered} answered, {refused} refused"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_over_the_rate_get_429_with_retry_after() {
    let code = "exports.quick = (req, res) => res.json({ ok: true });";
    let limits = "[functions.quick]\nrps = 5\n";
    let folder = Folder::new(&[("index.js", code), ("fnlocal.toml", limits)]);
    let dev = Dev::start(&folder);
    let mut refused = None;
    for _ in 0..30 {
        let answer = reqwest::get(dev.at("/quick")).await.unwrap();
        if answer.status() == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("thirty requests at once are over five a second");
    assert_eq!(header(&refused, "retry-after"), "1");
    let body: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(body["reason"], "rate_limited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_instance_is_paused_and_answers_again() {
    let code = "let n = 0; exports.count = (req, res) => res.json({ n: ++n });";
    let limits = "[functions.count]\npause_after = \"300ms\"\n";
    let folder = Folder::new(&[("index.js", code), ("fnlocal.toml", limits)]);
    let dev = Dev::start(&folder);
    let first = reqwest::get(dev.at("/count")).await.unwrap();
    let instance = header(&first, "x-fnlocal-instance").to_owned();
    crate::support::eventually("the instance is paused", async || {
        dev.view().await.to_string().contains("\"paused\":1")
    })
    .await;
    let again = reqwest::get(dev.at("/count")).await.unwrap();
    assert_eq!(header(&again, "x-fnlocal-instance"), instance);
    assert_eq!(header(&again, "x-fnlocal-start"), "warm");
    let body: serde_json::Value = again.json().await.unwrap();
    assert_eq!(body["n"], 2);
}
