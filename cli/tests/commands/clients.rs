//! Clients that are slow, many or refused, and what becomes of their connections.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::support::{Dev, Folder};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;

const CODE: &str = "
exports.headers = (req, res) => res.json(req.headers);
exports.other = (req, res) => res.send('other');
exports.much = (req, res) => {
  const piece = Buffer.alloc(65536);
  const more = () => { while (res.write(piece)); };
  res.on('drain', more);
  more();
};
";

fn start(limits: &str) -> (Folder, Dev) {
    let folder = Folder::new(&[("index.js", CODE), ("fnlocal.toml", limits)]);
    let dev = Dev::start_with(&folder, &["--runtime", "process"]);
    (folder, dev)
}

fn connect(dev: &Dev) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", dev.port())).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream
}

#[test]
fn the_body_of_a_refused_upload_is_read_so_that_the_client_gets_the_answer() {
    let (_folder, dev) = start("");
    let mut stream = connect(&dev);
    let body = vec![b'x'; 8 << 20];
    let head = format!(
        "POST /nothing HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body).unwrap();
    // The connection is good for another request, too.
    stream
        .write_all(b"GET /headers HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert!(answers.starts_with("HTTP/1.1 404"), "{answers}");
    assert!(answers.contains("HTTP/1.1 200"), "{answers}");
}

#[test]
fn every_forwarded_for_header_is_read_and_the_last_untrusted_address_is_the_client() {
    let (_folder, dev) = start("");
    let mut stream = connect(&dev);
    let request = b"GET /headers HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: 10.0.0.1\r\n\
        x-forwarded-for: 10.0.0.2, 10.0.0.3, 127.0.0.1\r\nconnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let seen: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(seen["x-forwarded-for"], "10.0.0.3, 127.0.0.1, 127.0.0.1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_a_closed_http2_window_does_not_hold_its_instance() {
    let limits = "[limits]\nidle_timeout = \"1s\"\n[functions.much]\nmax_instances = 1\n";
    let (_folder, dev) = start(limits);
    let ask = async |window: u32| {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", dev.port()))
            .await
            .unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::Builder::new(TokioExecutor::new())
                .initial_stream_window_size(window)
                .handshake(TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let request = hyper::Request::get(dev.at("/much"))
            .body(Empty::<Bytes>::new())
            .unwrap();
        (sender.send_request(request).await.unwrap(), sender)
    };
    let (stalled, _connection) = ask(1).await;
    assert_eq!(stalled.status(), 200);
    // The one instance is free for the next.
    let (mut answer, _other) = ask(1 << 20).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.frame().await.unwrap().is_ok());
    drop(stalled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_over_its_limit_is_refused_or_cut_off() {
    let limits = "[functions.much]\nresponse_limit = \"1MB\"\n\
        [functions.other]\nresponse_limit = \"4B\"\n";
    let (_folder, dev) = start(limits);
    let known = reqwest::get(dev.at("/other")).await.unwrap();
    assert_eq!(known.status(), 502);
    let problem: Value = known.json().await.unwrap();
    assert_eq!(problem["reason"], "response_too_large", "{problem}");
    // How much it will be is not known beforehand: it ends at the limit, and not as if it were whole.
    let streamed = reqwest::get(dev.at("/much")).await.unwrap();
    assert_eq!(streamed.status(), 200);
    assert!(streamed.bytes().await.is_err());
    assert_eq!(
        reqwest::get(dev.at("/headers")).await.unwrap().status(),
        200
    );
}

#[test]
fn more_clients_than_open_files_do_not_break_the_gateway() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 200; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_fnlocal"))
        .arg("dev")
        .arg(folder.path())
        .args(["--port", "0", "--json", "--runtime", "process"]);
    let dev = Dev::start_command(command);
    let ask = |stream: &mut TcpStream, path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).unwrap();
        String::from_utf8_lossy(&piece[..count]).into_owned()
    };
    let mut first = connect(&dev);
    assert!(ask(&mut first, "/headers").starts_with("HTTP/1.1 200"));
    let crowd: Vec<TcpStream> = (0..190).map(|_| connect(&dev)).collect();
    // Starting an instance takes open files too.
    for path in ["/headers", "/other"] {
        let answer = ask(&mut first, path);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    drop(crowd);
    assert!(ask(&mut connect(&dev), "/headers").starts_with("HTTP/1.1 200"));
}
