//! Asynchronous invocations: accepted, run, retried, made dead letters, and never lost.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::support::{Dev, Folder, eventually, fnlocal, header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const PROCESS: [&str; 2] = ["--runtime", "process"];

/// Counts calls by their path: what functions tell it they ran.
#[derive(Clone, Default)]
struct Counter(Arc<Mutex<BTreeMap<String, usize>>>);

impl Counter {
    /// Its port.
    async fn start(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let counter = self.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let counter = counter.clone();
                tokio::spawn(async move {
                    let mut read = Vec::new();
                    let mut some = [0; 1024];
                    while let Ok(count @ 1..) = stream.read(&mut some).await {
                        read.extend_from_slice(&some[..count]);
                        while let Some(end) = read.windows(4).position(|at| at == b"\r\n\r\n") {
                            let head = String::from_utf8(read.drain(..end + 4).collect()).unwrap();
                            let path = head.split(' ').nth(1).unwrap().to_owned();
                            *counter.0.lock().unwrap().entry(path).or_default() += 1;
                            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
                            stream.write_all(answer).await.unwrap();
                        }
                    }
                });
            }
        });
        port
    }

    fn all(&self) -> BTreeMap<String, usize> {
        self.0.lock().unwrap().clone()
    }
}

fn invoke(client: &reqwest::Client, dev: &Dev, path: &str) -> reqwest::RequestBuilder {
    client
        .post(dev.at(path))
        .header("x-fnlocal-invoke", "async")
}

fn path(folder: &Folder) -> &str {
    folder.path().to_str().unwrap()
}

/// `fnlocal queue …` on a folder, as JSON.
fn queue(folder: &Folder, args: &[&str]) -> Value {
    let mut all = vec!["queue"];
    all.extend(args);
    all.extend(["--json", "--folder", path(folder)]);
    let (code, out, err) = fnlocal(&all);
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_invocations_survive_five_kills() {
    const JOBS: usize = 10_000;
    let counter = Counter::default();
    let port = counter.start().await;
    let source = "
        const http = require('node:http');
        const agent = new http.Agent({ keepAlive: true });
        exports.work = (req, res) => {
          const path = '/' + req.headers['x-fnlocal-request-id'];
          const told = http.get({ agent, port: process.env.COUNTER, path }, (answer) => {
            answer.resume().on('end', () => res.send('done'));
          });
          told.on('error', (error) => res.status(500).send(error.message));
        };";
    let folder = Folder::new(&[
        ("index.js", source),
        (".env", &format!("COUNTER={port}\n")),
        (
            "fnlocal.toml",
            "[defaults]\nmax_instances = 1\nconcurrency = 16\n[async]\nbackoff = \"100ms\"\n",
        ),
    ]);
    let client = reqwest::Client::new();
    let mut dev = Dev::start_with(&folder, &PROCESS);
    let mut accepted = Vec::new();
    let mut kills = 0;
    while accepted.len() < JOBS {
        let mut batch = Vec::new();
        for _ in 0..50 {
            let sent = invoke(&client, &dev, "/work").body("{}").send();
            batch.push(tokio::spawn(sent));
        }
        for sent in batch {
            let Ok(answer) = sent.await.unwrap() else {
                // Cut off by the kill: whether it was taken nobody knows.
                continue;
            };
            if answer.status() == 202 {
                accepted.push(header(&answer, "x-fnlocal-request-id").to_owned());
            }
        }
        if kills < 5 && accepted.len() > (kills + 1) * JOBS / 6 {
            kills += 1;
            dev.kill();
            dev = Dev::start_with(&folder, &PROCESS);
        }
    }
    assert_eq!(kills, 5);
    let left = || {
        let all = counter.all();
        let missing = accepted
            .iter()
            .filter(|id| !all.contains_key(&format!("/{id}")));
        missing.count()
    };
    let mut before = left();
    while before > 0 {
        // As long as it goes on, it may take its time.
        eventually("more ran", async || left() < before).await;
        before = left();
    }
    let runs = counter.all();
    let ids: Vec<usize> = accepted.iter().map(|id| runs[&format!("/{id}")]).collect();
    let twice: usize = ids.iter().map(|runs| runs - 1).sum();
    println!("{} accepted, {twice} ran more than once", accepted.len());
    assert!(twice * 100 < accepted.len(), "{twice} duplicates");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_can_be_shown_retried_and_purged_with_or_without_a_running_dev() {
    let source = "
        const fs = require('node:fs');
        exports.work = (req, res) => {
          console.log('attempt ' + req.headers['x-fnlocal-attempt'] + ' of ' + req.body.lot);
          if (req.body.lot === 'bad') return res.status(422).json({ error: 'no such lot' });
          if (req.body.lot === 'flaky' && req.headers['x-fnlocal-attempt'] !== '3') throw new Error('flaky');
          res.send('done');
        };";
    let config = "[functions.work.async]\nbackoff = \"10ms\"\n";
    let folder = Folder::new(&[("index.js", source), ("fnlocal.toml", config)]);
    let mut dev = Dev::start_with(&folder, &PROCESS);
    let client = reqwest::Client::new();
    let send = async |lot: &str, key: &str| {
        let request = invoke(&client, &dev, "/work").json(&json!({ "lot": lot }));
        let answer = request.header("idempotency-key", key).send().await.unwrap();
        assert_eq!(answer.status(), 202);
        let id = header(&answer, "x-fnlocal-request-id").to_owned();
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["id"], id.as_str());
        (id, body["duplicate"] == true)
    };
    let (flaky, _) = send("flaky", "1").await;
    assert_eq!(send("flaky", "1").await, (flaky.clone(), true));
    let (bad, _) = send("bad", "2").await;
    // They end in whatever order.
    let (mut third, mut dead) = (false, false);
    while !(third && dead) {
        let record = dev.wait_for("an end", |record| {
            record["line"] == "attempt 3 of flaky" || record["problem"] == "dead"
        });
        third |= record["line"].is_string();
        dead |= record["request"] == bad.as_str();
    }

    let dead = queue(&folder, &["list", "--dead"]);
    assert_eq!(dead[0]["job"]["id"], bad.as_str());
    assert!(
        dead[0]["job"]["error"]
            .as_str()
            .unwrap()
            .contains("no such lot")
    );
    let shown = queue(&folder, &["show", &bad]);
    assert_eq!(shown["body"], r#"{"lot":"bad"}"#);
    let view = dev.view().await;
    assert_eq!(view["triggers"]["queue"]["dead"], 1, "{view}");
    let (code, _, err) = fnlocal(&[
        "queue",
        "show",
        "0000000000000000",
        "--folder",
        path(&folder),
    ]);
    assert_eq!(code, 1, "{err}");
    assert_eq!(queue(&folder, &["retry", &bad])["retried"], 1);
    dev.wait_for("the retried one", |record| {
        record["line"] == "attempt 1 of bad"
    });
    assert_eq!(dev.interrupt(), Some(0));

    // Without one, the file itself.
    assert_eq!(queue(&folder, &["list"]).as_array().unwrap().len(), 1);
    assert_eq!(queue(&folder, &["purge", "--all"])["purged"], 1);
    assert_eq!(queue(&folder, &["list"]), json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_asynchronous_invocation_is_refused_with_the_reason() {
    let config = "[functions.work]\nbody_limit = \"1KB\"\n";
    let source = "exports.work = (req, res) => res.send('now')";
    let folder = Folder::new(&[("index.js", source), ("fnlocal.toml", config)]);
    let dev = Dev::start_with(&folder, &PROCESS);
    let client = reqwest::Client::new();
    let refused = async |request: reqwest::RequestBuilder| {
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let problem: Value = answer.json().await.unwrap();
        (status, problem["reason"].as_str().unwrap().to_owned())
    };
    let large = invoke(&client, &dev, "/work").body("x".repeat(1025));
    assert_eq!(refused(large).await, (413, "body_too_large".to_owned()));
    let get = client
        .get(dev.at("/work"))
        .header("x-fnlocal-invoke", "async");
    assert_eq!(refused(get).await, (405, "method".to_owned()));
    let word = client
        .post(dev.at("/work"))
        .header("x-fnlocal-invoke", "later");
    assert_eq!(refused(word).await, (400, "bad_invoke".to_owned()));
    let key = invoke(&client, &dev, "/work").header("x-fnlocal-order-key", "x".repeat(300));
    assert_eq!(refused(key).await, (400, "bad_invoke".to_owned()));
    let unknown = invoke(&client, &dev, "/nowhere");
    assert_eq!(refused(unknown).await.0, 404);
    // The queue is nobody's business without the token.
    let list = client.post(dev.at("/_fnlocal/queue/list")).json(&json!({}));
    assert_eq!(refused(list).await, (401, "token".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_served_while_a_long_queue_is_processed() {
    let source = "
        const later = (ms) => new Promise((done) => setTimeout(done, ms));
        exports.work = async (req, res) => { await later(req.method === 'POST' ? 200 : 1); res.send('done') };";
    let config = "[functions.work]\nmax_instances = 4\n[limits]\nqueue_timeout = \"2s\"\n";
    let folder = Folder::new(&[("index.js", source), ("fnlocal.toml", config)]);
    let dev = Dev::start_with(&folder, &PROCESS);
    let client = reqwest::Client::new();
    for _ in 0..200 {
        let answer = invoke(&client, &dev, "/work").send().await.unwrap();
        assert_eq!(answer.status(), 202);
    }
    for _ in 0..20 {
        let answer = client.get(dev.at("/work")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let view = dev.view().await;
    let counts = &view["triggers"]["queue"]["functions"]["work"];
    // Half of four places, and at most eight whose end is being written.
    assert!(counts["running"].as_u64().unwrap() <= 10, "{view}");
    assert!(
        counts["ready"].as_u64().unwrap() > 50,
        "still a long queue: {view}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_fire_a_schedule_once_and_share_the_queue() {
    let source = "exports.tick = (event) => console.log('due ' + event.data.due);
        exports.work = (event) => console.log('work ' + event.data.n);";
    let config = "[functions.tick]\nschedule = { cron = \"* * * * * *\", overlap = true }\n";
    let folder = Folder::new(&[("index.js", source), ("fnlocal.toml", config)]);
    let mut dev = Dev::start_with(&folder, &["--runtime", "process", "--nodes", "3"]);
    let client = reqwest::Client::new();
    for n in 0..6 {
        let answer = invoke(&client, &dev, "/work")
            .json(&json!({ "n": n }))
            .send();
        assert_eq!(answer.await.unwrap().status(), 202);
    }
    let mut due = Vec::new();
    let mut work = 0;
    while due.len() < 4 || work < 6 {
        let record = dev.wait_for("a run", |record| record["line"].is_string());
        let line = record["line"].as_str().unwrap();
        work += usize::from(line.starts_with("work "));
        due.extend(line.strip_prefix("due ").map(str::to_owned));
    }
    let mut once = due.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), due.len(), "{due:?}");
    let view = dev.view().await;
    assert!(view["triggers"]["schedules"]["tick"].is_string(), "{view}");
    assert!(queue(&folder, &["list", "--function", "work"]).is_array());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_emitted_in_both_modes_and_through_the_queue() {
    let source = "exports.job = (event) => { console.log('got ' + event.type + ' ' + event.data.n); return { id: event.id } };";
    let folder = Folder::new(&[("index.js", source)]);
    let mut dev = Dev::start_with(&folder, &PROCESS);
    let emit = |args: &[&str]| {
        let mut all = vec!["emit", "job", "--json", "--folder", path(&folder)];
        all.extend(args);
        let (code, out, err) = fnlocal(&all);
        let answer: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out} {err}"));
        (code, answer)
    };
    let (code, answer) = emit(&["--type", "a.b", "--id", "7", "--data", r#"{"n":1}"#]);
    assert_eq!((code, &answer["body"]["id"]), (0, &json!("7")));
    let (code, answer) = emit(&["--structured", "--id", "8", "--data", r#"{"n":2}"#]);
    assert_eq!((code, &answer["body"]["id"]), (0, &json!("8")));
    let (code, answer) = emit(&["--async", "--type", "a.c", "--data", r#"{"n":3}"#]);
    assert_eq!((code, &answer["status"]), (0, &json!(202)));
    // Its line and its run's record, in whatever order.
    let (mut line, mut record) = (false, false);
    while !(line && record) {
        let seen = dev.wait_for("the event", |record| {
            record["line"] == "got a.c 3" || record["method"] == "ASYNC"
        });
        line |= seen["line"].is_string();
        record |= seen["method"].is_string();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_a_removed_function_are_marked_and_run_when_it_is_restored() {
    let stays = "exports.stays = (req, res) => res.send('x');\n";
    let fails = "exports.work = (req, res) => res.status(500).send('the old error');\n";
    let config = "[async]\nbackoff = \"1h\"\nbackoff_max = \"1h\"\n";
    let code = format!("{stays}{fails}");
    let folder = Folder::new(&[("index.js", &code), ("fnlocal.toml", config)]);
    let mut dev = Dev::start_with(&folder, &PROCESS);
    let client = reqwest::Client::new();
    let sent = invoke(&client, &dev, "/work").body("{}").send().await;
    let id = header(&sent.unwrap(), "x-fnlocal-request-id").to_owned();
    let listed = || queue(&folder, &["list"])[0].clone();
    let table = || fnlocal(&["queue", "list", "--folder", path(&folder)]).1;
    eventually("it failed once", async || listed()["job"]["attempts"] == 1).await;
    assert!(listed().get("gone").is_none(), "{}", listed());
    assert!(table().contains("the old error"), "{}", table());

    folder.write("index.js", stays);
    dev.wait_for("its end", |record| {
        record["text"]
            .as_str()
            .is_some_and(|text| text.contains("/work is gone"))
    });
    assert_eq!(listed()["gone"], true, "{}", listed());
    let shown = table();
    assert!(
        shown.contains("its function is gone") && !shown.contains("the old error"),
        "{shown}"
    );
    assert_eq!(queue(&folder, &["show", &id])["gone"], true);
    // One that waits for its time is not begun by being asked for, and another function's is not touched.
    assert_eq!(queue(&folder, &["retry", &id])["retried"], 1);
    assert_eq!(listed()["state"], "waiting");

    folder.write(
        "index.js",
        &format!("{stays}exports.work = (req, res) => res.send('x');\n"),
    );
    eventually("it ran", async || queue(&folder, &["list"]) == json!([])).await;
    assert_eq!(dev.interrupt(), Some(0));
}
