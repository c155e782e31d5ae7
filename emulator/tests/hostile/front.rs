//! Clients that send too little, too much or nothing, and what they cost everybody else.

mod bodies;
mod connections;
mod crowds;
mod names;
mod signals;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Dev, Folder};

/// For a good client's answer while others misbehave; a generous bound, also in a debug build.
const SERVED: Duration = Duration::from_secs(10);
/// For a connection to be closed whose deadlines are two seconds; generous for the same reason.
const CLOSED: Duration = Duration::from_secs(40);

/// A function's folder, served by plain processes.
fn processes(folder: &Folder) -> Dev {
    Dev::start_with(folder, &["--runtime", "process"])
}

/// Asserts that a path is answered 200 in time.
async fn is_served(dev: &Dev, path: &str) -> reqwest::Response {
    let client = reqwest::Client::builder().timeout(SERVED).build().unwrap();
    let answer = client.get(dev.at(path)).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{answer:?}");
    answer
}

/// Connects, sends bytes, and leaves the connection open.
async fn sent(port: u16, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Everything that comes until the other side closes.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    // A reset is an end, too.
    let _reset = stream.read_to_end(&mut all).await;
    all
}
