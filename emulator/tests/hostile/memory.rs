//! The gateway's memory stays bounded, whatever clients and functions send.
//!
//! Each part has a `fnlocal dev` of its own, whose highest resident size is read from
//! `/proc/PID/status`. Runs are short; with `FNLOCAL_HOSTILE_FULL=1` they have their full size.
#![cfg(target_os = "linux")]

mod load;

use std::time::{Duration, Instant};

use crate::support::{Dev, Folder};

use load::{Kept, connected, open_files, p99, paced, post_chunked, raise_open_files};

/// The maximum resident size of the gateway's process, in MB. Its program's own pages are a third.
const MAX_MB: u64 = 150;
/// Clients that connect and say nothing.
const IDLE: usize = 4000;
/// Clients that begin a head.
const HALF_HEADS: usize = 2000;
/// Bytes of a head that is begun.
const HALF_HEAD_BYTES: usize = 4096;
/// The size of an asynchronous request's body in bytes, slightly below the default limit of 6 MiB.
const BODY_BYTES: usize = 5_500_000;
/// Bytes of a line that a function prints.
const LINE_BYTES: usize = 2 << 20;
/// Bytes of a name that is no function's.
const NAME_BYTES: usize = 65_000;
/// Functions beside which such names are asked for.
const FUNCTIONS: usize = 60;

/// Returns whether parts have their full size.
fn full() -> bool {
    std::env::var_os("FNLOCAL_HOSTILE_FULL").is_some()
}

fn dev(code: &str) -> (Folder, Dev) {
    raise_open_files();
    let folder = Folder::new(&[("index.js", code)]);
    let dev = Dev::start_with(&folder, &["--runtime", "process"]);
    (folder, dev)
}

/// The highest resident size so far, in MB.
fn peak_mb(dev: &Dev) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", dev.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb: u64 = peak
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kb / 1000
}

fn assert_small(what: &str, dev: &Dev) {
    let peak = peak_mb(dev);
    println!("{what}: {peak} MB at the peak");
    assert!(peak < MAX_MB, "{what}: {peak} MB at the peak");
}

async fn assert_serves(dev: &Dev, name: &str) {
    let answer = reqwest::get(dev.at(&format!("/{name}"))).await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn thousands_of_idle_connections_take_little_memory() {
    let (_folder, dev) = dev("exports.f = (req, res) => res.end('ok')");
    assert!(open_files() > IDLE as u64, "raise the limit of open files");
    let connections = connected(&dev, IDLE, b"").await;
    assert_serves(&dev, "f").await;
    assert_small("idle connections", &dev);
    drop(connections);
}

#[tokio::test]
async fn thousands_of_unfinished_request_heads_take_bounded_memory() {
    let (_folder, dev) = dev("exports.f = (req, res) => res.end('ok')");
    let head = format!(
        "GET /f HTTP/1.1\r\nhost: x\r\nx-a: {}",
        "a".repeat(HALF_HEAD_BYTES)
    );
    let connections = connected(&dev, HALF_HEADS, head.as_bytes()).await;
    assert_serves(&dev, "f").await;
    assert_small("half heads", &dev);
    drop(connections);
}

#[tokio::test]
async fn asynchronous_bodies_take_bounded_memory() {
    let code = "exports.sink = (req, res) => { req.resume?.(); res.end('ok') };
                exports.sink.config = { maxInstances: 2 }; exports.f = (req, res) => res.end('ok')";
    let (_folder, dev) = dev(code);
    let bodies = if full() {
        1_000_000_000 / BODY_BYTES
    } else {
        36
    };
    let mut taken = 0;
    let mut left = bodies;
    while left > 0 {
        let batch = left.min(12);
        left -= batch;
        let posts = (0..batch).map(|_| post_chunked(&dev, "sink", BODY_BYTES));
        for status in futures_util::future::join_all(posts).await {
            // A queue that is full says so.
            assert!([202, 413, 429, 503].contains(&status), "{status}");
            taken += usize::from(status == 202);
        }
    }
    assert!(taken > 0, "none of {bodies} bodies was taken");
    assert_serves(&dev, "f").await;
    assert_small(&format!("{taken} of {bodies} asynchronous bodies"), &dev);
}

#[tokio::test]
async fn long_log_lines_take_bounded_memory_and_hide_no_later_line() {
    let code = format!(
        "exports.loud = (req, res) => {{ console.log('x'.repeat({LINE_BYTES})); res.end('ok') }};
         exports.f = (req, res) => {{ console.log('still here'); res.end('ok') }}"
    );
    let (_folder, mut dev) = dev(&code);
    let lines = if full() { 60 } else { 15 };
    let pause = if full() {
        Duration::from_secs(1)
    } else {
        Duration::ZERO
    };
    let began = Instant::now();
    for line in 0..lines {
        assert_serves(&dev, "loud").await;
        tokio::time::sleep_until((began + pause * line).into()).await;
    }
    assert_serves(&dev, "f").await;
    assert_small(&format!("{lines} lines of 2 MB"), &dev);
    dev.wait_for("a line after all that", |record| {
        record["event"] == "log" && record["line"] == "still here"
    });
    // The instance that was loud is heard, too.
    assert_serves(&dev, "loud").await;
    dev.wait_for("a cut line of the loud function", |record| {
        let line = record["line"].as_str().unwrap_or_default();
        record["function"] == "loud" && line.starts_with("xxx")
    });
}

#[tokio::test]
async fn a_storm_of_65_000_byte_names_does_not_slow_other_requests() {
    let names = (0..FUNCTIONS).map(|n| format!("function_number_{n}"));
    let code: String = names
        .map(|name| format!("exports.{name} = (req, res) => res.end('ok');\n"))
        .collect();
    let (_folder, dev) = dev(&code);
    // Unoptimised, reading so long a name takes the better part of a millisecond.
    let (rate, length) = match (full(), cfg!(debug_assertions)) {
        (true, _) => (1000, Duration::from_secs(20)),
        (false, true) => (100, Duration::from_secs(5)),
        (false, false) => (1000, Duration::from_secs(5)),
    };
    let mut probe = Kept::open(&dev).await;
    let quiet = probe.times("function_number_0", length / 2).await;
    let storm = tokio::spawn(paced(dev.port(), "a".repeat(NAME_BYTES), rate, length));
    let others = probe.times("function_number_0", length).await;
    let answered = storm.await.unwrap();
    let (quiet, busy) = (p99(quiet), p99(others));
    println!("{answered} long names; p99 {quiet:?} before, {busy:?} meanwhile");
    assert!(
        answered as u32 >= rate * length.as_secs() as u32 / 4,
        "{answered}"
    );
    // A bound that a machine with other work keeps, too.
    let least = Duration::from_millis(if full() { 0 } else { 50 });
    assert!(busy < 3 * quiet.max(least), "p99 {busy:?}, was {quiet:?}");
    assert_small("long names", &dev);
}
