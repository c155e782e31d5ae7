//! A slow sender costs room for its bytes, and no instance.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{CLOSED, is_served, processes, rest, sent};
use crate::support::{Dev, Folder, header};

const CODE: &str = "
exports.parsed = {
  func: (req, res) => res.json({ got: req.body && req.body.length, pid: process.pid }),
  config: { maxInstances: 4 },
};
exports.stream = {
  func: (req, res) => {
    let size = 0;
    req.on('data', (piece) => { size += piece.length; });
    req.on('end', () => res.json({ size, pid: process.pid }));
  },
  config: { body: 'stream', maxInstances: 1 },
};
";

/// Sends a head, and then a byte of the body after the other until the other side ends it: all
/// that was answered.
async fn slowly(port: u16, path: &str, pause: Duration) -> String {
    slowly_with(port, path, pause, "").await
}

/// The same with more lines in the head.
async fn slowly_with(port: u16, path: &str, pause: Duration, more: &str) -> String {
    let head = format!(
        "POST /{path} HTTP/1.1\r\nhost: x\r\n{more}content-type: text/plain\r\n\
         content-length: 1344\r\n\r\n"
    );
    let stream = sent(port, head.as_bytes()).await;
    let (mut from, mut to) = stream.into_split();
    let sending = tokio::spawn(async move {
        while to.write_all(b"x").await.is_ok() {
            tokio::time::sleep(pause).await;
        }
    });
    let mut all = Vec::new();
    // A reset is an end, too.
    let _reset = from.read_to_end(&mut all).await;
    sending.abort();
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_bodies_occupy_no_instance_of_a_function_with_parsed_bodies() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = processes(&folder);
    slow_bodies_hold_nothing(&dev).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_bodies_occupy_no_container_of_a_function_with_parsed_bodies() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = Dev::start(&folder);
    slow_bodies_hold_nothing(&dev).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_bodies_get_408_from_a_fleet_that_keeps_serving() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = Dev::start_with(&folder, &["--runtime", "process", "--nodes", "2"]);
    let mut slow = JoinSet::new();
    for _ in 0..12 {
        let port = dev.port();
        let pause = Duration::from_millis(100);
        slow.spawn(async move { timeout(CLOSED, slowly(port, "parsed", pause)).await });
    }
    is_served(&dev, "/parsed").await;
    while let Some(answer) = slow.join_next().await {
        let answer = answer.unwrap().expect("a slow sender is answered");
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    is_served(&dev, "/parsed").await;
}

async fn slow_bodies_hold_nothing(dev: &Dev) {
    let before = is_served(dev, "/parsed").await;
    let before = header(&before, "x-fnlocal-instance").to_owned();
    let mut slow = JoinSet::new();
    for more in ["", "connection: upgrade\r\nupgrade: other\r\n"].repeat(6) {
        let port = dev.port();
        let pause = Duration::from_millis(100);
        slow.spawn(timeout(CLOSED, slowly_with(port, "parsed", pause, more)));
    }
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        let during = is_served(dev, "/parsed").await;
        // A second instance was never needed.
        assert_eq!(header(&during, "x-fnlocal-instance"), before);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    while let Some(answer) = slow.join_next().await {
        let answer = answer.unwrap().expect("a slow sender is answered");
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(answer.contains("hint"), "{answer}");
    }
    let after = is_served(dev, "/parsed").await;
    assert_eq!(header(&after, "x-fnlocal-instance"), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_stream_is_ended_and_its_instance_survives() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = processes(&folder);
    a_slow_stream_is_ended(&dev).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_stream_is_ended_with_a_short_function_timeout() {
    let short = "[functions.stream]\ntimeout = \"2s\"\n";
    let folder = Folder::new(&[("index.js", CODE), ("fnlocal.toml", short)]);
    let dev = processes(&folder);
    a_slow_stream_is_ended(&dev).await;
}

async fn a_slow_stream_is_ended(dev: &Dev) {
    let post = async || {
        let client = reqwest::Client::new();
        let answer = client.post(dev.at("/stream")).body("whole").send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 200, "{answer:?}");
        answer.json::<serde_json::Value>().await.unwrap()["pid"].clone()
    };
    let before = post().await;
    let slow = slowly(dev.port(), "stream", Duration::from_millis(100));
    let answer = timeout(CLOSED, slow)
        .await
        .expect("a slow sender is answered");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(post().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_every_size_and_framing_arrive_completely() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = processes(&folder);
    let http1 = reqwest::Client::new();
    let http2 = reqwest::Client::builder().http2_prior_knowledge().build();
    let http2 = http2.unwrap();
    for size in [0, 1, 1344, 70_000, 3 << 20] {
        let body = vec![b'x'; size];
        let chunks: Vec<_> = body
            .chunks(50_000)
            .map(|chunk| Ok(chunk.to_vec()))
            .collect();
        let chunks =
            futures_util::stream::iter(chunks.into_iter().map(|one: std::io::Result<_>| one));
        let bodies = [
            (&http1, reqwest::Body::from(body.clone())),
            (&http2, reqwest::Body::from(body)),
            (&http1, reqwest::Body::wrap_stream(chunks)),
        ];
        for (client, body) in bodies {
            let post = client.post(dev.at("/parsed")).body(body);
            let answer = post
                .header("content-type", "text/plain")
                .send()
                .await
                .unwrap();
            let status = answer.status();
            let seen: serde_json::Value = answer.json().await.unwrap();
            assert_eq!(status, 200, "{size} bytes: {seen}");
            assert_eq!(
                seen["got"].as_u64().unwrap_or_default(),
                size as u64,
                "{seen}"
            );
        }
    }
    let expects = b"POST /parsed HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n\
        expect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";
    let mut stream = sent(dev.port(), expects).await;
    let answer = String::from_utf8_lossy(&rest(&mut stream).await).into_owned();
    assert!(answer.starts_with("HTTP/1.1 100"), "{answer}");
    assert!(answer.contains("\"got\":2"), "{answer}");
    let too_large = b"POST /parsed HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n\
        content-length: 900000000\r\nconnection: close\r\n\r\n";
    let mut stream = sent(dev.port(), too_large).await;
    let answer = String::from_utf8_lossy(&rest(&mut stream).await).into_owned();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}
