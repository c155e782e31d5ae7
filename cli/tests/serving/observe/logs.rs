use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{documents, kept, value};
use crate::support::scrape::scrape;
use crate::support::{Dev, Folder, eventually, fnlocal, header};

const PRINTS: &str = "exports.prints = (req, res) => {
  const { from, count } = req.query;
  for (let i = 0; i < Number(count); i += 1) console.log(`line ${Number(from) + i}`);
  res.json({ count });
};
exports.quick = (req, res) => res.send('here');";

fn numbers(lines: &[serde_json::Value]) -> BTreeSet<u32> {
    let number = |line: &serde_json::Value| {
        let text = line["text"].as_str().unwrap();
        text.strip_prefix("line ").unwrap().parse().unwrap()
    };
    lines.iter().map(number).collect()
}

#[tokio::test]
async fn ten_thousand_log_lines_a_second_are_all_stored_without_slowing_requests() {
    const CALLS: u32 = 40;
    const LINES: u32 = 500;
    let folder = Folder::new(&[("index.js", PRINTS)]);
    let dev = Dev::start_with(&folder, &["--runtime", "process", "--quiet"]);
    reqwest::get(dev.at("/prints?count=0")).await.unwrap();
    reqwest::get(dev.at("/quick")).await.unwrap();
    let alone = median_call(&dev).await;
    let printing = async {
        // 500 lines every 50 ms.
        let mut due = tokio::time::interval(Duration::from_millis(50));
        for call in 0..CALLS {
            due.tick().await;
            let path = format!("/prints?from={}&count={LINES}", call * LINES);
            assert!(
                reqwest::get(dev.at(&path))
                    .await
                    .unwrap()
                    .status()
                    .is_success()
            );
        }
    };
    let ((), beside) = tokio::join!(printing, median_call(&dev));
    // The lines are written and kept by the same two processors that serve.
    let bound = alone * 4 + Duration::from_millis(50);
    assert!(beside < bound, "{beside:?}, alone {alone:?}");
    eventually("all lines", async || {
        let lines = kept(&dev, "function=prints&kind=line").await;
        numbers(&lines).len() == (CALLS * LINES) as usize
    })
    .await;
    let lines = kept(&dev, "function=prints&kind=line").await;
    assert_eq!(lines.len(), (CALLS * LINES) as usize, "none is there twice");
    assert!(lines.iter().all(|line| line["request"].is_string()));
    let samples = scrape(&dev).await;
    assert_eq!(value(&samples, "fnlocal_log_dropped_total"), 0.0);
    assert!(value(&samples, "fnlocal_log_lines_total") >= f64::from(CALLS * LINES));
}

/// Returns the median duration of a hundred calls, one after the other.
async fn median_call(dev: &Dev) -> Duration {
    let mut took = Vec::new();
    for _ in 0..100 {
        let begun = Instant::now();
        let answer = reqwest::get(dev.at("/quick")).await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "here");
        took.push(begun.elapsed());
    }
    took.sort();
    took[took.len() / 2]
}

#[tokio::test]
async fn dropped_log_lines_are_counted_and_reported() {
    const LINES: usize = 100_000;
    let folder = Folder::new(&[("index.js", PRINTS)]);
    let mut dev = Dev::start_with(&folder, &["--runtime", "process", "--quiet"]);
    let path = format!("/prints?from=0&count={LINES}");
    assert!(
        reqwest::get(dev.at(&path))
            .await
            .unwrap()
            .status()
            .is_success()
    );
    let said = dev.wait_for("word of what was dropped", |record| {
        record["event"] == "dropped"
    });
    assert_eq!(said["function"], "prints");
    eventually("every line is kept or counted", async || {
        let lines = kept(&dev, "function=prints&kind=line").await.len();
        let said = kept(&dev, "function=prints&kind=platform").await;
        let dropped = said.iter().filter(|one| one["event"] == "dropped");
        let dropped: u64 = dropped.map(|one| one["count"].as_u64().unwrap()).sum();
        let counted = value(&scrape(&dev).await, "fnlocal_log_dropped_total");
        dropped > 0 && counted == dropped as f64 && lines + dropped as usize == LINES
    })
    .await;
}

#[tokio::test]
async fn an_invocation_record_has_its_usage_and_its_log_lines_are_found_by_request_id() {
    let folder = Folder::new(&[(
        "index.js",
        "exports.work = (req, res) => {
  const end = process.hrtime.bigint() + 30_000_000n;
  while (process.hrtime.bigint() < end);
  console.log('worked');
  console.error('hard');
  res.send('done');
};",
    )]);
    let dev = Dev::start_with(&folder, &["--runtime", "process"]);
    let answer = reqwest::get(dev.at("/work?x=1")).await.unwrap();
    let id = header(&answer, "x-fnlocal-request-id").to_owned();
    let code = header(&answer, "x-fnlocal-code").to_owned();
    reqwest::get(dev.at("/nothing")).await.unwrap();
    let query = format!("request={id}");
    eventually("the invocation", async || {
        kept(&dev, &query).await.len() == 3
    })
    .await;
    let all = kept(&dev, &query).await;
    let texts: Vec<_> = all
        .iter()
        .map(|one| (&one["kind"], &one["stream"], &one["text"]))
        .collect();
    assert_eq!(
        texts[0],
        (&"line".into(), &"stdout".into(), &"worked".into())
    );
    assert_eq!(texts[1], (&"line".into(), &"stderr".into(), &"hard".into()));
    let work = &all[2];
    assert_eq!(work["kind"], "invocation");
    assert_eq!(
        (&work["path"], &work["status"]),
        (&"/work?x=1".into(), &200.into())
    );
    assert_eq!(work["code"], code.as_str());
    let number = |key: &str| {
        work[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{key} in {work}"))
    };
    assert!(
        number("cpu_ms") >= 1.0 && number("billed_ms") >= 30.0,
        "{work}"
    );
    assert!(
        number("duration_ms") >= 30.0 && number("memory_bytes") > 1e7,
        "{work}"
    );
    assert!(
        work["phases"]["handler"].as_f64().unwrap() >= 30.0,
        "{work}"
    );
    for wrong in ["grep=(", "since=never", "knd=line"] {
        let answer = dev.look(&format!("/_fnlocal/logs?{wrong}")).await;
        assert_eq!(answer.status(), 400, "{wrong}");
    }
}

#[tokio::test]
async fn the_log_is_readable_without_a_run_and_can_be_followed_into_the_next_run() {
    let folder = Folder::new(&[("index.js", PRINTS)]);
    let path = folder.path().to_str().unwrap();
    let (code, _, stderr) = fnlocal(&["logs", "--folder", path]);
    assert_eq!(code, 1);
    assert!(stderr.contains("hint: `fnlocal dev`"), "{stderr}");
    let mut dev = Dev::start_with(&folder, &["--runtime", "process"]);
    reqwest::get(dev.at("/prints?from=1&count=1"))
        .await
        .unwrap();
    reqwest::get(dev.at("/quick")).await.unwrap();
    dev.interrupt();
    let logs = |args: &[&str]| {
        let (code, stdout, stderr) =
            fnlocal(&[&["logs", "--folder", path, "--json"], args].concat());
        assert_eq!(code, 0, "{stderr}");
        documents(&stdout)
    };
    let count = |args: &[&str]| logs(args).len();
    assert_eq!(count(&["prints"]), 2, "a line and an invocation");
    assert_eq!(count(&["--grep", "^line [0-9]$"]), 1);
    assert_eq!(count(&["--since", "1h", "--grep", "GET /quick"]), 1);
    assert_eq!(count(&["--since", "2099-01-01T00:00:00Z"]), 0);
    assert_eq!(count(&["-n", "1"]), 1);
    let mut following = Command::new(env!("CARGO_BIN_EXE_fnlocal"))
        .args(["logs", "--folder", path, "--json", "-f", "-n", "0", "quick"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let dev = Dev::start_with(&folder, &["--runtime", "process"]);
    // The stream may begin after the first of them.
    let next = std::thread::spawn(move || lines.next().unwrap().unwrap());
    while !next.is_finished() {
        reqwest::get(dev.at("/quick")).await.unwrap();
    }
    let one = &documents(&next.join().unwrap())[0];
    assert_eq!(
        (&one["kind"], &one["function"]),
        (&"invocation".into(), &"quick".into())
    );
    following.kill().unwrap();
    following.wait().unwrap();
}
