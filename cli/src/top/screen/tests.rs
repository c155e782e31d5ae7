//! Screens as they are drawn.

use fnlocal_project::Running;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyCode;
use serde_json::json;

use super::draw;
use crate::top::model::Model;
use crate::top::stream::StreamEvent;

fn model() -> Model {
    Model::new(&Running {
        url: "http://127.0.0.1:9000".into(),
        platform: "http://127.0.0.1:9001".into(),
        pid: 7,
        runtime: "docker".into(),
        version: "1".into(),
        token: "t".into(),
    })
}

/// A node with two functions; `bids` and `rules` are the requests they have had.
fn state(at: u64, bids: u64, rules: u64) -> StreamEvent {
    let core = fnlocal_core::Node::new(fnlocal_core::NodeLimits::default());
    let mut node = serde_json::to_value(core.view(fnlocal_core::time::Instant::START)).unwrap();
    let limits = serde_json::to_value(fnlocal_core::FunctionLimits::default()).unwrap();
    let function = |number: u32, busy: u32| {
        json!({ "function": number, "package": 1, "limits": limits, "code": 0, "next": null,
            "broken": false, "queued": number, "running": busy, "service": null,
            "instances": { "starting": 0, "assigning": 0, "idle": 1, "busy": busy, "paused": 0,
                "resuming": 0, "stopping": 0 } })
    };
    node["functions"] = json!([function(1, 2), function(2, 0)]);
    let count = |name: &str, status: u16, requests: u64| {
        json!({ "function": name, "start": "warm", "status": status, "problem": null,
            "requests": requests })
    };
    let state = json!({
        "at": at,
        "nodes": { "n0": { "stage": "serving", "picture": {
            "functions": { "1": "bid", "2": "rules" }, "node": node,
            "requests": [count("bid", 200, bids), count("rules", 500, rules)] } } },
        "latency": { "": { "p50": 2.0, "p99": 30.0 }, "bid": { "p50": 2.0, "p99": 30.0 } },
    });
    StreamEvent::State(Box::new(serde_json::from_value(state).unwrap()))
}

fn records() -> StreamEvent {
    StreamEvent::Records(
        serde_json::from_value(json!({ "records": [
            { "kind": "invocation", "time": "2026-01-31T12:00:00.123456Z", "function": "bid",
                "method": "POST", "path": "/bid", "status": 201, "start": "warm", "duration_ms": 3.2 },
            { "kind": "invocation", "time": "2026-01-31T12:00:01.000000Z", "function": "rules",
                "method": "GET", "path": "/rules", "status": 500, "start": "cold", "duration_ms": 300.0 },
            { "kind": "line", "time": "2026-01-31T12:00:02.000000Z", "function": "bid",
                "stream": "stdout", "text": "a bid of 10" },
        ] }))
        .unwrap(),
    )
}

fn shown(model: &mut Model) -> String {
    let mut terminal = Terminal::new(TestBackend::new(110, 20)).unwrap();
    terminal.draw(|frame| draw(frame, model)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn the_function_table_shows_rates_latency_instances_and_queue() {
    let mut model = model();
    model.take(state(1_000, 100, 5));
    model.take(state(2_000, 150, 5));
    let screen = shown(&mut model);
    assert!(
        screen.contains("50 requests/s  p50 2.0 ms  p99 30 ms  3 waiting"),
        "{screen}"
    );
    let bid = screen.lines().find(|line| line.contains("\"bid ")).unwrap();
    let words: Vec<&str> = bid.trim_matches('"').split_whitespace().collect();
    let wanted = [
        "bid", "50.0", "2.0", "ms", "30", "ms", "2", "1", "0", "1", "150", "0",
    ];
    assert_eq!(words, wanted, "{screen}");
}

#[test]
fn requests_and_log_lines_are_shown_for_all_functions_or_the_selected_one() {
    let mut model = model();
    model.take(state(1_000, 1, 1));
    model.take(records());
    let screen = shown(&mut model);
    assert!(
        screen.contains("12:00:00.123  bid            201    3.2 ms  warm    POST /bid"),
        "{screen}"
    );
    assert!(
        screen.contains("GET /rules") && !screen.contains("a bid of 10"),
        "{screen}"
    );
    model.key(KeyCode::Enter);
    let screen = shown(&mut model);
    assert!(
        screen.contains("POST /bid") && !screen.contains("GET /rules"),
        "{screen}"
    );
    model.key(KeyCode::Char('l'));
    let screen = shown(&mut model);
    assert!(
        screen.contains("a bid of 10") && !screen.contains("POST /bid"),
        "{screen}"
    );
}

#[test]
fn the_selected_function_stays_selected_when_the_order_changes() {
    let mut model = model();
    model.take(state(1_000, 1, 0));
    assert_eq!(model.chosen().as_deref(), Some("bid"));
    model.key(KeyCode::Char('s'));
    model.take(state(2_000, 1, 90));
    assert_eq!(model.functions[0].name, "rules", "by rate");
    assert_eq!(model.chosen().as_deref(), Some("bid"));
    model.key(KeyCode::Up);
    assert_eq!(model.chosen().as_deref(), Some("rules"));
    model.key(KeyCode::Up);
    assert_eq!(model.chosen().as_deref(), Some("rules"));
}

#[test]
fn a_paused_screen_ignores_new_data() {
    let mut model = model();
    model.take(state(1_000, 1, 0));
    model.key(KeyCode::Char(' '));
    model.take(state(2_000, 77, 0));
    let screen = shown(&mut model);
    assert!(
        screen.contains("held still") && !screen.contains("77"),
        "{screen}"
    );
}
