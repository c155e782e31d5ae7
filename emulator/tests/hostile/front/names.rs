//! Nothing on the gateway's thread takes more than linear time in what a client sends.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::{SERVED, is_served, processes, rest, sent};
use crate::support::Folder;

/// Sixty functions whose names are as long as names may be.
fn functions() -> String {
    let mut code = String::from("exports.hi = (req, res) => res.send('hi');\n");
    for n in 0..60 {
        let name = format!("{}_{n:02}", "f".repeat(61));
        let _infallible = writeln!(code, "exports.{name} = (req, res) => res.send('{n}');");
    }
    code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn function_names_of_65_000_bytes_do_not_delay_other_requests() {
    let folder = Folder::new(&[("index.js", &functions())]);
    let mut dev = processes(&folder);
    is_served(&dev, "/hi").await;
    let long = "f".repeat(65_000);
    let encoded = "%66".repeat(21_000);
    let segments = "a/".repeat(32_000);
    let near = format!("{}_xyz", "f".repeat(60));
    let paths = [long, encoded, segments, near];
    let began = Instant::now();
    for path in paths.iter().cycle().take(100) {
        let request = format!("GET /{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let mut stream = sent(dev.port(), request.as_bytes()).await;
        let answer = timeout(SERVED, rest(&mut stream)).await;
        let answer = answer.expect("it is answered");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        assert!(answer.len() < 8192, "{} bytes for an answer", answer.len());
    }
    // One such name took seconds; a hundred of these take a part of one, also in a debug build.
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    let logged = dev.wait_for("the record of a long name", |record| {
        record["event"] == "request"
            && record["path"]
                .as_str()
                .is_some_and(|path| path.ends_with('…'))
    });
    let path = logged["path"].as_str().unwrap();
    assert!(path.len() < 2200, "{} bytes are logged", path.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn costly_request_heads_are_answered_promptly() {
    let folder = Folder::new(&[("index.js", &functions())]);
    let dev = processes(&folder);
    is_served(&dev, "/hi").await;
    let tokens = "a,".repeat(30_000);
    let fields: String = (0..90).fold(String::new(), |mut all, n| {
        let _infallible = write!(all, "x-fnlocal-{n}: 1\r\n");
        all
    });
    let chain = "1.2.3.4, ".repeat(1_200);
    let query = "a=b&".repeat(15_000);
    let trace = "00-".repeat(20_000);
    let heads = [
        format!("GET /hi HTTP/1.1\r\nhost: x\r\nconnection: {tokens}close\r\n{fields}\r\n"),
        format!(
            "GET /hi HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-forwarded-for: {chain}\r\n\r\n"
        ),
        format!("GET /hi?{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
        format!("GET /hi HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntraceparent: {trace}\r\n\r\n"),
    ];
    for head in &heads {
        let began = Instant::now();
        let mut stream = sent(dev.port(), head.as_bytes()).await;
        let answer = timeout(SERVED, rest(&mut stream))
            .await
            .expect("it is answered");
        assert!(answer.starts_with(b"HTTP/1.1 "), "{}", &head[..60]);
        assert!(began.elapsed() < Duration::from_secs(5), "{}", &head[..60]);
        is_served(&dev, "/hi").await;
    }
}
