//! `fnlocal simulate` on real files, and recordings of a real `fnlocal dev` played again.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use crate::support::{Dev, Folder, fnlocal};
use serde_json::Value;

const PROD: &str = "\
[defaults]
memory = \"256MB\"
[functions.bid]
[functions.list]
[env.prod]
instance_type = \"t3.large\"
nodes = { min = 2, max = 12 }
scale_on = { requests_per_node = 1500 }
prescale = [{ name = \"sale\", cron = \"30 17 * * FRI\", timezone = \"Asia/Kolkata\", min = 8 }]
";

fn simulate(folder: &Folder, args: &[&str]) -> (i32, String, String) {
    let path = folder.path().to_str().unwrap();
    let all: Vec<&str> = ["simulate", path].iter().chain(args).copied().collect();
    fnlocal(&all)
}

fn json(folder: &Folder, args: &[&str]) -> Value {
    let (code, stdout, stderr) = simulate(folder, &[args, &["--json"]].concat());
    assert_eq!(code, 0, "{stderr}");
    serde_json::from_str(&stdout).unwrap()
}

fn prod() -> Folder {
    Folder::new(&[("fnlocal.toml", PROD)])
}

fn html_to(page: &std::path::Path) -> [&str; 2] {
    ["--html", page.to_str().unwrap()]
}

#[test]
fn a_spike_is_reported_in_a_table_and_on_an_html_page() {
    let folder = prod();
    let page = folder.path().join("out.html");
    let spike = [
        "--env",
        "prod",
        "--load",
        "spike:2..300",
        "--duration",
        "12m",
    ];
    let (code, stdout, stderr) = simulate(&folder, &[&spike[..], &html_to(&page)].concat());
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("does not hold p99 < 1000 ms"), "{stdout}");
    assert!(
        stdout.contains("queue_full") && stdout.contains("a month"),
        "{stdout}"
    );
    let html = std::fs::read_to_string(&page).unwrap();
    assert_eq!(html.matches("<svg").count(), 6);
    assert!(html.contains(">2 functions on "));
    assert!(html.contains("prefers-color-scheme: dark"));
    for outside in ["http://", "https://", "<script", "NaN"] {
        assert!(!html.contains(outside), "{outside}");
    }
    let one = ["--load", "steady:5", "--duration", "1m", "--functions", "1"];
    let (code, _, stderr) = simulate(&Folder::new(&[]), &[&one[..], &html_to(&page)].concat());
    assert_eq!(code, 0, "{stderr}");
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains(">1 function on "));
}

#[test]
fn the_same_seed_produces_the_same_report() {
    let folder = prod();
    let args = [
        "--env",
        "prod",
        "--load",
        "steady:50",
        "--duration",
        "2m",
        "--json",
    ];
    let first = simulate(&folder, &args);
    assert_eq!(first, simulate(&folder, &args));
    let other = simulate(&folder, &[&args[..], &["--seed", "2"]].concat());
    assert_ne!(first.1, other.1);
}

#[test]
fn a_prescale_applies_if_its_time_is_within_the_simulated_load() {
    let folder = prod();
    let at = [
        "--env",
        "prod",
        "--load",
        "steady:5",
        "--duration",
        "15m",
        "--at",
    ];
    let friday = json(
        &folder,
        &[&at[..], &["2026-11-27T17:20[Asia/Kolkata]"]].concat(),
    );
    assert_eq!(friday["scaling"][0]["nodes"], 8);
    assert_eq!(friday["scaling"][0]["at"], 600.0);
    let monday = json(
        &folder,
        &[&at[..], &["2026-11-23T17:20[Asia/Kolkata]"]].concat(),
    );
    assert_eq!(monday["scaling"].as_array().unwrap().len(), 0);
}

#[test]
fn find_prescale_finds_the_smallest_prescale_that_holds_the_objective() {
    let args = [
        "--env",
        "prod",
        "--load",
        "spike:2..200",
        "--duration",
        "10m",
    ];
    let report = json(&prod(), &[&args[..], &["--find-prescale"]].concat());
    let found = &report["prescale"];
    assert!(
        (2..=6).contains(&found["nodes"].as_u64().unwrap()),
        "{found}"
    );
    assert!(found["minutes"].as_u64().unwrap() <= 3, "{found}");
    assert_eq!(report["slo"]["holds"], true);
}

#[test]
fn an_objective_that_no_prescale_holds_exits_with_1() {
    let args = [
        "--env",
        "prod",
        "--load",
        "spike:2..5000",
        "--duration",
        "6m",
    ];
    let (code, _, stderr) = simulate(&prod(), &[&args[..], &["--find-prescale"]].concat());
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.contains("not even 12 nodes") && stderr.contains("hint:"),
        "{stderr}"
    );
}

#[test]
fn a_sweep_prints_a_line_for_each_value() {
    let args = [
        "--load",
        "steady:80",
        "--duration",
        "1m",
        "--sweep",
        "nodes=1,2",
    ];
    let (code, stdout, stderr) = simulate(&prod(), &args);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.starts_with("nodes "), "{stdout}");
    let rows = stdout.lines().filter(|line| line.starts_with(['1', '2']));
    assert_eq!(rows.count(), 2, "{stdout}");
}

#[test]
fn invalid_simulate_arguments_exit_with_a_helpful_message() {
    let folder = prod();
    for (args, exit, word) in [
        (&["--env", "prdo"][..], 64, "known are prod"),
        (&["--load", "steady"], 2, "steady:50"),
        (&["--slo", "p99"], 2, "not a bound"),
        (&["--sweep", "colour=red"], 2, "colour"),
        (&["--instance-type", "t9.huge"], 2, "t3.large"),
        (&["--trace", "/nowhere/at/all"], 1, "/nowhere/at/all"),
        (
            &["--load", "steady:900", "--events", "10000"],
            1,
            "--events",
        ),
        (&["--at", "tomorrow", "--env", "prod"], 2, "Asia/Kolkata"),
    ] {
        let (code, _, stderr) = simulate(&folder, args);
        assert_eq!(code, exit, "{args:?}: {stderr}");
        assert!(stderr.contains(word), "{args:?}: {stderr}");
    }
}

#[test]
fn a_function_larger_than_a_node_is_refused_with_its_line_of_the_configuration() {
    let toml = "[functions.big]\nmemory = \"16GB\"\n";
    let folder = Folder::new(&[("fnlocal.toml", toml)]);
    let (code, _, stderr) = simulate(&folder, &["--instance-type", "t3.large"]);
    assert_eq!(code, 64, "{stderr}");
    assert!(
        stderr.contains("fnlocal.toml:2") && stderr.contains("t3.large"),
        "{stderr}"
    );
}

#[test]
fn an_unordered_trace_is_refused_with_its_line() {
    let line = |hour: u32| {
        format!("::1 - - [10/Oct/2025:{hour}:00:00 +0000] \"GET /bid HTTP/1.1\" 200 1\n")
    };
    let folder = Folder::new(&[("access.log", &(line(18) + &line(16) + &line(14)))]);
    let path = folder.path().join("access.log");
    let (code, _, stderr) = simulate(&folder, &["--trace", path.to_str().unwrap()]);
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.contains("line 2") && stderr.contains("sort"),
        "{stderr}"
    );
}

#[test]
fn an_access_log_is_replayed_compressed_or_not() {
    let mut log = b"::1 - - [10/Oct/2025:13:55:36 +0000] \"GET /bid HTTP/1.1\" 200 1
::1 - - [10/Oct/2025:13:55:35 +0000] \"GET /bid HTTP/1.1\" 200 1
::1 - - [10/Oct/2025:13:55:37 +0000] \"-\" 408 0
{\"ts\":1760104537.1,\"request\":{\"uri\":\"/list\"}}
"
    .to_vec();
    // TLS, as it came.
    log.extend(b"::1 - - [10/Oct/2025:13:55:37 +0000] \"\x16\x03\xff\" 400 0\n");
    let folder = Folder::new(&[]);
    let plain = folder.path().join("access.log");
    std::fs::write(&plain, &log).unwrap();
    let packed = folder.path().join("access.log.gz");
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, &log).unwrap();
    std::fs::write(&packed, packer.finish().unwrap()).unwrap();
    for path in [plain, packed] {
        let (code, stdout, stderr) =
            simulate(&folder, &["--trace", path.to_str().unwrap(), "--json"]);
        assert_eq!(code, 0, "{stderr}");
        let report: Value = serde_json::from_str(&stdout).unwrap();
        let notes = report["notes"].to_string();
        assert!(
            notes.contains("of 5 lines 2 are left out; the first is line 3"),
            "{notes}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_of_dev_replays_identically_and_a_changed_recording_is_detected() {
    let source = "\
exports.a = (req, res) => res.send('a');
exports.b = (req, res) => { throw new Error('b'); };
";
    let folder = Folder::new(&[("index.js", source)]);
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("recording.jsonl");
    let path = file.to_str().unwrap();
    let mut dev = Dev::start_with(&folder, &["--runtime", "process", "--record", path]);
    for name in ["/a", "/a", "/b", "/missing", "/a"] {
        reqwest::get(dev.at(name)).await.unwrap();
    }
    assert_eq!(dev.interrupt(), Some(0));
    let (code, stdout, stderr) = fnlocal(&["simulate", "--replay", path]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("the same"), "{stdout}");

    let text = std::fs::read_to_string(&file).unwrap();
    let changed = text.replacen("\"start\":\"warm\"", "\"start\":\"cold\"", 1);
    assert_ne!(
        text, changed,
        "the second request found the first one's instance"
    );
    std::fs::write(&file, changed).unwrap();
    let (code, _, stderr) = fnlocal(&["simulate", "--replay", path]);
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.contains("recorded:") && stderr.contains("now:"),
        "{stderr}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_applies_the_limits_of_a_profile() {
    let folder = Folder::new(&[("index.js", "exports.a = (req, res) => res.send('a');")]);
    let args = ["--runtime", "process", "--profile", "lambda"];
    let dev = Dev::start_with(&folder, &args);
    let view = dev.view().await;
    assert_eq!(view["node"]["limits"]["max_instances"], 1000, "{view}");
    let limits = &view["node"]["functions"][0]["limits"];
    assert_eq!(limits["queue"], 0, "{view}");
    assert_eq!(limits["start_rate"], 1000, "{view}");
}

#[test]
fn scheduled_and_asynchronous_jobs_are_counted_separately_from_requests() {
    let toml = "[functions.bid]\n[functions.report]\nschedule = \"*/10 * * * *\"\n";
    let folder = Folder::new(&[("fnlocal.toml", toml)]);
    let load = ["--load", "steady:5", "--duration", "30m", "--nodes", "1"];
    let begin = ["--at", "2026-11-27T08:55Z"];
    let run = |more: &[&str]| json(&folder, &[&load[..], more].concat());
    let scheduled = run(&begin);
    // At 9:00, 9:10 and 9:20.
    assert_eq!(scheduled["jobs"]["came"], 3);
    assert_eq!(scheduled["jobs"]["done"], 3);
    let both = run(&[&begin[..], &["--async", "bid=2"]].concat());
    let came = both["jobs"]["came"].as_u64().unwrap();
    assert!((3000..4200).contains(&came), "{came}");
    assert_eq!(
        both["requests"]["arrived"],
        scheduled["requests"]["arrived"]
    );
    let left_out = run(&[]);
    assert!(left_out["jobs"].is_null());
    assert!(
        left_out["notes"]
            .to_string()
            .contains("the schedule of `report`")
    );
    let (code, _, stderr) = simulate(&folder, &["--async", "nobody=1"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("no function `nobody`"), "{stderr}");
}
