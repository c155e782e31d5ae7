//! Every state in which a client can leave a connection to the registry has a deadline.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::time::Duration;

use crate::support::Served;
use fnlocal_registry::HttpOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a connection may take to end before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

async fn served() -> (Served, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let options = HttpOptions {
        head_timeout: Duration::from_millis(200),
        stall_timeout: Duration::from_millis(400),
        ..HttpOptions::default()
    };
    let served = Served::start_with(folder.path(), options).await;
    (served, folder)
}

/// Sends bytes and no more. Returns what came until the registry closed the connection.
async fn answered(served: &Served, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(served.client.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer));
    let state = String::from_utf8_lossy(bytes).into_owned();
    // A reset closes it as well.
    let _reset = closed
        .await
        .unwrap_or_else(|_| panic!("still open after {state:?}"));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_client_that_never_completes_a_request_head_is_disconnected() {
    let (served, _folder) = served().await;
    for head in [
        "",
        "G",
        "GET /v2/ HTTP/1.1\r\n",
        "GET /v2/ HTTP/1.1\r\nhost: localhost\r\nx: ",
        "PRI * HTTP/2.0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        assert!(
            !answered(&served, head.as_bytes()).await.contains("200 OK"),
            "{head}"
        );
    }
}

#[tokio::test]
async fn an_idle_keep_alive_connection_is_closed() {
    let (served, _folder) = served().await;
    let request = b"GET /v2/ HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let answer = answered(&served, request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let then_half = [&request[..], b"GET /v2/"].concat();
    let answer = answered(&served, &then_half).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn a_stalled_request_body_is_refused() {
    let (served, _folder) = served().await;
    let upload = served.client.begin("a").await;
    for length in ["content-length: 100", "transfer-encoding: chunked"] {
        let head = format!("PATCH {upload} HTTP/1.1\r\nhost: localhost\r\n{length}\r\n\r\n");
        let answer = answered(&served, head.as_bytes()).await;
        assert!(answer.contains("too slowly"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_reads_no_answers_is_disconnected() {
    let (served, _folder) = served().await;
    let bytes = vec![7_u8; 8 << 20];
    let digest = served.client.blob("a", &bytes).await;
    let mut stream = TcpStream::connect(served.client.address).await.unwrap();
    let request = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let cut = async {
        // Writing goes on until the other side has gone; nothing is ever read.
        while stream.write_all(request.as_bytes()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, cut).await.unwrap();
}
