//! Heads of requests: targets that are no URI, large heads, and heads that are refused.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::http::raw;
use crate::support::{Dev, Folder};

const CODE: &str = r#"
exports.echo = (req, res) => {
  res.json({ url: req.url, query: req.query, body: req.body, cookies: req.rawHeaders.filter((text) => text.includes('=')) });
};
exports.size = (req, res) => { res.json({ size: JSON.stringify(req.headers).length }); };
"#;

fn processes(folder: &Folder) -> Dev {
    Dev::start_with(folder, &["--runtime", "process"])
}

/// The head of an answer, and its body as JSON.
fn answer(text: &str) -> (String, Value) {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let body = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}"));
    (head.to_owned(), body)
}

/// Gets a target as it is, on a connection of its own.
fn get(dev: &Dev, target: &[u8], headers: &str) -> (String, Value) {
    let around = [
        b"GET ",
        target,
        b" HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n",
        headers.as_bytes(),
        b"\r\n",
    ];
    answer(&raw(dev, &around.concat()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn characters_invalid_in_uris_reach_the_function_unchanged() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let mut dev = processes(&folder);
    for character in "\"<>`{|}^[]".chars() {
        let target = format!("/a{character}b?q={character}&r=%22");
        let (head, seen) = get(&dev, format!("/echo{target}").as_bytes(), "");
        assert!(head.starts_with("HTTP/1.1 200"), "{character}: {head}");
        assert_eq!(seen["url"], target);
        assert_eq!(
            seen["query"],
            json!({"q": character.to_string(), "r": "\""})
        );
        let forged = "x-fnlocal-target: /forged\r\n";
        let (_, seen) = get(&dev, format!("/echo{target}").as_bytes(), forged);
        assert_eq!(seen["url"], target);
    }
    let (_, seen) = get(&dev, b"/echo/a?q=b", "x-fnlocal-target: /forged\r\n");
    assert_eq!(seen["url"], "/a?q=b");
    // Bytes that are no UTF-8, and some that are: Node reads both as Latin-1.
    let (_, seen) = get(&dev, b"/echo/\xe4?q=\xff", "");
    assert_eq!(seen["url"], "/\u{e4}?q=\u{ff}");
    let (_, seen) = get(&dev, "/echo/ä".as_bytes(), "");
    assert_eq!(seen["url"], "/\u{c3}\u{a4}");
    let (_, seen) = get(&dev, b"http://localhost/echo/<", "");
    assert_eq!(seen["url"], "/<");
    let line = dev.wait_for("the record of a request", |record| {
        record["path"] == "/echo/a\"b?q=%22&r=%22"
    });
    assert_eq!(line["status"], 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_accepts_repeated_invalid_uri_targets_and_changes_no_body() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = processes(&folder);
    let mut stream = TcpStream::connect(("127.0.0.1", dev.port())).unwrap();
    let timeout = Some(Duration::from_secs(20));
    stream.set_read_timeout(timeout).unwrap();
    let body = r#"{"a":"GET /\" HTTP/1.1"}"#;
    for round in 0..3 {
        let head = format!(
            "POST /echo/\"{round}?q=<> HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        // Pieces that begin wherever: in the target, at the body, and in it.
        for piece in [&head[..8], &head[8..], &body[..6], &body[6..]] {
            stream.write_all(piece.as_bytes()).unwrap();
            stream.flush().unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut text = String::new();
        while !text.contains("\"cookies\":[]}") {
            let mut piece = [0; 4096];
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0, "{text}");
            text.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        }
        let (_, seen) = answer(&text);
        assert_eq!(seen["url"], format!("/\"{round}?q=<>"));
        assert_eq!(seen["body"]["a"], "GET /\" HTTP/1.1");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_request_head_gets_a_body_with_a_reason_and_a_log_record() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let mut dev = processes(&folder);
    let long = format!("GET /echo?{} HTTP/1.1\r\n\r\n", "q".repeat(66_000));
    let many = format!("GET /echo/many HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200));
    let refused: [(&[u8], &str, &str, &str); 7] = [
        (
            b"GET /echo/1 HTTP/1.1\r\nhost x\r\n\r\n",
            "400",
            "bad_head",
            "/echo/1",
        ),
        (
            b"GET /echo/2 3 HTTP/1.1\r\n\r\n",
            "400",
            "bad_head",
            "/echo/2",
        ),
        (
            b"GET /echo/4 HTTP/7.1\r\n\r\n",
            "400",
            "bad_head",
            "/echo/4",
        ),
        (b"GET echo HTTP/1.1\r\n\r\n", "400", "bad_path", ""),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
            "400",
            "bad_head",
            "-",
        ),
        (many.as_bytes(), "431", "headers_too_large", "/echo/many"),
        (long.as_bytes(), "414", "target_too_long", ""),
    ];
    for (sent, status, reason, path) in refused {
        let text = raw(&dev, sent);
        let (head, problem) = answer(&text);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{text}");
        assert!(head.contains("application/problem+json"), "{text}");
        assert_eq!(problem["reason"], reason);
        assert!(problem["detail"].is_string(), "{problem}");
        let line = dev.wait_for("the record of a refused head", |record| {
            record["request"] == problem["request_id"] || record["id"] == problem["request_id"]
        });
        let seen = line["path"].as_str().unwrap();
        assert!(seen.starts_with(path), "{line}");
        assert_eq!(line["status"].to_string(), status);
    }
    let (_, problem) = answer(&raw(&dev, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"));
    assert!(problem["hint"].as_str().unwrap().contains("https"));
    let (_, seen) = get(&dev, b"/echo/after", "");
    assert_eq!(seen["url"], "/after");
}

/// Asserts that a head with a header of this size is answered with this status, by this instance.
fn assert_head(dev: &Dev, size: usize, status: &str) -> String {
    let headers = format!("x-long: {}\r\n", "x".repeat(size));
    let (head, body) = get(dev, b"/size", &headers);
    assert!(
        head.starts_with(&format!("HTTP/1.1 {status}")),
        "{size}: {head} {body}"
    );
    if status == "200" {
        assert!(body["size"].as_u64().unwrap() > size as u64);
    } else {
        assert_eq!(body["reason"], "headers_too_large");
        assert!(body["hint"].as_str().unwrap().contains("max_header_size"));
    }
    let instance = head
        .lines()
        .find(|line| line.starts_with("x-fnlocal-instance"));
    instance.unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_heads_up_to_64_kb_are_served_and_larger_ones_do_not_end_the_instance() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = Dev::start(&folder);
    let first = assert_head(&dev, 10, "200");
    for size in [16_000, 17_000, 40_000, 65_000] {
        assert_eq!(assert_head(&dev, size, "200"), first);
    }
    for size in [66_000, 90_000, 110_000, 200_000, 1_000_000] {
        assert_head(&dev, size, "431");
        assert_eq!(assert_head(&dev, 60_000, "200"), first);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn max_header_size_of_fnlocal_toml_applies_to_dev_and_to_fleets() {
    let config = "[limits]\nmax_header_size = \"300KB\"\n";
    let folder = Folder::new(&[("index.js", CODE), ("fnlocal.toml", config)]);
    for nodes in [&[][..], &["--nodes", "2"]] {
        let dev = Dev::start_with(&folder, &[&["--runtime", "process"], nodes].concat());
        assert_head(&dev, 290_000, "200");
        assert_head(&dev, 320_000, "431");
    }
    let small = "[limits]\nmax_header_size = \"4KB\"\n";
    folder.write("fnlocal.toml", small);
    let dev = processes(&folder);
    assert_head(&dev, 3_000, "200");
    for size in [5_000, 40_000] {
        assert_head(&dev, size, "431");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_split_by_http2_arrive_as_one_header() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = processes(&folder);
    let client = reqwest::Client::builder().http2_prior_knowledge();
    let request = client.build().unwrap().get(dev.at("/echo"));
    let request = request.header("cookie", "a=1").header("cookie", "b=2");
    let seen: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(seen["cookies"], json!(["a=1; b=2"]));
}
