//! How much the generator can send, beside wrk, to one trivial server on the same machine.
//!
//! Rounds of three: wrk, more than can be had, and 0.6 of what wrk had in this round, which is valid
//! where requests were sent when they were due, by the generator's own word. Prints one JSON line.
//! Needs wrk. `FNLOCAL_BENCH_SECONDS` is how long each of them takes.

use std::convert::Infallible;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use fnlocal_loadtest::profile::LoadShape;
use fnlocal_loadtest::report::Context;
use fnlocal_loadtest::scenario::{LoadScenario, ScenarioStep};
use fnlocal_loadtest::{CheckedTarget, LoadKind, LoadPlan, LoadReport, Target};
use http::Response;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 3;

fn length() -> Duration {
    let seconds = std::env::var("FNLOCAL_BENCH_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(5))
}

/// A server of one thread that answers `ok`; its port.
fn server() -> u16 {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let port = listener.local_addr().expect("an address").port();
            tell.send(port).expect("somebody waits");
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                stream.set_nodelay(true).expect("a socket");
                let service = service_fn(|_| async {
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok"))))
                });
                let builder = hyper::server::conn::http1::Builder::new();
                tokio::task::spawn_local(builder.serve_connection(TokioIo::new(stream), service));
            }
        });
    });
    told.recv().expect("it starts")
}

fn wrk(url: &str) -> f64 {
    let seconds = format!("-d{}s", length().as_secs());
    let connections = format!("-c{CONNECTIONS}");
    let output = Command::new("wrk")
        .args(["-t2", &connections, &seconds, url])
        .output()
        .expect("wrk is installed: .ci/tools bench");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    let rate = line.and_then(|rate| rate.trim().parse().ok());
    rate.unwrap_or_else(|| panic!("wrk said {text}"))
}

fn ours(url: &str, rate: f64) -> LoadReport {
    let plan = LoadPlan {
        scenario: LoadScenario {
            name: "trivial".into(),
            steps: vec![ScenarioStep::get("")],
        },
        shape: LoadShape::Steady,
        load: LoadKind::Rate(LoadShape::Steady.segments(rate, rate, length())),
        connections: CONNECTIONS,
        timeout: Duration::from_secs(60),
        goose_report: None,
    };
    let target = Target::parse(url).expect("a URL");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let gathered = tokio::task::LocalSet::new().block_on(&runtime, async {
        let checked = CheckedTarget::look(&target).await.expect("it answers");
        let stop = CancellationToken::new();
        checked.run(&plan, |_| {}, stop).await.expect("it runs")
    });
    let context = Context {
        target: &target,
        plan: &plan,
    };
    LoadReport::new(&gathered, &context)
}

fn main() {
    let url = format!("http://127.0.0.1:{}", server());
    let rounds: Vec<Value> = (0..ROUNDS)
        .map(|_| {
            let wrk = wrk(&url);
            let most = ours(&url, wrk * 1.5);
            let some = ours(&url, wrk * 0.6);
            json!({
                "wrk_per_s": wrk.round(),
                "most_per_s": most.rate().round(),
                "most_of_wrk": (most.rate() / wrk * 100.0).round() / 100.0,
                "most_called_valid": most.invalid.is_empty(),
                "at_0.6_of_wrk": (some.rate() / wrk * 100.0).round() / 100.0,
                "at_0.6_valid": some.invalid.is_empty(),
                "at_0.6_invalid": some.invalid,
                "at_0.6_lag_p50_us": some.lag.p50,
                "at_0.6_lag_p99_us": some.lag.p99,
                "at_0.6_p50_us": some.total.p50,
                "at_0.6_p99_us": some.total.p99,
            })
        })
        .collect();
    let valid = rounds.iter().filter(|round| round["at_0.6_valid"] == true);
    let line = json!({
        "bench": "generator",
        "valid_at_0.6": format!("{} of {ROUNDS}", valid.count()),
        "rounds": rounds,
    });
    println!("{line}");
}
