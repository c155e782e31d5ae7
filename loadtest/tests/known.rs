//! Against a backend whose truth is known.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod support;

use std::time::{Duration, Instant};

use fnlocal_api::UserError;
use fnlocal_loadtest::budget::Budget;
use fnlocal_loadtest::compare::compare;
use fnlocal_loadtest::{LoadKind, LoadReport, LoadTestError};
use support::{Backend, Behaviour, look, near, plan, run, run_in_peace, run_until, steady};
use tokio_util::sync::CancellationToken;

fn judge(budget: &str, report: &LoadReport) -> bool {
    budget.parse::<Budget>().unwrap().judge(report).failed
}

/// 60 ms or a little more, but every ten seconds nothing for two; one in a hundred is an error.
///
/// At 50 requests a second, of 1,000 in twenty seconds 800 take 60 ms and 200 take from 60 ms to
/// 2,060 ms, evenly: the tenth slowest takes 1,960 ms (p99), the second slowest 2,050 ms (p99.9).
/// Few enough that the backend catches up at once. Three percent of 60 ms is more than two wake-ups
/// of a thread take on a machine with other work.
#[test]
fn quantiles_and_errors_match_the_backend_including_its_stalls() {
    let behaviour = Behaviour {
        answer: Duration::from_millis(60),
        error_every: Some(100),
        stalls: &[4, 14],
        stall: Duration::from_secs(2),
    };
    let load = LoadKind::Rate(steady(50.0, Duration::from_secs(20)));
    let (report, backend) = run_in_peace(behaviour, &plan(load));
    println!("{:?}\nlag {:?}", report.total, report.lag);
    assert_eq!(report.invalid, Vec::<String>::new());
    assert_eq!((report.sent, report.total.count), (1000, 1000));
    assert_eq!(report.errors, 10);
    let (p50, truth) = (report.total.p50, backend.quantile(0.5));
    assert!(near(p50, truth, 3.0), "{p50} µs, in truth {truth}");
    for (found, truth) in [
        (report.total.p99, 1_960_000.0),
        (report.total.p999, 2_050_000.0),
    ] {
        assert!(near(found, truth, 3.0), "{found} µs, in truth {truth}");
    }
    assert!(judge("p99>800ms", &report) && !judge("p50>75ms", &report));
    assert!(judge("errors>0.1%", &report) && !judge("errors>1.5%", &report));
}

#[test]
fn a_bottleneck_in_the_load_generator_invalidates_the_report() {
    let backend = Backend::start(Behaviour::default());
    // One connection carries at most fifty of these a second.
    let mut plan = plan(LoadKind::Rate(steady(100.0, Duration::from_secs(2))));
    plan.connections = 1;
    let report = run(&backend.url, &plan);
    assert_eq!(report.total.count, 200, "all are sent in the end");
    assert!(report.invalid[0].contains("late"), "{:?}", report.invalid);
    assert!(
        report.total.p99 > 1_500_000,
        "the lag is in the latencies: {:?}",
        report.total
    );
}

#[test]
fn an_interrupted_run_reports_its_results_so_far() {
    let backend = Backend::start(Behaviour::default());
    let plan = plan(LoadKind::Rate(steady(100.0, Duration::from_secs(60))));
    let stop = CancellationToken::new();
    let (report, ended) = std::thread::scope(|scope| {
        // Other tests' runs come first, so what counts is when this one is under way.
        let ending = scope.spawn(|| {
            while backend.served() < 100 {
                std::thread::sleep(Duration::from_millis(10));
            }
            stop.cancel();
            Instant::now()
        });
        let (report, _) = run_until(&backend.url, &plan, stop.clone());
        (report, ending.join().unwrap().elapsed())
    });
    assert!(ended < Duration::from_secs(5), "{ended:?}");
    assert!(report.interrupted);
    assert!(report.sent >= 100, "{}", report.sent);
    assert_eq!(report.sent, report.total.count + report.unanswered);
}

#[test]
fn unanswered_requests_are_counted_as_errors() {
    let backend = Backend::start(Behaviour {
        answer: Duration::from_secs(5),
        ..Behaviour::default()
    });
    let mut plan = plan(LoadKind::Rate(steady(10.0, Duration::from_secs(1))));
    plan.timeout = Duration::from_millis(200);
    let report = run(&backend.url, &plan);
    assert_eq!((report.sent, report.errors), (10, 10));
    assert_eq!(report.failures[0].reason, "timed out");
}

/// goose keeps its settings in statics: one such test for each process.
#[test]
fn users_wait_for_each_answer_before_the_next_request() {
    let backend = Backend::start(Behaviour::default());
    let report = run(
        &backend.url,
        &plan(LoadKind::Users(steady(4.0, Duration::from_secs(3)))),
    );
    println!("{:?}", report.total);
    assert_eq!(report.errors, 0);
    assert_eq!(report.sent, backend.served());
    // A user's request is never late, so a busy machine shows here.
    assert!(report.total.min >= 20_000, "{:?}", report.total);
    // Four users, at most fifty requests a second each.
    assert!(report.sent <= 4 * 50 * 4, "{}", report.sent);
    assert!(report.omission.contains("wait for answers"));
}

#[test]
fn a_comparison_is_significant_for_a_twice_as_slow_backend_and_not_for_the_same() {
    let measure = |answer| {
        let behaviour = Behaviour {
            answer: Duration::from_millis(answer),
            ..Behaviour::default()
        };
        let load = LoadKind::Rate(steady(100.0, Duration::from_secs(3)));
        run_in_peace(behaviour, &plan(load))
    };
    let ((first, fast), (second, _), (slower, slow)) = (measure(20), measure(20), measure(40));
    let same = compare(&first, &second);
    let p50 = |changes: &[fnlocal_loadtest::compare::FigureChange]| {
        changes
            .iter()
            .find(|one| one.metric == "p50")
            .cloned()
            .unwrap()
    };
    assert!(!p50(&same.changes).significant, "{same:?}");
    let change = p50(&compare(&first, &slower).changes);
    assert!(change.significant, "{change:?}");
    let truth = slow.quantile(0.5) - fast.quantile(0.5);
    let (low, high) = (change.low.unwrap(), change.high.unwrap());
    assert!(
        low > 15_000.0 && low - 1000.0 < truth && truth < high + 1000.0,
        "{change:?}, in truth {truth}"
    );
    // Saved and read again, it is still the same.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), serde_json::to_string(&first).unwrap()).unwrap();
    let read = LoadReport::read(file.path()).unwrap();
    assert!(!p50(&compare(&first, &read).changes).significant);
}

#[test]
fn an_unreachable_target_is_reported_before_any_load() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let down = look(&format!("http://{free}")).unwrap_err();
    assert!(matches!(down, LoadTestError::Down { .. }), "{down:?}");
    let nowhere = look("http://nowhere.invalid").unwrap_err();
    assert!(matches!(nowhere, LoadTestError::Dns { .. }), "{nowhere:?}");
    let backend = Backend::start(Behaviour::default());
    let plain = look(&backend.url.replace("http:", "https:")).unwrap_err();
    assert!(matches!(plain, LoadTestError::Tls { .. }), "{plain:?}");
    assert_eq!(backend.served(), 0);
    for error in [down, nowhere, plain] {
        assert!(error.hint().is_some(), "{error}");
    }
}
