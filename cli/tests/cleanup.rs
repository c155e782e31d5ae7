//! Nothing is lost and nothing is left behind, whatever happens to fnlocal or its instances.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod support;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use support::{Dev, Folder, containers_of};

const CODE: &str = "exports.work = async (req, res) => {
  await new Promise((done) => setTimeout(done, 5));
  res.json({ ok: true });
};";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_run_finishes_its_requests_and_leaves_no_container() {
    let code = "exports.slow = async (req, res) => {
      await new Promise((done) => setTimeout(done, 1000));
      res.send('done');
    };";
    let folder = Folder::new(&[("index.js", code)]);
    let mut dev = Dev::start(&folder);
    assert!(!containers_of(&folder).is_empty());
    let url = dev.at("/slow");
    let under_way =
        tokio::spawn(async move { reqwest::get(url).await.unwrap().text().await.unwrap() });
    support::eventually("the request runs", async || {
        dev.view().await["node"]["functions"][0]["running"] == 1
    })
    .await;
    assert_eq!(dev.interrupt(), Some(0));
    assert_eq!(under_way.await.unwrap(), "done");
    assert_eq!(containers_of(&folder), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_of_a_killed_run_are_removed_by_the_next_run() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let mut dev = Dev::start(&folder);
    let url = dev.at("/work");
    let load: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { while reqwest::get(&url).await.is_ok() {} })
        })
        .collect();
    support::eventually("instances serve", async || {
        dev.view().await["node"]["instances"].as_u64() > Some(2)
    })
    .await;
    dev.kill();
    for client in load {
        client.await.unwrap();
    }
    let left = containers_of(&folder);
    assert!(!left.is_empty());
    let next = Dev::start(&folder);
    let now = containers_of(&folder);
    assert!(
        left.iter().all(|old| !now.contains(old)),
        "{left:?} {now:?}"
    );
    assert_eq!(reqwest::get(next.at("/work")).await.unwrap().status(), 200);
    drop(next);
    assert_eq!(containers_of(&folder), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_dev_on_a_project_is_refused_with_the_pid_of_the_first() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = Dev::start(&folder);
    let path = folder.path().to_str().unwrap();
    let (code, _, stderr) = support::fnlocal(&["dev", path, "--port", "0"]);
    assert_eq!(code, 75, "{stderr}");
    assert!(stderr.contains(&dev.pid().to_string()), "{stderr}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn randomly_killed_instances_fail_no_get_request() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = Dev::start(&folder);
    let stop = Arc::new(AtomicBool::new(false));
    let mut counts = Vec::new();
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (url, stop) = (dev.at("/work"), Arc::clone(&stop));
            let answered = Arc::new(AtomicU64::new(0));
            counts.push(Arc::clone(&answered));
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.get(&url).send().await.expect("exactly one answer");
                    let status = answer.status();
                    let body = answer.text().await.expect("a whole answer");
                    assert_eq!(status, 200, "{body}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let end = Instant::now() + Duration::from_secs(60);
    let mut killed = 0;
    let mut pick = 0;
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let running = instances_of(&folder);
        if running.is_empty() {
            continue;
        }
        pick += 7;
        let victim = &running[pick % running.len()];
        let done = Command::new("docker")
            .args(["kill", victim])
            .output()
            .unwrap();
        killed += u32::from(done.status.success());
        // A kill from outside is a request's one retry, so none meets two: each client has an answer
        // to what it asked before the kill.
        let before: Vec<u64> = counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        let went_on =
            |(count, before): (&Arc<AtomicU64>, &u64)| count.load(Ordering::Relaxed) > *before;
        while !clients.iter().any(tokio::task::JoinHandle::is_finished)
            && !counts.iter().zip(&before).all(went_on)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let answered: u64 = counts
        .iter()
        .map(|count| count.load(Ordering::Relaxed))
        .sum();
    assert!(killed > 50, "only {killed} were killed");
    assert!(answered > 500, "only {answered} were answered");
}

/// Running containers that serve, without their network sandboxes.
fn instances_of(folder: &Folder) -> Vec<String> {
    let folder = folder.path().canonicalize().unwrap();
    let output = Command::new("docker")
        .args([
            "ps",
            "--quiet",
            "--filter",
            "label=fnlocal.kind=instance",
            "--filter",
        ])
        .arg(format!("label=fnlocal.folder={}", folder.display()))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_interrupt_ends_the_run_immediately_and_leaves_no_container() {
    let code = "exports.slow = async (req, res) => {
      await new Promise((done) => setTimeout(done, 12000));
      res.send('done');
    };";
    let folder = Folder::new(&[("index.js", code)]);
    let mut dev = Dev::start(&folder);
    let url = dev.at("/slow");
    let under_way = tokio::spawn(async move { reqwest::get(url).await });
    support::eventually("the request runs", async || {
        dev.view().await["node"]["functions"][0]["running"] == 1
    })
    .await;
    let began = Instant::now();
    support::signal(dev.pid(), "INT");
    // The first one must have been seen before the second means anything.
    support::eventually("no new connection is taken", async || {
        std::net::TcpStream::connect(("127.0.0.1", dev.port())).is_err()
    })
    .await;
    dev.interrupt();
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
    // The request was cut short, and got an answer if there was still time.
    let cut = under_way.await.unwrap();
    assert!(cut.is_err() || cut.is_ok_and(|answer| answer.status().is_server_error()));
    assert_eq!(containers_of(&folder), Vec::<String>::new());
}
