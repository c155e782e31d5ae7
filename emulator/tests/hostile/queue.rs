//! Asynchronous requests of strangers, disks that break, and handlers that never end.

use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::support::{Dev, Folder, command, eventually, fnlocal, header};

const PROCESS: [&str; 2] = ["--runtime", "process"];
/// The maximum memory of a gateway, whatever comes, in KiB.
const MAX_RSS_KIB: u64 = 150 << 10;
/// Bytes of a chunk that is sent.
const CHUNK_BYTES: usize = 64 << 10;

/// Says how much came, and never ends when told so.
const CODE: &str = r#"
exports.take = (req, res) => {
  let bytes = 0;
  req.on('data', (data) => { bytes += data.length; });
  req.on('end', () => { console.log(`took <${bytes}>`); res.end(); });
};
exports.endless = (req, res) => {
  if (req.headers['x-fnlocal-trigger'] !== 'async') return res.end('here');
  res.writeHead(200);
  const more = () => { res.write('x'.repeat(100)); };
  setInterval(more, 1);
};
exports.slow = async (req, res) => {
  await new Promise((resolve) => setTimeout(resolve, 3_600_000));
  res.end();
};
"#;
const TOML: &str = r#"
[functions.take]
body = "stream"
body_limit = "500MB"
[functions.take.async]
queue_size = "900MB"
[functions.endless]
timeout = "1s"
max_instances = 1
[functions.endless.async]
attempts = 1
[functions.slow]
timeout = "1h"
max_instances = 1
[functions.slow.async]
queue_size = "1MB"
"#;

fn folder() -> Folder {
    Folder::new(&[("index.js", CODE), ("fnlocal.toml", TOML)])
}

fn invoke(dev: &Dev, path: &str) -> RequestBuilder {
    let request = Client::new().post(dev.at(path));
    request.header("x-fnlocal-invoke", "async")
}

/// Sends a body of `bytes` bytes in chunks, and returns the status of the answer.
fn send_chunked(port: u16, path: &str, bytes: usize) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nx-fnlocal-invoke: async\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = vec![b'x'; CHUNK_BYTES];
    let mut left = bytes;
    while left > 0 {
        let some = left.min(CHUNK_BYTES);
        write!(stream, "{some:x}\r\n").unwrap();
        stream.write_all(&chunk[..some]).unwrap();
        stream.write_all(b"\r\n").unwrap();
        left -= some;
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    let answer = std::io::read_to_string(stream).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The most memory a process has had so far, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse().unwrap()
}

fn state(folder: &Folder, name: &str) -> PathBuf {
    folder.path().join(".fnlocal").join(name)
}

fn bodies(folder: &Folder) -> usize {
    let found = std::fs::read_dir(state(folder, "queue-bodies"));
    found.map_or(0, Iterator::count)
}

/// Waits until `many` runs have said that they took `bytes`.
fn wait_taken(dev: &mut Dev, bytes: usize, many: usize) {
    let line = format!("took <{bytes}>");
    let says = |record: &Value| record["event"] == "log" && record.to_string().contains(&line);
    let mut seen = dev.seen.iter().filter(|record| says(record)).count();
    while seen < many {
        dev.wait_for("a run", says);
        seen += 1;
    }
}

async fn health(dev: &Dev) -> StatusCode {
    let answer = reqwest::get(dev.at("/_fnlocal/health")).await.unwrap();
    answer.status()
}

async fn problem(answer: Response) -> Value {
    answer.json().await.unwrap()
}

fn queue(folder: &Folder, args: &[&str]) -> Value {
    let path = folder.path().to_str().unwrap();
    let all = [&["queue"], args, &["--json", "--folder", path]].concat();
    let (code, out, err) = fnlocal(&all);
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asynchronous_body_of_400_mb_takes_bounded_memory_and_leaves_no_file() {
    const BYTES: usize = 400 << 20;
    let folder = folder();
    let mut dev = Dev::start_with(&folder, &PROCESS);
    let port = dev.port();
    let sending = tokio::task::spawn_blocking(move || send_chunked(port, "/take", BYTES));
    assert_eq!(sending.await.unwrap(), 202);
    wait_taken(&mut dev, BYTES, 1);
    eventually("its file is gone", async || bodies(&folder) == 0).await;
    let peak = peak_kib(dev.pid());
    assert!(peak < MAX_RSS_KIB, "{peak} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_concurrent_large_asynchronous_bodies_take_bounded_memory() {
    const BYTES: usize = 5_500_000;
    const MANY: usize = 60;
    let folder = folder();
    let mut dev = Dev::start_with(&folder, &PROCESS);
    let port = dev.port();
    let senders: Vec<_> = (0..MANY)
        .map(|_| std::thread::spawn(move || send_chunked(port, "/take", BYTES)))
        .collect();
    for sender in senders {
        assert_eq!(sender.join().unwrap(), 202);
    }
    wait_taken(&mut dev, BYTES, MANY);
    eventually("their files are gone", async || bodies(&folder) == 0).await;
    let peak = peak_kib(dev.pid());
    assert!(peak < MAX_RSS_KIB, "{peak} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_headers_are_refused_and_a_full_queue_answers_with_retry_after() {
    let folder = folder();
    let dev = Dev::start_with(&folder, &PROCESS);
    let with = |bytes: usize| {
        let request = invoke(&dev, "/slow?").header("x-large", "h".repeat(bytes));
        request.body("x").send()
    };
    let refused = with(90_000).await.unwrap();
    assert_eq!(refused.status(), 431);
    assert_eq!(problem(refused).await["reason"], "headers_too_large");
    let long = format!("/slow?{}", "q".repeat(10_000));
    let refused = invoke(&dev, &long).body("x").send().await.unwrap();
    assert_eq!(refused.status(), 414);
    // Accepted requests count, their headers included; the only instance is busy with the first.
    let mut accepted = 0;
    let full = loop {
        let answer = with(12_000).await.unwrap();
        if answer.status() != 202 {
            break answer;
        }
        accepted += 1;
        assert!(accepted < 100, "1 MB holds no more");
    };
    assert_eq!(full.status(), 503);
    assert!(full.headers().contains_key("retry-after"));
    assert_eq!(problem(full).await["reason"], "queue_full");
    // Another function's jobs have room.
    let other = invoke(&dev, "/take").body("x").send().await.unwrap();
    assert_eq!(other.status(), 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_shrinks_the_queue_file_of_a_running_dev() {
    let folder = Folder::new(&[
        ("index.js", CODE),
        ("fnlocal.toml", "[functions.slow]\nmax_instances = 1\n"),
    ]);
    let dev = Dev::start_with(&folder, &PROCESS);
    let client = Client::new();
    for _ in 0..40 {
        let sent = (0..40).map(|_| {
            let request = client.post(dev.at("/slow"));
            let request = request.header("x-fnlocal-invoke", "async");
            tokio::spawn(request.body("x".repeat(16_000)).send())
        });
        for answer in sent.collect::<Vec<_>>() {
            assert_eq!(answer.await.unwrap().unwrap().status(), 202);
        }
    }
    let bytes = || {
        let file = std::fs::metadata(state(&folder, "queue.redb"));
        file.unwrap().len()
    };
    let full = bytes();
    assert!(full > 20 << 20, "{full}");
    queue(&folder, &["purge", "--all"]);
    let left = bytes();
    assert!(left < 8 << 20, "{left} of {full}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asynchronous_body_over_its_limit_is_refused_before_it_ends() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = Dev::start_with(&folder, &PROCESS);
    let port = dev.port();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = "POST /slow HTTP/1.1\r\nhost: localhost\r\nx-fnlocal-invoke: async\r\n\
                transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = vec![b'x'; CHUNK_BYTES];
    // The usual limit is 6 MB.
    for _ in 0..120 {
        let sent = write!(stream, "{CHUNK_BYTES:x}\r\n")
            .and_then(|()| stream.write_all(&chunk))
            .and_then(|()| stream.write_all(b"\r\n"));
        if sent.is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    eventually("its file is gone", async || bodies(&folder) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_an_exposed_dev_may_invoke_asynchronously_only_if_the_function_allows_it() {
    let folder = Folder::new(&[
        ("index.js", CODE),
        (
            "fnlocal.toml",
            "[functions.take.async]\nfrom_clients = true\n",
        ),
    ]);
    let dev = Dev::start_with(&folder, &["--runtime", "process", "--host", "0.0.0.0"]);
    let at = |path: &str| {
        let request = Client::new().post(format!("http://127.0.0.1:{}{path}", dev.port()));
        request.header("x-fnlocal-invoke", "async").body("x").send()
    };
    assert_eq!(at("/take").await.unwrap().status(), 202);
    let refused = at("/endless").await.unwrap();
    assert_eq!(refused.status(), 403);
    let problem = problem(refused).await;
    assert_eq!(problem["reason"], "async_not_allowed");
    let hint = problem["hint"].as_str().unwrap();
    assert!(hint.contains("from_clients = true"), "{hint}");
    // A guess is no token.
    let guessed = Client::new()
        .post(format!("http://127.0.0.1:{}/endless", dev.port()))
        .header("x-fnlocal-invoke", "async")
        .header("x-fnlocal-token", "0".repeat(32));
    assert_eq!(guessed.send().await.unwrap().status(), 403);
    // Commands of this machine may.
    let path = folder.path().to_str().unwrap();
    let (code, _, err) = fnlocal(&["emit", "endless", "--async", "--folder", path]);
    assert_eq!(code, 0, "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_clients_false_refuses_asynchronous_invocations_of_clients() {
    let folder = Folder::new(&[
        ("index.js", CODE),
        ("fnlocal.toml", "[async]\nfrom_clients = false\n"),
    ]);
    let dev = Dev::start_with(&folder, &PROCESS);
    let refused = invoke(&dev, "/take").body("x").send().await.unwrap();
    assert_eq!(refused.status(), 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_reports_a_full_disk_and_the_queue_recovers_once_it_has_space() {
    let folder = folder();
    // A file that may not grow fails a write, instead of ending the process.
    let inner = command(folder.path(), &PROCESS);
    let mut outer = Command::new("sh");
    outer
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    let dev = Dev::start_command(outer);
    let limit = |bytes: &str| {
        let fsize = format!("--fsize={bytes}:");
        let pid = dev.pid().to_string();
        let set = Command::new("prlimit")
            .args(["--pid", &pid, &fsize])
            .status();
        assert!(set.unwrap().success());
    };
    let before = invoke(&dev, "/slow").body("before").send().await.unwrap();
    assert_eq!(before.status(), 202);
    assert_eq!(health(&dev).await, 200);

    limit("0");
    let refused = invoke(&dev, "/slow").body("lost").send().await.unwrap();
    assert_eq!(refused.status(), 503);
    let refused = problem(refused).await;
    assert_eq!(refused["reason"], "queue_unavailable");
    eventually("health says so", async || health(&dev).await == 503).await;
    let answer = reqwest::get(dev.at("/_fnlocal/health")).await.unwrap();
    let told = answer.text().await.unwrap();
    assert!(told.contains("queue"), "{told}");
    // Requests that wait for their answer are served meanwhile.
    let served = Client::new().post(dev.at("/endless")).send().await.unwrap();
    assert_eq!(served.status(), 200);

    limit("unlimited");
    eventually("it goes on", async || health(&dev).await == 200).await;
    let after = invoke(&dev, "/slow").body("after").send().await.unwrap();
    assert_eq!(after.status(), 202);
    let listed = queue(&folder, &["list"]);
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_file_removed_while_in_use_loses_no_job() {
    let folder = folder();
    let dev = Dev::start_with(&folder, &PROCESS);
    let before = invoke(&dev, "/slow").body("before").send().await.unwrap();
    let before = header(&before, "x-fnlocal-request-id").to_owned();
    std::fs::remove_file(state(&folder, "queue.redb")).unwrap();
    eventually("jobs are accepted again", async || {
        let sent = invoke(&dev, "/slow").body("after").send().await.unwrap();
        sent.status() == 202
    })
    .await;
    eventually("the file is back", async || {
        state(&folder, "queue.redb").exists()
    })
    .await;
    eventually("health is well", async || health(&dev).await == 200).await;
    let shown = queue(&folder, &["show", &before]);
    assert_eq!(shown["body"], "before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_response_never_ends_frees_its_container() {
    never_ends(&["--runtime", "docker"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_response_never_ends_frees_its_process() {
    never_ends(&PROCESS).await;
}

async fn never_ends(args: &[&str]) {
    let folder = folder();
    let dev = Dev::start_with(&folder, args);
    let sent = invoke(&dev, "/endless").send().await.unwrap();
    assert_eq!(sent.status(), 202);
    eventually("it is given up", async || {
        dev.view().await["triggers"]["queue"]["dead"] == json!(1)
    })
    .await;
    let listed = queue(&folder, &["list", "--dead"]);
    let error = listed[0]["job"]["error"].as_str().unwrap();
    assert!(error.contains("timeout of 1000 ms"), "{error}");
    // The only instance the function may have is free, or another was started in its place.
    let answer = Client::new().get(dev.at("/endless")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_body_survives_a_kill_and_an_unfinished_one_leaves_no_file() {
    const BYTES: usize = 3_000_000;
    let folder = folder();
    let mut dev = Dev::start_with(&folder, &PROCESS);
    let port = dev.port();
    // The only instance is busy, so the next job waits.
    assert_eq!(invoke(&dev, "/slow").send().await.unwrap().status(), 202);
    let sending = tokio::task::spawn_blocking(move || send_chunked(port, "/take", BYTES));
    assert_eq!(sending.await.unwrap(), 202);
    let mut half = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = "POST /take HTTP/1.1\r\nhost: localhost\r\nx-fnlocal-invoke: async\r\n\
                content-length: 1000000\r\n\r\n";
    half.write_all(head.as_bytes()).unwrap();
    half.write_all(&vec![b'x'; 500_000]).unwrap();
    dev.kill();
    // A crash may leave such a file.
    File::create(state(&folder, "queue-bodies").join("body-left")).unwrap();
    let mut dev = Dev::start_with(&folder, &PROCESS);
    eventually("nothing is left", async || bodies(&folder) == 0).await;
    // The job may have run before the kill, too.
    let ran = dev.view().await["triggers"]["queue"]["done"].clone();
    assert!(ran.as_u64().is_some());
    dev.kill();
}
