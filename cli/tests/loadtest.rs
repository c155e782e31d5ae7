//! `fnlocal loadtest` against the real `fnlocal dev`.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Dev, Folder, eventually, fnlocal, signal};

fn start(folder: &Folder) -> Dev {
    Dev::start_with(folder, &["--runtime", "process", "--quiet"])
}

fn at(folder: &Folder) -> &str {
    folder.path().to_str().unwrap()
}

/// Runs it to its end: exit code, report, stderr.
fn loadtest(folder: &Folder, args: &[&str]) -> (i32, Value, String) {
    let all: Vec<&str> = ["loadtest", at(folder), "--json"]
        .iter()
        .chain(args)
        .copied()
        .collect();
    let (code, stdout, stderr) = fnlocal(&all);
    let value: Value = serde_json::from_str(&stdout).unwrap_or(Value::Null);
    (code, value["report"].clone(), stderr)
}

fn sum(counts: &Value) -> u64 {
    let counts = counts.as_array().unwrap().iter();
    counts
        .map(|count| count["requests"].as_u64().unwrap())
        .sum()
}

fn of_kind(report: &Value, kind: &str) -> u64 {
    let groups = report["kinds"].as_array().unwrap().iter();
    let count = |group: &Value| group["latency"]["count"].as_u64().unwrap();
    groups
        .filter(|group| group["kind"] == kind)
        .map(count)
        .sum()
}

async fn counted(dev: &Dev) -> u64 {
    sum(&dev.view().await["requests"])
}

#[tokio::test]
async fn a_spike_report_classifies_starts_and_agrees_with_the_gateway() {
    let folder = Folder::example("auction");
    let dev = start(&folder);
    let page = folder.path().join("report.html");
    let args = [
        "--profile",
        "spike",
        "--rate",
        "10",
        "--peak",
        "1500",
        "--duration",
        "6s",
    ];
    let args = [&args[..], &["--html", page.to_str().unwrap()]].concat();
    let (code, report, stderr) = loadtest(&folder, &args);
    assert_eq!(code, 0, "{stderr}");
    let sent = report["sent"].as_u64().unwrap();
    assert!(sent > 300, "{sent}");
    let kinds = [
        "warm",
        "spare",
        "first",
        "scale_out",
        "queued",
        "refused",
        "failed",
    ];
    let told: Vec<(&str, u64)> = kinds.map(|kind| (kind, of_kind(&report, kind))).to_vec();
    println!("{told:?}");
    assert_eq!(told.iter().map(|(_, count)| count).sum::<u64>(), sent);
    assert!(
        of_kind(&report, "warm") > 0 && of_kind(&report, "queued") > 0,
        "{told:?}"
    );
    let started = ["spare", "first", "scale_out"].map(|kind| of_kind(&report, kind));
    assert!(started.iter().sum::<u64>() > 0, "{told:?}");
    assert_eq!(report["gateway"]["differences"], serde_json::json!([]));
    assert_eq!(sum(&report["gateway"]["counts"]), sent);
    assert_eq!(counted(&dev).await, sent, "nobody else asked");
    assert!(!report["gateway"]["samples"].as_array().unwrap().is_empty());
    assert!(page.exists());
}

/// A run on a machine that lets it: where requests were sent late, somebody else had the processor,
/// such as another test of this file, and it is tried again.
fn in_peace(folder: &Folder, args: &[&str]) -> Value {
    let load = ["loadtest", at(folder), "--json"];
    let rate = ["--rate", "25", "--duration", "4s"];
    let all = [&load[..], &rate, args].concat();
    let mut late = Vec::new();
    for _ in 0..8 {
        let (code, stdout, stderr) = fnlocal(&all);
        assert_eq!(code, 0, "{stderr}");
        let run: Value = serde_json::from_str(&stdout).unwrap();
        late.push(run["report"]["lag"]["p99"].as_u64().unwrap());
        if late.last() < Some(&4000) {
            return run;
        }
    }
    panic!("nothing can be measured here: requests were sent late by {late:?} µs");
}

#[tokio::test]
async fn a_comparison_reports_a_twice_as_slow_build_and_no_change_for_the_same_build() {
    let build = |millis: u32| {
        format!(
            "exports.work = async (req, res) => {{
              await new Promise((done) => setTimeout(done, {millis}));
              res.send('done');
            }};"
        )
    };
    let folder = Folder::new(&[("index.js", &build(20))]);
    let mut dev = Dev::start_with(&folder, &["--runtime", "process"]);
    let file = folder.path().join("base.json");
    let file = file.to_str().unwrap();
    // The first one starts instances, which is no matter of the build.
    in_peace(&folder, &[]);
    in_peace(&folder, &["--save", file]);
    let same = &in_peace(&folder, &["--compare", file])["comparison"];
    let significant = |comparison: &Value| -> Vec<Value> {
        let changes = comparison["changes"].as_array().unwrap().iter();
        let changes = changes.filter(|change| change["significant"] == true);
        changes.cloned().collect()
    };
    assert!(!same["changes"].as_array().unwrap().is_empty(), "{same}");
    assert_eq!(significant(same), Vec::<Value>::new(), "{same}");
    folder.write("index.js", &build(40));
    dev.wait_reloaded("work");
    in_peace(&folder, &[]);
    let slower = &in_peace(&folder, &["--compare", file])["comparison"];
    let found = significant(slower);
    let p50 = found
        .iter()
        .find(|change| change["metric"] == "p50")
        .unwrap_or_else(|| panic!("{slower}"));
    // Twenty milliseconds more, on a machine that may be busier than before.
    assert!(p50["low"].as_f64().unwrap() > 15_000.0, "{p50}");
}

#[tokio::test]
async fn the_coldstart_profile_forces_cold_starts_and_reports_their_phases() {
    let folder = Folder::new(&[(
        "index.js",
        "exports.slow = async (req, res) => {
          await new Promise((done) => setTimeout(done, 300));
          res.send('ok');
        };",
    )]);
    let _dev = start(&folder);
    let file = folder.path().join("times.json");
    let args = ["--profile", "coldstart", "--rounds", "5", "--at-once", "3"];
    let args = [&args[..], &["--calibration", file.to_str().unwrap()]].concat();
    let (code, report, stderr) = loadtest(&folder, &args);
    assert_eq!(code, 0, "{stderr}");
    // Five, and one before each burst.
    assert_eq!(of_kind(&report, "first"), 6, "{report}");
    assert!(of_kind(&report, "scale_out") >= 1, "{}", report["kinds"]);
    for cold in report["colds"].as_array().unwrap() {
        let phases = &cold["phases"];
        assert!(phases["boot"].as_u64().unwrap() > 0, "{cold}");
        assert!(phases["handler"].as_u64().unwrap() >= 299_000, "{cold}");
        let names = ["queue", "create", "boot", "import", "handler"];
        let phases: u64 = names
            .iter()
            .map(|name| phases[name].as_u64().unwrap())
            .sum();
        let latency = cold["latency"].as_u64().unwrap();
        // Each phase is rounded to a hundredth of a millisecond. Those of a start that was under
        // way when the request came are longer than the request.
        assert!(cold["kind"] != "first" || phases <= latency + 100, "{cold}");
    }
    let times: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(times["version"], 1);
}

#[tokio::test]
async fn invalid_arguments_are_refused_before_any_load() {
    let folder = Folder::example("auction");
    let dev = start(&folder);
    let save = "/nowhere/at/all/run.json";
    for (args, exit, said) in [
        (&["--fail-if", "cold.p98>1s"][..], 2, "did you mean `p90`?"),
        (&["--fail-if", "bdi.p99>1s"], 2, "did you mean `bid`?"),
        (&["--fail-if", "p99>1xx"], 2, "`1xx` is not a bound"),
        (&["--function", "bdi"], 2, "did you mean `bid`?"),
        (&["--scenario", "bids"], 2, "there is no scenario `bids`"),
        (&["--save", save], 1, save),
        (&["--compare", save], 1, save),
        (&["--env", "prod"], 64, "[env.prod]"),
        (&["--url", "localhost:1"], 2, "http://"),
        (&["--url", "http://127.0.0.1:1"], 69, "does not answer"),
        (
            &["--url", "http://nowhere.invalid", "--yes"],
            69,
            "cannot be resolved",
        ),
    ] {
        let (code, _, stderr) = loadtest(&folder, args);
        assert!(stderr.contains(said), "{args:?}: {stderr}");
        assert!(stderr.contains("hint: "), "{args:?}: {stderr}");
        assert_eq!(code, exit, "{args:?}: {stderr}");
    }
    for (request, at, said, hint) in [
        (
            "function = \"bid\"\nbody_file = \"bid.json\"",
            "3:13",
            "there is no",
            "fnlocal.toml",
        ),
        (
            "function = \"bid\"\nbody = \"{{sqe}}\"",
            "3:8",
            "{{sqe}}",
            "did you mean `{{seq}}`?",
        ),
        (
            "function = \"bid\"\npath = \"/x y\"",
            "3:8",
            "/bid/x y",
            "%20",
        ),
        (
            "function = \"bid\"\nheaders = { a = \"b\\nc\" }",
            "3:1",
            "is no header",
            "one line",
        ),
        ("function = \"bdi\"", "2:12", "`bdi`", "did you mean `bid`?"),
    ] {
        let scenario = format!("[[loadtest.scenarios.bids.requests]]\n{request}\n");
        folder.write("fnlocal.toml", &scenario);
        let (code, _, stderr) = loadtest(&folder, &[]);
        assert_eq!(code, 64, "{stderr}");
        assert!(stderr.contains(&format!("fnlocal.toml:{at}: ")), "{stderr}");
        let told = stderr.split_once("hint: ");
        let told = told.unwrap_or_else(|| panic!("{stderr}"));
        assert!(told.0.contains(said) && told.1.contains(hint), "{stderr}");
    }
    assert_eq!(counted(&dev).await, 0);
}

#[tokio::test]
async fn a_scenario_sends_its_requests_and_checks_its_expectations() {
    let folder = Folder::new(&[
        (
            "index.js",
            "exports.echo = (req, res) => res.status(req.body?.n % 2 ? 201 : 409).json(req.body);",
        ),
        (
            "fnlocal.toml",
            "[[loadtest.scenarios.echo.requests]]\nfunction = \"echo\"\nbody = '{\"n\":{{seq}}}'\n\
             headers = { content-type = \"application/json\" }\n\
             expect = { status = [201], body = '\"n\":' }\n",
        ),
    ]);
    let _dev = start(&folder);
    let (code, report, stderr) = loadtest(
        &folder,
        &[
            "--rate",
            "20",
            "--duration",
            "1s",
            "--fail-if",
            "errors>40%",
        ],
    );
    assert_eq!(
        (report["sent"].as_u64(), report["errors"].as_u64()),
        (Some(20), Some(10))
    );
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("errors>40%: it was 50.000 %"), "{stderr}");
}

#[tokio::test]
async fn a_load_test_with_users_prints_only_json_to_stdout() {
    let folder = Folder::example("auction");
    let _dev = start(&folder);
    let (code, report, stderr) = loadtest(&folder, &["--users", "2", "--duration", "1s"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(report["sent"].as_u64().unwrap() > 2, "{stderr}");
    assert_eq!(report["gateway"]["differences"], serde_json::json!([]));
}

async fn interrupted(more: &[&str]) -> Value {
    let folder = Folder::example("auction");
    let dev = start(&folder);
    let file = folder.path().join("run.json");
    let mut child = Command::new(env!("CARGO_BIN_EXE_fnlocal"))
        .args(["loadtest", at(&folder), "--duration", "60s", "--save"])
        .arg(&file)
        .args(more)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("requests came", async || counted(&dev).await > 5).await;
    signal(child.id(), "INT");
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap())
        .await
        .unwrap();
    assert_eq!(status.code(), Some(130));
    drop(dev);
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

#[tokio::test]
async fn an_interrupted_load_test_still_writes_its_report() {
    for more in [&[][..], &["--users", "3"]] {
        let report = interrupted(more).await;
        assert_eq!(report["interrupted"], true, "{more:?}");
        assert!(report["sent"].as_u64().unwrap() > 5, "{more:?}");
    }
}

#[tokio::test]
async fn a_killed_dev_is_not_reported_as_running() {
    let folder = Folder::example("hello");
    let running = folder.path().join(".fnlocal/running.json");
    let mut dev = start(&folder);
    assert!(running.exists());
    dev.kill();
    assert!(running.exists(), "nobody was there to remove it");
    let (code, _, stderr) = loadtest(&folder, &[]);
    assert_eq!(code, 69, "{stderr}");
    assert!(stderr.contains("left its file behind"), "{stderr}");
    let mut dev = start(&folder);
    assert_eq!(dev.interrupt(), Some(0));
    assert!(!running.exists(), "it is removed in the end");
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn forcing_a_cold_start_requires_the_token_and_a_local_host_header() {
    let folder = Folder::example("hello");
    let dev = start(&folder);
    let file = folder.path().join(".fnlocal/running.json");
    assert_eq!(mode(&file), 0o600);
    let running: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let token = running["token"].as_str().unwrap();
    let client = reqwest::Client::new();
    let cold = |function: &str, token: &str| {
        let url = dev.at(&format!("/_fnlocal/cold?function={function}"));
        client.post(url).header("x-fnlocal-token", token)
    };
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status();
    assert_eq!(status(cold("hello", "")).await, 401);
    assert_eq!(
        status(cold("hello", &token.replace(|_| true, "0"))).await,
        401
    );
    assert_eq!(
        status(cold("hello", token).header("host", "example.org")).await,
        403
    );
    assert_eq!(status(cold("nothing", token)).await, 404);
    assert_eq!(status(cold("hello", token)).await, 204);
}

/// This machine's own address on a network; asks the system's routes, sends nothing.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback()).then_some(address)
}

#[tokio::test]
async fn load_on_another_machine_is_announced_and_requires_confirmation() {
    let Some(address) = own_address() else {
        println!("no network: nothing that could be taken for another machine");
        return;
    };
    let folder = Folder::example("hello");
    let dev = Dev::start_with(&folder, &["--runtime", "process", "--host", "0.0.0.0"]);
    let url = format!("http://{address}:{}", dev.port());
    let args = [
        "loadtest",
        at(&folder),
        "--url",
        &url,
        "--function",
        "hello",
        "--rate",
        "7",
    ];
    let (code, _, stderr) = fnlocal(&args);
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("210 requests in 30 s, up to 7 a second"),
        "{stderr}"
    );
    assert!(stderr.contains("1 of 1: GET /hello"), "{stderr}");
    assert!(stderr.contains("--yes"), "{stderr}");
}
