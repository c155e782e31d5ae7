//! Many slow senders of large bodies together take no place from a fast one.

use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::{is_served, processes, sent};
use crate::support::{Dev, Folder, eventually};

const CODE: &str = "
exports.parsed = {
  func: (req, res) => res.json({ got: req.body && req.body.length }),
  config: { maxInstances: 2 },
};
";
const SENDERS: usize = 200;
/// Bodies in files that arrive at once before their requests are entered.
const FILES: usize = 128;
/// Large bodies of jobs that arrive at once.
const UPLOADS: usize = 24;
/// More than is kept in memory of a body.
const LARGE: usize = 200_000;

/// Sends the beginning of a large body and then a little more than the least rate, until the other
/// side ends it: all that was answered.
async fn trickle(port: u16, more: &'static str) -> String {
    let head = format!(
        "POST /parsed HTTP/1.1\r\nhost: x\r\n{more}content-type: text/plain\r\n\
         content-length: 5000000\r\n\r\n"
    );
    let stream = sent(port, head.as_bytes()).await;
    let (mut from, mut to) = stream.into_split();
    let sending = tokio::spawn(async move {
        let _closed = to.write_all(&vec![b'x'; 70_000]).await;
        while to.write_all(&[b'x'; 150]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    });
    let mut all = Vec::new();
    // A reset is an end, too.
    let _reset = from.read_to_end(&mut all).await;
    sending.abort();
    String::from_utf8_lossy(&all).into_owned()
}

fn crowd(dev: &Dev, more: &'static str) -> JoinSet<String> {
    let mut slow = JoinSet::new();
    for _ in 0..SENDERS {
        slow.spawn(trickle(dev.port(), more));
    }
    slow
}

fn large(dev: &Dev) -> RequestBuilder {
    let request = Client::new().post(dev.at("/parsed"));
    request
        .header("content-type", "text/plain")
        .body("x".repeat(LARGE))
}

/// Waits for the answer of one that made room, and asserts that each got exactly one.
async fn one_made_room(dev: &Dev, mut slow: JoinSet<String>) {
    loop {
        let answer = slow.join_next().await.expect("one made room").unwrap();
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        if answer.starts_with("HTTP/1.1 408") {
            assert!(answer.contains("\"slowest_sender\""), "{answer}");
            assert!(answer.contains("retry-after: "), "{answer}");
            break;
        }
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    }
    eventually("the log tells of it", async || {
        let text = dev.look("/_fnlocal/logs?kind=invocation").await;
        let text = text.text().await.unwrap();
        let records = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        records
            .into_iter()
            .any(|one: Value| one["problem"] == "slowest_sender" && one["status"] == 408)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_slow_uploads_does_not_block_a_fast_one() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = processes(&folder);
    is_served(&dev, "/parsed").await;
    let mut slow = crowd(&dev, "");
    for _ in FILES..SENDERS {
        let refused = slow.join_next().await.unwrap().unwrap();
        assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
        assert_eq!(refused.matches("HTTP/1.1 ").count(), 1, "{refused}");
    }
    // All files are taken now. New senders are not judged yet, so it may have to come again.
    eventually("a fast sender gets through", async || {
        let answer = large(&dev).send().await.unwrap();
        answer.status() == 200
    })
    .await;
    one_made_room(&dev, slow).await;
    assert_eq!(large(&dev).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_slow_asynchronous_uploads_does_not_block_a_fast_one() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = processes(&folder);
    let slow = crowd(&dev, "x-fnlocal-invoke: async\r\n");
    eventually("all places are taken", async || {
        let bodies = std::fs::read_dir(folder.path().join(".fnlocal/queue-bodies"));
        bodies.map_or(0, Iterator::count) >= UPLOADS
    })
    .await;
    let fast = large(&dev).header("x-fnlocal-invoke", "async").send().await;
    assert_eq!(fast.unwrap().status(), 202);
    one_made_room(&dev, slow).await;
}
