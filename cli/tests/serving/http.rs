//! The allowed and the forbidden parts of HTTP, through the whole way to a function.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Dev, Folder};
use serde_json::Value;

const CODE: &str = r#"
exports.echo = (req, res) => {
  res.set('x-method', req.method);
  res.json({ url: req.url, base: req.baseUrl, headers: req.headers, body: req.body });
};
exports.size = {
  func: (req, res) => {
    let size = 0;
    req.on('data', (piece) => { size += piece.length; });
    req.on('end', () => res.json({ size }));
  },
  config: { body: 'stream' },
};
exports.trailing = (req, res) => {
  res.setHeader('Trailer', 'x-sum');
  res.write('part');
  res.addTrailers({ 'x-sum': '7' });
  res.end();
};
exports.slow = async (req, res) => {
  await new Promise((done) => setTimeout(done, 1500));
  res.send('late');
};
"#;

fn start(folder: &Folder) -> Dev {
    Dev::start(folder)
}

/// Sends bytes as they are and reads until the server closes or falls silent.
pub fn raw(dev: &Dev, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", dev.port())).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(3)))
        .unwrap();
    // The server may close before it has read everything.
    let _closed_early = stream.write_all(request);
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(count) = stream.read(&mut piece) {
        if count == 0 {
            break;
        }
        answer.extend_from_slice(&piece[..count]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_receives_the_request_as_sent() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = start(&folder);
    let answer = reqwest::Client::new()
        .patch(dev.at("/echo/a%2Fb?x=1&x=2"))
        .header("x-own", "kept")
        .header("x-fnlocal-forged", "1")
        .json(&serde_json::json!({"n": 1}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["x-method"], "PATCH");
    let seen: Value = answer.json().await.unwrap();
    assert_eq!(seen["url"], "/a%2Fb?x=1&x=2");
    assert_eq!(seen["base"], "/echo");
    assert_eq!(seen["body"]["n"], 1);
    let headers = &seen["headers"];
    assert_eq!(headers["x-own"], "kept");
    assert_eq!(headers["x-fnlocal-forged"], Value::Null);
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["x-fnlocal-request-id"].as_str().unwrap().len(), 16);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_trailers_expect_continue_and_pipelining_are_supported() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = start(&folder);
    let head = raw(
        &dev,
        b"HEAD /echo HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    );
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        head.contains("content-length: ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let trailing = raw(
        &dev,
        b"GET /trailing HTTP/1.1\r\nhost: localhost\r\nte: trailers\r\nconnection: close\r\n\r\n",
    );
    assert!(trailing.to_lowercase().contains("x-sum: 7"), "{trailing}");
    let expecting = raw(
        &dev,
        b"POST /size HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi",
    );
    assert!(expecting.starts_with("HTTP/1.1 100"), "{expecting}");
    assert!(expecting.contains("{\"size\":2}"), "{expecting}");
    let two = raw(
        &dev,
        b"GET /echo/1 HTTP/1.1\r\nhost: localhost\r\n\r\nGET /echo/2 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    );
    let (one, other) = (two.find("\"/1\""), two.find("\"/2\""));
    assert!(one.is_some() && one < other, "{two}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_without_tls_is_supported() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = start(&folder);
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let answer = client.get(dev.at("/echo/x")).send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    let seen: Value = answer.json().await.unwrap();
    assert_eq!(seen["url"], "/x");
    assert_eq!(
        seen["headers"]["host"],
        dev.url.trim_start_matches("http://")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_paths_and_smuggled_requests_are_refused() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = start(&folder);
    let line = |target: &str| {
        let request =
            format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        raw(&dev, request.as_bytes())
    };
    for target in ["/echo/../size", "/%2e%2e/x", "/echo%2fx", "/..%2F..%2Fetc"] {
        assert!(
            line(target).starts_with("HTTP/1.1 400"),
            "{target}: {}",
            line(target)
        );
    }
    assert!(line("http://evil.example/echo").starts_with("HTTP/1.1 200"));
    assert!(line("/nothing").contains("unknown_function"));
    assert!(line("/ech").contains("did you mean /echo?"));
    assert!(line("/_fnlocal/nothing").starts_with("HTTP/1.1 404"));
    let smuggled = raw(
        &dev,
        b"POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /size HTTP/1.1\r\nhost: localhost\r\n\r\n",
    );
    // RFC 9112, 6.1: the chunked length counts, and the connection is closed, so that what may
    // have been smuggled behind it is never read as a request.
    assert_eq!(smuggled.matches("HTTP/1.1 ").count(), 1, "{smuggled}");
    assert!(smuggled.contains("connection: close"), "{smuggled}");
    let two_lengths = raw(
        &dev,
        b"POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcde",
    );
    assert!(two_lengths.starts_with("HTTP/1.1 400"), "{two_lengths}");
    let with_headers = |count: usize| {
        let lines: String = (0..count).map(|n| format!("x-{n}: 1\r\n")).collect();
        let request = format!("GET /echo HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n");
        raw(&dev, request.as_bytes())
    };
    assert!(with_headers(200).starts_with("HTTP/1.1 431"));
    // The client still sends these when the connection is closed, and reads the answer anyway.
    assert!(with_headers(10_000).starts_with("HTTP/1.1 431"));
    // And it goes on serving.
    assert!(line("/echo").starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn platform_paths_are_refused_for_foreign_host_names() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = start(&folder);
    let request = b"GET /_fnlocal/view HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    assert!(raw(&dev, request).starts_with("HTTP/1.1 403"));
    let request =
        b"GET /_fnlocal/health HTTP/1.1\r\nhost: localhost:9000\r\nconnection: close\r\n\r\n";
    assert!(raw(&dev, request).starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gigabyte_streams_through_in_bounded_memory() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = start(&folder);
    let piece = bytes::Bytes::from(vec![7; 1 << 20]);
    let pieces =
        futures_util::stream::iter((0..1024).map(move |_| Ok::<_, std::io::Error>(piece.clone())));
    let answer = reqwest::Client::new()
        .post(dev.at("/size"))
        .body(reqwest::Body::wrap_stream(pieces))
        .send()
        .await
        .unwrap();
    let seen: Value = answer.json().await.unwrap();
    assert_eq!(seen["size"], 1u64 << 30);
    let status = std::fs::read_to_string(format!("/proc/{}/status", dev.pid())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak_kib: u64 = peak.trim().trim_end_matches("kB").trim().parse().unwrap();
    assert!(peak_kib < 200 * 1024, "fnlocal grew to {peak_kib} KiB");
    // A parsed body of that size is refused instead.
    let too_big = reqwest::Client::new()
        .post(dev.at("/echo"))
        .header("content-type", "application/json")
        .body(vec![b' '; 8 << 20])
        .send()
        .await
        .unwrap();
    assert_eq!(too_big.status(), 413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_is_free_again_after_its_client_left() {
    let limits = "[functions.slow]\nmax_instances = 1\n";
    let folder = Folder::new(&[("index.js", CODE), ("fnlocal.toml", limits)]);
    let dev = start(&folder);
    let impatient = reqwest::Client::builder()
        .timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    for _ in 0..3 {
        impatient.get(dev.at("/slow")).send().await.unwrap_err();
    }
    let patient = reqwest::get(dev.at("/slow")).await.unwrap();
    assert_eq!(patient.status(), 200);
    assert_eq!(patient.text().await.unwrap(), "late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_sending_gets_408_and_frees_its_instance() {
    let limits = "[limits]\nidle_timeout = \"1s\"\n[functions.size]\nmax_instances = 1\n";
    let folder = Folder::new(&[("index.js", CODE), ("fnlocal.toml", limits)]);
    let dev = start(&folder);
    let stalled = raw(
        &dev,
        b"POST /size HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nonly this",
    );
    assert!(stalled.starts_with("HTTP/1.1 408"), "{stalled}");
    // The one instance is free for the next.
    let whole = raw(
        &dev,
        b"POST /size HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi",
    );
    assert!(whole.contains("{\"size\":2}"), "{whole}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_stream_delays_shutdown_only_briefly() {
    let code = "exports.ticks = (req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      const timer = setInterval(() => res.write('data: x\\n\\n'), 100);
      res.on('close', () => clearInterval(timer));
    };";
    let folder = Folder::new(&[("index.js", code)]);
    let mut dev = start(&folder);
    let mut stream = reqwest::get(dev.at("/ticks")).await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    let began = std::time::Instant::now();
    assert_eq!(dev.interrupt(), Some(0));
    assert!(
        began.elapsed() < Duration::from_secs(18),
        "{:?}",
        began.elapsed()
    );
}
