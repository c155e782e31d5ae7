//! Many at once: bounded memory, and an answer with a reason for each.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use support::{Dev, Folder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

const CONNECTIONS: usize = 10_000;

/// One request on a connection of its own; the status it was answered with.
async fn ask(port: u16, connecting: Arc<Semaphore>) -> u16 {
    let turn = connecting.acquire().await.unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    drop(turn);
    stream
        .write_all(b"GET /slow HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap_or_default();
    status
        .parse()
        .unwrap_or_else(|_| panic!("no answer: {answer:?}"))
}

fn resident_kib(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let digits = line
        .unwrap()
        .trim()
        .trim_end_matches("kB")
        .trim()
        .to_owned();
    digits.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_waiting_connections_are_all_answered_in_bounded_memory() {
    let code = "exports.slow = async (req, res) => {
      await new Promise((done) => setTimeout(done, 20));
      res.send('ok');
    };";
    let limits = "[functions.slow]\nmax_instances = 4\nqueue = 9000\nqueue_timeout = \"10s\"\nrps = 100000\n";
    let folder = Folder::new(&[("index.js", code), ("fnlocal.toml", limits)]);
    let dev = Dev::start_with(&folder, &["--runtime", "docker", "--quiet"]);
    let before = resident_kib(dev.pid(), "VmRSS:");
    let connecting = Arc::new(Semaphore::new(100));
    let asked: Vec<_> = (0..CONNECTIONS)
        .map(|_| tokio::spawn(ask(dev.port(), Arc::clone(&connecting))))
        .collect();
    let mut answers: BTreeMap<u16, usize> = BTreeMap::new();
    for one in asked {
        *answers.entry(one.await.unwrap()).or_default() += 1;
    }
    let peak = resident_kib(dev.pid(), "VmHWM:");
    println!(
        "{answers:?}; memory before {} MB, maximum {} MB",
        before / 1024,
        peak / 1024
    );
    assert_eq!(answers.values().sum::<usize>(), CONNECTIONS);
    // Served, no room in the queue, or waited too long: nothing else.
    assert!(
        answers
            .keys()
            .all(|status| [200, 503, 504].contains(status)),
        "{answers:?}"
    );
    assert!(answers[&200] > 500, "{answers:?}");
    assert!(peak - before < 400 * 1024, "{before} KiB, then {peak} KiB");
}
