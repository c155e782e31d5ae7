//! The kinds of handlers, from a client's request to its answer.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use serde_json::Value;

use crate::support::{Dev, Folder, header};

const CODE: &str = r#"
const net = require('net');
let ready;
let socket;
const waiting = [];
// As a pool of a database: its socket, made by the first request, calls back for all.
function query(text, done) {
  ready ??= new Promise((resolve) => {
    const echo = net.createServer((c) => c.on('data', (d) => setTimeout(() => c.write(d), 20)));
    echo.listen(0, '127.0.0.1', () => {
      socket = net.connect(echo.address().port, '127.0.0.1', resolve);
      socket.on('data', (d) => waiting.shift()(String(d)));
    });
  });
  ready.then(() => {
    waiting.push(done);
    socket.write(text);
  });
}
exports.pooled = (req, res) => { query(req.query.n, (rows) => res.send(rows)); };
exports.late = async (req, res) => { query('x', (rows) => res.send(rows)); };
exports.mute = { func: (req, res) => {}, config: { timeout: 700 } };
exports.lambda = async (event, context) => ({ statusCode: 200, body: 'x' });
exports.fetch = async (q, s) => new Response('x');
exports.text = async (req, res) => 'x';
exports.stream = (req, res) => { let text = ''; req.on('data', (d) => { text += d; }).on('end', () => res.json({ text, body: req.body })); };
"#;

fn start(folder: &Folder) -> Dev {
    Dev::start_with(folder, &["--runtime", "process"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_may_answer_and_late_answers_do_not_end_the_instance() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let mut dev = start(&folder);
    let mut instances = std::collections::BTreeSet::new();
    for n in 0..5 {
        let answer = reqwest::get(dev.at(&format!("/pooled?n={n}"))).await;
        let answer = answer.unwrap();
        instances.insert(header(&answer, "x-fnlocal-instance").to_owned());
        assert_eq!(answer.text().await.unwrap(), n.to_string());
    }
    assert_eq!(instances.len(), 1, "{instances:?}");
    for _ in 0..2 {
        let answer = reqwest::get(dev.at("/late")).await.unwrap();
        assert_eq!(answer.status(), 200);
        let told = dev.wait_for("the late answer", |record| {
            record["event"] == "error" && record["function"] == "late"
        });
        assert!(told.to_string().contains("LateAnswer"), "{told}");
    }
    assert!(dev.seen.iter().all(|record| record["event"] != "died"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_does_not_answer_is_reported_with_a_hint() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = start(&folder);
    for (name, status, reason, hint) in [
        ("mute", 504, "timeout", "returns no promise"),
        ("lambda", 500, "signature", "AWS Lambda's"),
        ("fetch", 500, "signature", "the web standard's"),
        ("text", 500, "signature", "res.send(value)"),
    ] {
        let answer = reqwest::get(dev.at(&format!("/{name}"))).await.unwrap();
        assert_eq!(answer.status(), status, "{name}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["reason"], reason, "{problem}");
        let text = problem["hint"].as_str().unwrap();
        assert!(text.contains(hint), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parsed_body_can_also_be_read_as_a_stream() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = start(&folder);
    let request = reqwest::Client::new().post(dev.at("/stream"));
    let request = request.json(&serde_json::json!({"a": 1}));
    let seen: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(seen["text"], r#"{"a":1}"#);
    assert_eq!(seen["body"]["a"], 1);
}
