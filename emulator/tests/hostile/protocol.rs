//! Instances that do not keep to the protocol: what they send reaches no client as the platform's
//! word, ends nothing but themselves, and is said for what it was.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Dev, Folder, command, eventually, signal};

const RUNTIMES: [&str; 2] = ["docker", "process"];
const HELLO: &str = "exports.hello = (req, res) => res.send('hello');";

/// Serves a folder by a wrapper of the test's own, which `change` breaks.
fn dev_with(change: &str, env: &str) -> (Folder, Dev) {
    let asked = Command::new("node")
        .args(["-p", "process.execPath"])
        .output();
    let node = asked.unwrap().stdout;
    let wrapper = include_str!("protocol/wrapper.js")
        .replacen("NODE", String::from_utf8(node).unwrap().trim(), 1)
        .replacen("CHANGE", change, 1);
    dev_by(&wrapper, env)
}

/// Serves a folder by a program in the place of `node`.
fn dev_by(wrapper: &str, env: &str) -> (Folder, Dev) {
    let folder = Folder::new(&[("app/index.js", HELLO), ("app/.env", env)]);
    folder.write("bin/node", wrapper);
    let program = folder.path().join("bin/node");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = command(&folder.path().join("app"), &["--runtime", "process"]);
    let others = std::env::var("PATH").unwrap();
    let bin = program.parent().unwrap().display();
    command.env("PATH", format!("{bin}:{others}"));
    let dev = Dev::start_command(command);
    (folder, dev)
}

async fn problem(dev: &Dev, path: &str) -> (u16, Value) {
    let answer = reqwest::get(dev.at(path)).await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn dial(dev: &Dev, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", dev.port())).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// The bytes of an answer to a request on a connection of its own.
fn raw(dev: &Dev, path: &str, headers: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    let mut answer = String::new();
    dial(dev, &request).read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn the_documented_minimal_wrapper_serves_requests() {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/minimal_wrapper.py");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" != -p ] || {{ echo \"$0\"; echo v20.0.0; exit; }}\nexec python3 {program}\n"
    );
    let (_folder, mut dev) = dev_by(&script, "");
    for _ in 0..3 {
        let client = reqwest::Client::new();
        let answer = client
            .post(dev.at("/hello"))
            .body("you")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.text().await.unwrap(), "hello you");
    }
    assert_eq!(dev.interrupt(), Some(0));
}

#[tokio::test]
async fn an_instance_that_does_not_open_its_report_channel_is_ended_with_a_reason() {
    let cases = [
        ("answers.events = () => {}", "did not open the channel"),
        (
            "answers.events = (req, res) => res.writeHead(404).flushHeaders()",
            "refused the channel",
        ),
    ];
    for (change, wanted) in cases {
        let (_folder, mut dev) = dev_with(change, "");
        let died = dev.wait_for("an end with its reason", |record| record["event"] == "died");
        let reason = died["reason"].as_str().unwrap();
        assert!(reason.contains(wanted), "{died}");
    }
}

#[tokio::test]
async fn an_invalid_assign_answer_is_reported_with_its_defect() {
    let long = "`\"${\"x\".repeat(1 << 20)}\"`";
    let cases = [
        ("json(res, 500, '{}')", "status 500"),
        ("json(res, 200, 'no JSON')", "cannot be read"),
        ("json(res, 200, ' '.repeat(9 << 20))", "more than 8 MiB"),
        ("json(res, 200, '{\"modules\":[]}')", "does not describe"),
        (
            "json(res, 200, JSON.stringify({ modules: [{ entry: 'other.js', functions: [{ name: 'hello' }] }] }))",
            "does not describe",
        ),
        (
            &format!(
                "json(res, 200, `{{\"modules\":[{{\"entry\":\"index.js\",\"error\":${{{long}}}}}]}}`)"
            ),
            "bytes cut]",
        ),
        (
            &format!("json(res, 200, `{{\"modules\":${{{long}}}}}`)"),
            "bytes cut]",
        ),
    ];
    for (answer, wanted) in cases {
        let change = format!("answers.assign = (req, res) => {answer}");
        let (_folder, mut dev) = dev_with(&change, "");
        let (status, told) = problem(&dev, "/hello").await;
        assert_eq!(status, 500, "{answer}: {told}");
        assert_eq!(told["reason"], "import_failed", "{answer}: {told}");
        let detail = told["detail"].as_str().unwrap();
        assert!(detail.contains(wanted), "{answer}: {detail}");
        assert!(detail.len() < 10_000, "{answer}: {} bytes", detail.len());
        assert_eq!(dev.interrupt(), Some(0));
    }
}

#[tokio::test]
async fn an_impossible_memory_report_is_capped() {
    let report = r#"{"t":"done","request":"ID","ms":1,"cpu_ms":1,"memory":18446744073709551615}"#;
    let change = format!(
        "answers.request = (req, res) => {{
           res.end('hello');
           const id = req.headers['x-fnlocal-request-id'];
           answers.channel.write('{report}\\n'.replace('ID', id));
         }}"
    );
    let (_folder, dev) = dev_with(&change, "");
    assert_eq!(reqwest::get(dev.at("/hello")).await.unwrap().status(), 200);
    let invocation = std::sync::Mutex::new(Value::Null);
    eventually("the invocation in the log", async || {
        let text = dev.look("/_fnlocal/logs").await.text().await.unwrap();
        let documents = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let mut documents = documents.filter(|one: &Value| one["kind"] == "invocation");
        documents.next().is_some_and(|one| {
            *invocation.lock().unwrap() = one;
            true
        })
    })
    .await;
    let invocation = invocation.into_inner().unwrap();
    let memory = invocation["memory_bytes"].as_u64().unwrap();
    assert!(memory <= 64 << 30, "{invocation}");
}

#[tokio::test]
async fn output_of_a_failed_boot_is_not_shown_to_clients() {
    let flag = tempfile::tempdir().unwrap();
    let change = "if (fs.existsSync(process.env.FLAG)) {
           console.error('secret of /home/somebody/index.js:3');
           process.exit(3);
         }
         answers.request = (req, res) => req.url.includes('die') ? process.exit(1) : res.end('hello')";
    let at = flag.path().join("flag");
    let (_folder, mut dev) = dev_with(change, &format!("FLAG={}\n", at.display()));
    assert_eq!(reqwest::get(dev.at("/hello")).await.unwrap().status(), 200);
    std::fs::write(&at, "").unwrap();
    let told = std::sync::Mutex::new(Value::Null);
    eventually("no instance starts", async || {
        let (status, problem) = problem(&dev, "/hello?die").await;
        *told.lock().unwrap() = problem;
        status == 503
    })
    .await;
    let told = told.into_inner().unwrap().to_string();
    assert!(
        told.contains("start_failed") && told.contains("exit code 3"),
        "{told}"
    );
    assert!(
        !told.contains("secret") && !told.contains("index.js"),
        "{told}"
    );
    dev.wait_for("the same with its output", |record| {
        record["event"] == "start_failed" && record.to_string().contains("secret")
    });
}

const LONG_NAMES: &str = r#"
exports.hello = (req, res) => res.send('hello');
exports["N".repeat(70000)] = () => {};
exports["with\u001b[2J escapes"] = () => {};
"#;

/// Runs `dev` as a person does until it serves. Returns what it printed and its exit code.
fn printed_by_dev(folder: &Folder) -> (String, Option<i32>) {
    let path = folder.path().to_str().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_fnlocal"))
        .args(["dev", path, "--port", "0", "--runtime", "process"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.contains("dashboard  ") {
            signal(child.id(), "INT");
        }
        printed.push_str(&line);
        printed.push('\n');
    }
    (printed, child.wait().unwrap().code())
}

#[tokio::test]
async fn an_invalid_function_name_is_refused_and_other_functions_are_served() {
    let folder = Folder::new(&[("index.js", LONG_NAMES)]);
    let (printed, code) = printed_by_dev(&folder);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("cannot be a function's name"), "{printed}");
    assert!(printed.len() < 10_000, "{} bytes", printed.len());
    let dev = Dev::start_with(&folder, &["--runtime", "process"]);
    let functions = dev.ready["functions"].as_array().unwrap();
    assert_eq!(functions.len(), 1, "{functions:?}");
    assert_eq!(functions[0]["name"], "hello");
}

const FORGER: &str = r#"
const forged = {
  "x-fnlocal-token": "forged", "x-fnlocal-cold": "forged", "x-fnlocal-request-id": "forged",
  "x-fnlocal-instance": "forged", "x-fnlocal-other": "forged", "proxy-connection": "forged",
  "service-worker-allowed": "forged", connection: "close, x-named", "x-named": "forged", "x-own": "kept",
};
exports.plain = (req, res) => res.set(forged).send("ok");
exports.trailers = (req, res) => {
  res.writeHead(200, { trailer: Object.keys(forged).join() });
  res.write("ok");
  const { connection, "x-named": named, ...rest } = forged;
  res.addTrailers(rest);
  res.end();
};
exports.tunnel = {
  func: (req, res) => res.send("no"),
  upgrade: (req, socket) => {
    const lines = Object.entries({ ...forged, connection: "upgrade, x-named", upgrade: "forged" });
    const head = lines.map((line) => line.join(": ") + "\r\n").join("");
    socket.end(`HTTP/1.1 101 Switching Protocols\r\n${head}\r\n`);
  },
};
"#;

#[tokio::test]
async fn platform_headers_set_by_a_function_are_removed() {
    for runtime in RUNTIMES {
        let folder = Folder::new(&[("index.js", FORGER)]);
        let dev = Dev::start_with(&folder, &["--runtime", runtime]);
        let mut answers = Vec::new();
        for _ in 0..2 {
            answers.push(raw(&dev, "/plain", ""));
            answers.push(raw(&dev, "/trailers", "te: trailers\r\n"));
        }
        let upgrade =
            "GET /tunnel HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
        let mut answer = String::new();
        let mut stream = dial(&dev, upgrade);
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        answers.push(answer);
        for answer in &answers {
            assert!(!answer.contains(": forged"), "{runtime}: {answer}");
            assert!(answer.contains("x-own: kept"), "{runtime}: {answer}");
        }
        let warm = &answers[2];
        assert!(!warm.contains("x-fnlocal-cold"), "{runtime}: {warm}");
    }
}

const SWITCHER: &str = r#"
exports.switches = (req, res) => res.socket.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nbytes");
exports.informs = (req, res) => {
  res.socket.write("HTTP/1.1 102 Processing\r\n\r\n".repeat(1000));
  res.socket.write("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 199 Odd\r\n\r\n");
  res.send("ok");
};
exports.hello = (req, res) => res.send("hello");
"#;

#[tokio::test]
async fn an_unrequested_upgrade_is_an_error_and_interim_responses_are_not_forwarded() {
    for runtime in RUNTIMES {
        let folder = Folder::new(&[("index.js", SWITCHER)]);
        let dev = Dev::start_with(&folder, &["--runtime", runtime]);
        for _ in 0..3 {
            let (status, told) = problem(&dev, "/switches").await;
            assert_eq!(status, 502, "{runtime}: {told}");
            assert_eq!(told["reason"], "unexpected_upgrade", "{runtime}: {told}");
            let answer = raw(&dev, "/informs", "");
            assert!(answer.starts_with("HTTP/1.1 200"), "{runtime}: {answer}");
            assert!(answer.ends_with("ok"), "{runtime}: {answer}");
        }
        assert_eq!(reqwest::get(dev.at("/hello")).await.unwrap().status(), 200);
    }
}

/// Reports without pause, in the longest and in the shortest lines there are, and prints.
const FLOOD: &str = r#"
exports.flood = (req, res) => {
  const channel = process._getActiveHandles().map((one) => one._httpMessage)
    .find((one) => String(one?._header).includes("x-ndjson"));
  const log = JSON.stringify({ t: "log", request: null, at: 1, stream: "stdout", line: "x".repeat(200) });
  const texts = [`${log}\n`.repeat(1000), "{}\n".repeat(20000), "\n".repeat(60000)];
  const go = () => { while (channel.write(texts[Math.floor(Math.random() * 3)])); channel.once("drain", go); };
  setImmediate(go);
  res.send("ok");
};"#;

#[tokio::test]
async fn a_flood_of_reports_does_not_suppress_the_logs_of_other_functions() {
    for runtime in RUNTIMES {
        let folder = Folder::new(&[
            ("flood/package.json", "{}"),
            ("flood/index.js", FLOOD),
            ("good/package.json", "{}"),
            (
                "good/index.js",
                "exports.good = (q, s) => { console.log('good ' + q.query.n); s.send('ok'); };",
            ),
        ]);
        let mut dev = Dev::start_with(&folder, &["--runtime", runtime]);
        assert_eq!(reqwest::get(dev.at("/flood")).await.unwrap().status(), 200);
        dev.wait_for("that its reports wait", |record| {
            record.to_string().contains("reports faster than")
        });
        for n in 0..20 {
            let answer = reqwest::get(dev.at(&format!("/good?n={n}"))).await.unwrap();
            assert_eq!(answer.status(), 200, "{runtime}");
        }
        eventually("the lines of the neighbour in the log", async || {
            let text = dev
                .look("/_fnlocal/logs?function=good")
                .await
                .text()
                .await
                .unwrap();
            (0..20).all(|n| text.contains(&format!("\"good {n}\"")))
        })
        .await;
        assert_eq!(dev.look("/_fnlocal/health").await.status(), 200);
        assert_eq!(dev.interrupt(), Some(0), "{runtime}");
    }
}
