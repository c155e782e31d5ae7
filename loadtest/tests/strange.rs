//! Against a target that redirects, and closes connections that were idle.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fnlocal_loadtest::scenario::ScenarioStep;
use fnlocal_loadtest::{LoadKind, LoadReport};
use support::{plan, run, steady};

/// The request of a connection from which on it is closed instead of being answered.
const CLOSED_AT: usize = 3;

/// Sends whoever asks for `/away` to another host, and closes connections over `/closing`.
struct StrangeTarget {
    url: String,
    /// Requests to the other host.
    elsewhere: Arc<AtomicUsize>,
}

impl StrangeTarget {
    fn start() -> Self {
        let elsewhere = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&elsewhere);
        let other = serve(move |_, _| {
            count.fetch_add(1, Ordering::AcqRel);
            Some("200 OK\r\n".to_owned())
        });
        let url = serve(move |path, number| match path {
            "/away" => Some(format!("302 Found\r\nlocation: {other}/there\r\n")),
            "/closing" if number >= CLOSED_AT => None,
            _ => Some("200 OK\r\n".to_owned()),
        });
        Self { url, elsewhere }
    }
}

/// Serves on a port of its own: the path and the request's number on its connection lead to the head
/// of the answer, or to the end of the connection.
fn serve(answer: impl Fn(&str, usize) -> Option<String> + Send + Clone + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || converse(stream, &answer));
        }
    });
    url
}

fn converse(mut stream: TcpStream, answer: &impl Fn(&str, usize) -> Option<String>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map_while(Result::ok);
    for number in 1.. {
        let Some(first) = lines.next() else { return };
        // To the end of the head; nobody sends a body.
        lines.by_ref().find(String::is_empty);
        let path = first.split(' ').nth(1).unwrap_or_default();
        let Some(head) = answer(path, number) else {
            return;
        };
        let body = if first.starts_with("HEAD ") { "" } else { "ok" };
        let text = format!("HTTP/1.1 {head}content-length: 2\r\n\r\n{body}");
        if stream.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

fn answered(report: &LoadReport, function: &str, status: u16) -> u64 {
    let counts = report.counts.iter().filter(|one| {
        one.function.as_deref() == Some(function) && (status == 0 || one.status == status)
    });
    counts.map(|one| one.requests).sum()
}

fn load(kind: LoadKind, methods: &[&str]) -> (LoadReport, usize) {
    let target = StrangeTarget::start();
    let mut plan = plan(kind);
    let closing = methods.iter().map(|method| ScenarioStep {
        method: method.parse().unwrap(),
        ..ScenarioStep::get("closing")
    });
    plan.scenario.steps = [ScenarioStep::get("away")]
        .into_iter()
        .chain(closing)
        .collect();
    let report = run(&target.url, &plan);
    (report, target.elsewhere.load(Ordering::Acquire))
}

fn redirects_are_counted_as_they_are(report: &LoadReport, elsewhere: usize) {
    assert_eq!(elsewhere, 0, "the guard of --yes knows of one host only");
    let away = answered(report, "away", 302);
    assert!(
        away > 0 && away == answered(report, "away", 0),
        "{:?}",
        report.counts
    );
}

#[test]
fn a_rate_load_follows_no_redirect_and_retries_requests_on_closed_connections() {
    let rate = || LoadKind::Rate(steady(100.0, Duration::from_secs(2)));
    let (report, elsewhere) = load(rate(), &["GET"]);
    redirects_are_counted_as_they_are(&report, elsewhere);
    assert!(report.retried > 0);
    assert_eq!(report.errors, 0, "{:?}", report.failures);
    assert_eq!(report.sent, report.total.count);
    // A request that may have taken effect is not sent twice.
    let (report, _) = load(rate(), &["POST"]);
    assert_eq!(report.retried, 0);
    assert!(report.errors > 0);
    assert_eq!(report.failures[0].reason, "connection broke");
}

/// goose keeps its configuration in statics: one such test for each process.
#[test]
fn users_follow_no_redirect_and_retry_requests_on_closed_connections() {
    let users = LoadKind::Users(steady(3.0, Duration::from_secs(2)));
    let (report, elsewhere) = load(users, &["GET", "HEAD"]);
    redirects_are_counted_as_they_are(&report, elsewhere);
    assert!(report.retried > 0);
    assert_eq!(report.errors, 0, "{:?}", report.failures);
}
