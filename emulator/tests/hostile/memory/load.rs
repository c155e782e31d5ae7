//! Clients that send what no client should, and one that measures how others fare.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::support::Dev;

/// Bytes of a body that are written at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// Connections over which a rate is spread.
const PACED: u32 = 8;

/// Files this process may open.
pub fn open_files() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Raises the limit of open files to what the system allows.
pub fn raise_open_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

async fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

/// Opens `count` connections and sends `bytes` on each.
pub async fn connected(dev: &Dev, count: usize, bytes: &[u8]) -> Vec<TcpStream> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = connect(dev.port()).await;
        stream.write_all(bytes).await.unwrap();
        connections.push(stream);
    }
    connections
}

/// Posts a chunked body of `bytes` asynchronously and returns the status.
pub async fn post_chunked(dev: &Dev, function: &str, bytes: usize) -> u16 {
    let mut stream = connect(dev.port()).await;
    let head = format!(
        "POST /{function} HTTP/1.1\r\nhost: x\r\nx-fnlocal-invoke: async\r\n\
         content-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\
         connection: close\r\n\r\n"
    );
    let chunk = vec![b'x'; CHUNK_BYTES];
    let mut left = bytes;
    // A gateway that refuses early may close the connection.
    let mut sent = stream.write_all(head.as_bytes()).await;
    while left > 0 && sent.is_ok() {
        let piece = &chunk[..left.min(CHUNK_BYTES)];
        left -= piece.len();
        let framed = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        sent = stream.write_all(&framed).await;
    }
    let _refused = stream.write_all(b"0\r\n\r\n").await;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.unwrap();
    status(&line)
}

fn status(line: &str) -> u16 {
    let status = line.split(' ').nth(1).map(str::parse);
    status
        .unwrap_or_else(|| panic!("no answer: {line:?}"))
        .unwrap()
}

/// A connection that is kept, for one request after the other.
pub struct Kept(BufReader<TcpStream>);

impl Kept {
    pub async fn open(dev: &Dev) -> Self {
        Self(BufReader::new(connect(dev.port()).await))
    }

    /// Sends a GET, reads its answer and returns the status.
    async fn get(&mut self, name: &str) -> u16 {
        let request = format!("GET /{name} HTTP/1.1\r\nhost: x\r\n\r\n");
        self.0.write_all(request.as_bytes()).await.unwrap();
        let (mut first, mut length) = (String::new(), 0);
        self.0.read_line(&mut first).await.unwrap();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await.unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        status(&first)
    }

    /// Sends requests one after the other and returns how long each took.
    pub async fn times(&mut self, name: &str, length: Duration) -> Vec<Duration> {
        let end = Instant::now() + length;
        let mut times = Vec::new();
        while Instant::now() < end {
            let began = Instant::now();
            assert_eq!(self.get(name).await, 200);
            times.push(began.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        times
    }
}

/// Requests a name `rate` times a second and returns the number of answers. Each connection waits
/// for its answers, so a slow gateway gets fewer requests.
pub async fn paced(port: u16, name: String, rate: u32, length: Duration) -> usize {
    let each = async |number: u32| {
        let gap = Duration::from_secs(1) * PACED / rate;
        let mut connection = Kept(BufReader::new(connect(port).await));
        let (began, mut answered) = (Instant::now() + gap * number / PACED, 0);
        while began.elapsed() < length {
            tokio::time::sleep_until((began + gap * answered).into()).await;
            let status = connection.get(&name).await;
            assert!([404, 414].contains(&status), "{status}");
            answered += 1;
        }
        answered as usize
    };
    let all = futures_util::future::join_all((0..PACED).map(each)).await;
    all.into_iter().sum()
}

/// The 99th percentile.
pub fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}
