//! Blobs on their way in, over HTTP.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use crate::support::{Registry, Served, code, header, registry};
use fnlocal_registry::{Algorithm, Digest};
use reqwest::Method;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn a_blob_pushed_in_one_request_is_pulled_back() {
    let (served, _folder) = registry().await;
    let client = &served.client;
    let digest = client.blob("team/app", "some bytes").await;
    let path = format!("/v2/team/app/blobs/{digest}");
    let head = client.head(&path).await;
    assert_eq!(head.status(), 200);
    assert_eq!(header(&head, "content-length").unwrap(), "10");
    assert_eq!(
        header(&head, "docker-content-digest").unwrap(),
        digest.to_string()
    );
    assert_eq!(client.get(&path).await.text().await.unwrap(), "some bytes");
    assert_eq!(
        client
            .get(&format!("/v2/team/blobs/{digest}"))
            .await
            .status(),
        404
    );
}

#[tokio::test]
async fn an_upload_may_send_its_content_with_the_closing_put() {
    let (served, _folder) = registry().await;
    let upload = served.client.begin("a").await;
    let digest = Digest::by(Algorithm::Sha512, b"whole");
    let path = format!("{upload}?digest={digest}");
    let put = served.client.request(Method::PUT, &path).body("whole");
    let put = put.send().await.unwrap();
    assert_eq!(put.status(), 201);
    let blob = header(&put, "location").unwrap();
    assert_eq!(
        served.client.get(&blob).await.text().await.unwrap(),
        "whole"
    );
}

#[tokio::test]
async fn out_of_order_chunks_are_refused_with_the_current_offset() {
    let (served, _folder) = registry().await;
    let client = &served.client;
    let upload = client.begin("a").await;
    let first = client.patch(&upload, 0, b"01234").await;
    assert_eq!(first.status(), 202);
    assert_eq!(header(&first, "range").unwrap(), "0-4");
    for start in [0, 4, 6] {
        let refused = client.patch(&upload, start, b"xxxxx").await;
        assert_eq!(refused.status(), 416, "{start}");
        assert_eq!(header(&refused, "range").unwrap(), "0-4");
        assert_eq!(header(&refused, "location").unwrap(), upload);
    }
    let status = client.get(&upload).await;
    assert_eq!(status.status(), 204);
    assert_eq!(header(&status, "range").unwrap(), "0-4");
    assert_eq!(client.patch(&upload, 5, b"56789").await.status(), 202);
    let digest = Digest::sha256(b"0123456789");
    assert_eq!(client.finish(&upload, &digest).await.status(), 201);
    assert_eq!(client.get(&upload).await.status(), 404);
}

#[tokio::test]
async fn a_chunk_shorter_than_its_declared_size_is_discarded() {
    let (served, _folder) = registry().await;
    let upload = served.client.begin("a").await;
    let body = reqwest::Body::wrap_stream(of_unknown_length(b"short"));
    let patch = served.client.request(Method::PATCH, &upload);
    let patch = patch.header("content-range", "0-9").body(body);
    let refused = patch.send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert_eq!(code(refused).await, "SIZE_INVALID");
    let whole = served.client.patch(&upload, 0, b"0123456789").await;
    assert_eq!(whole.status(), 202);
    let digest = Digest::sha256(b"0123456789");
    assert_eq!(served.client.finish(&upload, &digest).await.status(), 201);
}

/// A body that does not say how long it is.
fn of_unknown_length(
    bytes: &'static [u8],
) -> impl futures_util::Stream<Item = std::io::Result<&'static [u8]>> {
    futures_util::stream::iter([Ok(bytes)])
}

#[tokio::test]
async fn an_upload_resumes_after_a_registry_restart() {
    let (served, folder) = registry().await;
    let upload = served.client.begin("a").await;
    let first = served.client.patch(&upload, 0, b"before, ").await;
    assert_eq!(first.status(), 202);
    served.stop().await;
    let served = Served::start(folder.path()).await;
    let status = served.client.get(&upload).await;
    assert_eq!(header(&status, "range").unwrap(), "0-7");
    let second = served.client.patch(&upload, 8, b"after").await;
    assert_eq!(second.status(), 202);
    let digest = Digest::sha256(b"before, after");
    assert_eq!(served.client.finish(&upload, &digest).await.status(), 201);
}

#[tokio::test]
async fn an_upload_resumes_after_a_lost_connection() {
    let (served, _folder) = registry().await;
    let upload = served.client.begin("a").await;
    let bytes = vec![7_u8; 3 << 20];
    let broken = send_some(&served.client, &upload, &bytes[..2 << 20]).await;
    drop(broken);
    go_on(&served.client, &upload, &bytes).await;
}

#[tokio::test]
async fn a_reconnecting_client_resumes_an_upload_without_waiting_for_its_old_connection() {
    let (served, _folder) = registry().await;
    let upload = served.client.begin("a").await;
    let bytes = vec![7_u8; 3 << 20];
    let silent = send_some(&served.client, &upload, &bytes[..2 << 20]).await;
    let begun = std::time::Instant::now();
    go_on(&served.client, &upload, &bytes).await;
    // Half the default stall timeout.
    assert!(begun.elapsed().as_secs() < 30);
    drop(silent);
}

/// Sends a chunk that never ends. Returns its connection when some of it is written.
async fn send_some(client: &Registry, upload: &str, bytes: &[u8]) -> TcpStream {
    let mut connection = TcpStream::connect(client.address).await.unwrap();
    let head = format!(
        "PATCH {upload} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        bytes.len() + 1
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(bytes).await.unwrap();
    while header(&client.get(upload).await, "range").unwrap() == "0-0" {}
    connection
}

/// Finishes an upload as a client does: it tries, and learns how far the registry got.
async fn go_on(client: &Registry, upload: &str, bytes: &[u8]) {
    let mut start = 0;
    loop {
        let tried = client.patch(upload, start, &bytes[start..]).await;
        if tried.status() == 202 {
            break;
        }
        assert_eq!(tried.status(), 416);
        let range = header(&tried, "range").unwrap();
        start = range.split_once('-').unwrap().1.parse::<usize>().unwrap() + 1;
    }
    let digest = Digest::sha256(bytes);
    assert_eq!(client.finish(upload, &digest).await.status(), 201);
}

#[tokio::test]
async fn an_upload_that_is_cancelled_is_gone() {
    let (served, folder) = registry().await;
    let client = &served.client;
    let upload = client.begin("a").await;
    client.patch(&upload, 0, b"bytes").await;
    assert_eq!(client.delete(&upload).await.status(), 204);
    assert_eq!(client.get(&upload).await.status(), 404);
    let finished = client.finish(&upload, &Digest::sha256(b"bytes")).await;
    assert_eq!(finished.status(), 404);
    assert_eq!(code(finished).await, "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(
        std::fs::read_dir(folder.path().join("uploads"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn an_upload_belongs_to_its_repository() {
    let (served, _folder) = registry().await;
    let upload = served.client.begin("mine").await;
    let other = upload.replace("/mine/", "/other/");
    assert_eq!(served.client.get(&other).await.status(), 404);
    assert_eq!(served.client.delete(&other).await.status(), 404);
    assert_eq!(served.client.get(&upload).await.status(), 204);
}

#[tokio::test]
async fn content_with_a_wrong_digest_is_refused_and_removed() {
    let (served, folder) = registry().await;
    let client = &served.client;
    let upload = client.begin("a").await;
    client.patch(&upload, 0, b"bytes").await;
    let other = Digest::sha256(b"other");
    let refused = client.finish(&upload, &other).await;
    assert_eq!(refused.status(), 400);
    assert_eq!(code(refused).await, "DIGEST_INVALID");
    let path = format!("/v2/a/blobs/uploads/?digest={other}");
    let at_once = client.request(Method::POST, &path).body("bytes");
    assert_eq!(at_once.send().await.unwrap().status(), 400);
    for nonsense in ["md5:abc", "sha256:..%2f..%2fx", ""] {
        let path = format!("/v2/a/blobs/uploads/?digest={nonsense}");
        let refused = client.request(Method::POST, &path).send().await.unwrap();
        assert_eq!(code(refused).await, "DIGEST_INVALID", "{nonsense}");
    }
    for folder in ["uploads", "blobs/sha256"].map(|name| folder.path().join(name)) {
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_blob_is_mounted_from_its_repository_or_else_an_upload_starts() {
    let (served, _folder) = registry().await;
    let client = &served.client;
    let digest = client.blob("from/here", "shared").await;
    let mount = async |query: String| {
        let path = format!("/v2/to/blobs/uploads/?mount={query}");
        client.request(Method::POST, &path).send().await.unwrap()
    };
    for elsewhere in ["nowhere", "..%2f..%2ffrom", ""] {
        let answer = mount(format!("{digest}&from={elsewhere}")).await;
        assert_eq!(answer.status(), 202, "{elsewhere}");
        assert!(header(&answer, "location").unwrap().contains("/uploads/"));
    }
    let unknown = Digest::sha256(b"unknown");
    assert_eq!(mount(unknown.to_string()).await.status(), 202);
    assert_eq!(
        mount(format!("{digest}&from=from/here")).await.status(),
        201
    );
    let pulled = client.get(&format!("/v2/to/blobs/{digest}")).await;
    assert_eq!(pulled.text().await.unwrap(), "shared");
}

#[tokio::test]
async fn the_server_finishes_running_requests_before_it_stops() {
    let (served, _folder) = registry().await;
    let client = served.client.clone();
    let upload = client.begin("a").await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<std::io::Result<Vec<u8>>>(1);
    let stream = futures_util::stream::unfold(receiver, async |mut receiver| {
        Some((receiver.recv().await?, receiver))
    });
    let bytes = vec![7_u8; 2 << 20];
    let path = format!("{upload}?digest={}", Digest::sha256(&bytes));
    let put = client.request(Method::PUT, &path);
    let put = put.body(reqwest::Body::wrap_stream(stream)).send();
    let put = tokio::spawn(put);
    let (first, second) = bytes.split_at(bytes.len() - 10);
    sender.send(Ok(first.to_vec())).await.unwrap();
    while header(&client.get(&upload).await, "range").unwrap() == "0-0" {}
    served.begin_to_stop();
    sender.send(Ok(second.to_vec())).await.unwrap();
    drop(sender);
    assert_eq!(put.await.unwrap().unwrap().status(), 201);
    served.stopped().await;
}
