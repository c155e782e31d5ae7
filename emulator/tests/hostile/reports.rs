//! An instance's reports are other people's words: they are bounded, checked and believed for the
//! instance's own requests only, and its last words are not lost.

use serde_json::{Value, json};

use crate::support::scrape::scrape;
use crate::support::{Dev, Folder, eventually, header};

const RUNTIMES: [&str; 2] = ["docker", "process"];

fn start(folder: &Folder, runtime: &str) -> Dev {
    Dev::start_with(folder, &["--runtime", runtime])
}

async fn get(dev: &Dev, path: &str) -> (u16, String) {
    let answer = dev.look(path).await;
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The documents of the log that a query finds.
async fn logs(dev: &Dev, query: &str) -> Vec<Value> {
    let (status, text) = get(dev, &format!("/_fnlocal/logs?{query}")).await;
    assert_eq!(status, 200, "{text}");
    let document = |line: &str| serde_json::from_str(line).unwrap();
    text.lines().map(document).collect()
}

async fn errors(dev: &Dev) -> Vec<Value> {
    let (status, text) = get(dev, "/_fnlocal/errors").await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Waits until a function's log has a line with a text.
async fn logged(dev: &Dev, function: &str, text: &str) {
    let what = format!("{text} in the log of {function}");
    eventually(&what, async || {
        let found = logs(dev, &format!("function={function}")).await;
        let has = |one: &Value| one["text"].as_str().is_some_and(|line| line.contains(text));
        found.iter().any(has)
    })
    .await;
}

/// Serves beside the hostile function: shows that nothing else is harmed.
const GOOD: &str =
    r#"exports.good = (q, s) => { console.log("good " + q.query.n); s.send("ok"); };"#;

async fn good_is_served_and_logged(dev: &Dev, runtime: &str) {
    let (status, text) = get(dev, "/good?n=7").await;
    assert_eq!((status, text.as_str()), (200, "ok"), "{runtime}");
    logged(dev, "good", "good 7").await;
    assert_eq!(get(dev, "/_fnlocal/health").await.0, 200, "{runtime}");
}

/// Writes its own reports into the answer that carries the wrapper's.
const LIAR: &str = r#"
exports.liar = (q, s) => {
  let forged = 0;
  for (const handle of process._getActiveHandles()) {
    const res = handle._httpMessage;
    if (!res || res === s || !String(res._header).includes("x-ndjson")) continue;
    for (const report of JSON.parse(q.query.reports)) {
      res.write(JSON.stringify(report) + "\n");
      forged += 1;
    }
  }
  s.json({ forged });
};"#;

#[tokio::test]
async fn forged_reports_for_another_functions_request_are_ignored() {
    for runtime in RUNTIMES {
        let folder = Folder::new(&[
            ("good/package.json", "{}"),
            ("good/index.js", GOOD),
            ("liar/package.json", "{}"),
            ("liar/index.js", LIAR),
        ]);
        let dev = start(&folder, runtime);
        let answer = reqwest::get(dev.at("/good?n=1")).await.unwrap();
        let victim = header(&answer, "x-fnlocal-request-id").to_owned();
        let error = json!({ "name": "Forged", "message": "forged error" });
        let reports = json!([
            { "t": "log", "request": victim, "at": 1, "stream": "stdout", "line": "forged line" },
            { "t": "done", "request": victim, "ms": 9e9, "cpu_ms": 9e9, "memory": 1 },
            { "t": "error", "request": victim, "fatal": false, "cause": "handler", "error": error },
            { "t": "log", "request": null, "at": 1, "stream": "stdout", "line": "last of them" },
        ]);
        let client = reqwest::Client::new();
        let query = [("reports", reports.to_string())];
        let url = reqwest::Url::parse_with_params(&dev.at("/liar"), query).unwrap();
        let answer: Value = client.get(url).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["forged"], 4, "{runtime}: the attack is tried");
        logged(&dev, "liar", "last of them").await;

        let of_victim = logs(&dev, &format!("request={victim}")).await;
        let text = json!(of_victim).to_string();
        assert!(!text.contains("forged"), "{runtime}: {text}");
        let bills = of_victim.iter().filter_map(|one| one["billed_ms"].as_u64());
        assert!(bills.clone().all(|ms| ms < 600_000), "{runtime}: {text}");
        let of_liar = logs(&dev, "function=liar").await;
        let forged = of_liar.iter().find(|one| one["text"] == "forged line");
        assert!(
            forged.unwrap()["request"].is_null(),
            "{runtime}: {of_liar:?}"
        );
        let errors = errors(&dev).await;
        let forged = errors.iter().find(|one| one["name"] == "Forged").unwrap();
        assert_eq!(forged["function"], "liar", "{runtime}");
        assert!(forged["request"].is_null(), "{runtime}: {forged}");
    }
}

/// Its clock tells what no clock can.
const CLOCKS: [&str; 3] = [
    "performance.now = () => (globalThis.n = (globalThis.n ?? 1) * -1e5);",
    "let t = 0; performance.now = () => (t += 1e25); process.cpuUsage = () => ({ user: 1e30, system: -1e30 });",
    "Date.now = () => 18446744073709551615; process.cpuUsage = () => ({ user: -1e30, system: 0 });",
];

#[tokio::test]
async fn impossible_clock_values_of_a_function_do_no_harm() {
    for runtime in RUNTIMES {
        for clock in CLOCKS {
            let odd = format!(
                "{clock}\nexports.odd = (q, s) => {{ console.log('odd'); s.send('odd'); }};"
            );
            let folder = Folder::new(&[
                ("good/package.json", "{}"),
                ("good/index.js", GOOD),
                ("odd/package.json", "{}"),
                ("odd/index.js", &odd),
            ]);
            let mut dev = start(&folder, runtime);
            for _ in 0..3 {
                assert_eq!(
                    get(&dev, "/odd").await,
                    (200, "odd".to_owned()),
                    "{runtime}: {clock}"
                );
            }
            good_is_served_and_logged(&dev, runtime).await;
            assert!(!scrape(&dev).await.is_empty());
            assert_eq!(dev.interrupt(), Some(0), "{runtime}: {clock}");
        }
    }
}

#[tokio::test]
async fn impossible_times_in_a_log_query_are_refused_and_leak_no_connection() {
    let folder = Folder::new(&[("index.js", GOOD)]);
    let mut dev = start(&folder, "process");
    let times = [
        "999999999999999999d",
        "-999999999999999999d",
        "9223372036854775807d",
        "99999999999999999999999999d",
        "9223372036854775807s",
        "-9223372036854775808s",
        "9999999999999999h",
    ];
    for time in times {
        let (status, text) = get(&dev, &format!("/_fnlocal/logs?since={time}")).await;
        assert_eq!(status, 400, "{time}: {text}");
    }
    for query in [
        "limit=18446744073709551615",
        "request=%00",
        "since=100d&limit=0",
    ] {
        assert_eq!(
            get(&dev, &format!("/_fnlocal/logs?{query}")).await.0,
            200,
            "{query}"
        );
    }
    let samples = scrape(&dev).await;
    let panics = samples
        .iter()
        .find(|one| one.name == "fnlocal_panics_total");
    assert_eq!(panics.map(|one| one.value), Some(0.0));
    good_is_served_and_logged(&dev, "process").await;
    assert_eq!(dev.interrupt(), Some(0));
}

const LOUD: &str = r#"
exports.loud = (q, s) => {
  if (q.query.line) console.log("ü".repeat(Number(q.query.line)));
  if (q.query.raw) require("fs").writeSync(1, "x".repeat(Number(q.query.raw)));
  if (q.query.error) {
    const error = new Error("m".repeat(Number(q.query.error)));
    error.stack += "\n    at x (".repeat(Number(q.query.error));
    throw error;
  }
  console.log("after it");
  s.send("ok");
};"#;

#[tokio::test]
async fn a_log_line_or_error_of_megabytes_is_truncated_with_a_note_and_hides_no_later_line() {
    for runtime in RUNTIMES {
        let folder = Folder::new(&[("index.js", &format!("{LOUD}\n{GOOD}"))]);
        let dev = start(&folder, runtime);
        assert_eq!(get(&dev, "/loud?line=4000000").await.0, 200);
        logged(&dev, "loud", "bytes cut]").await;
        logged(&dev, "loud", "after it").await;
        assert_eq!(get(&dev, "/loud?error=2000000").await.0, 500);
        eventually("the error among the errors", async || {
            errors(&dev).await.iter().any(|one| {
                one["function"] == "loud"
                    && one["message"].as_str().unwrap().ends_with("bytes cut]")
            })
        })
        .await;
        let found = errors(&dev).await;
        assert_eq!(found[0]["line"], 6, "{runtime}: the place is told");
        assert!(found[0].to_string().len() < 400_000, "{runtime}");
        assert_eq!(get(&dev, "/loud?raw=60000").await.0, 200);
        let (status, text) = get(&dev, "/loud").await;
        assert_eq!((status, text.as_str()), (200, "ok"), "{runtime}");
        good_is_served_and_logged(&dev, runtime).await;
    }
}

/// Ways to end after the answer was sent, and what is to be told of them: name and message.
const ENDS: [(&str, &str, &str); 7] = [
    (
        "thrown",
        "setImmediate(() => {\n throw new TypeError('late 1'); })",
        "late 1",
    ),
    (
        "ticked",
        "process.nextTick(() => {\n throw new TypeError('late 2'); })",
        "late 2",
    ),
    (
        "rejected",
        "setTimeout(() => {\n Promise.reject(new TypeError('late 3')); }, 1)",
        "late 3",
    ),
    (
        "emitted",
        "setImmediate(() => new (require('events'))().emit('error',\n new TypeError('late 4')))",
        "late 4",
    ),
    (
        "taken",
        "setImmediate(() => {\n const n = require('net'); const a = n.createServer().listen(0, () => n.createServer().listen(a.address().port)); })",
        "EADDRINUSE",
    ),
    (
        "exited",
        "setImmediate(() => {\n process.exit(1); })",
        "process.exit(1)",
    ),
    (
        "aborted",
        "setImmediate(() => {\n process.abort(); })",
        "process.abort()",
    ),
];

#[tokio::test]
async fn the_reason_of_a_crash_after_the_answer_is_reported_once_with_its_location() {
    for runtime in RUNTIMES {
        let code = ENDS.map(|(name, end, _)| {
            format!("exports.{name} = (q, s) => {{ s.send('ok');\n{end}; }};\n")
        });
        let folder = Folder::new(&[("index.js", &format!("{}{GOOD}", code.concat()))]);
        let dev = start(&folder, runtime);
        for (name, _, message) in ENDS {
            assert_eq!(
                get(&dev, &format!("/{name}")).await.0,
                200,
                "{runtime}: {name}"
            );
            let what = format!("{runtime}: why {name} ended");
            eventually(&what, async || {
                let found = logs(&dev, &format!("function={name}")).await;
                found.iter().any(|one| one["event"] == "died")
            })
            .await;
            let groups = errors(&dev).await;
            let of_it = groups.iter().filter(|one| one["function"] == name);
            let of_it: Vec<&Value> = of_it.collect();
            assert_eq!(of_it.len(), 1, "{runtime}, {name}: {groups:#?}");
            let error = of_it[0];
            assert_eq!(error["count"], 1, "{runtime}, {name}: {error}");
            let told = error["message"].as_str().unwrap();
            assert!(told.contains(message), "{runtime}, {name}: {error}");
            if message != "EADDRINUSE" {
                let file = error["file"].as_str().unwrap();
                assert!(file.ends_with("index.js"), "{runtime}, {name}: {error}");
                assert!(error["line"].is_u64(), "{runtime}, {name}: {error}");
            }
            if message.starts_with("late") || message == "EADDRINUSE" {
                let found = logs(&dev, &format!("function={name}")).await;
                let died = found.iter().find(|one| one["event"] == "died").unwrap();
                let reason = died["text"].as_str().unwrap();
                assert!(reason.contains(message), "{runtime}, {name}: {died}");
            }
        }
        good_is_served_and_logged(&dev, runtime).await;
    }
}

const TAKEN_AT_IMPORT: &str = r#"import net from "node:net";
const one = net.createServer().listen(0, () => {
  net.createServer().listen(one.address().port);
});
await new Promise((done) => setTimeout(done, 60_000));
export const bad = (q, s) => s.send("never");
"#;

#[tokio::test]
async fn the_reason_of_a_crash_during_import_is_reported() {
    for runtime in RUNTIMES {
        let folder = Folder::new(&[
            ("bad/package.json", r#"{"type":"module"}"#),
            ("bad/index.js", TAKEN_AT_IMPORT),
            ("good/package.json", "{}"),
            ("good/index.js", GOOD),
        ]);
        let dev = start(&folder, runtime);
        eventually("the reason in the log", async || {
            let found = logs(&dev, "").await;
            json!(found).to_string().contains("EADDRINUSE")
        })
        .await;
        good_is_served_and_logged(&dev, runtime).await;
    }
}
