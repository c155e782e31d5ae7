//! Every state of a connection has a deadline, and a full port still serves.

use std::process::Command;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{CLOSED, is_served, processes, rest, sent};
use crate::support::{Dev, Folder, command};

const CODE: &str = "
exports.hi = (req, res) => res.send('hi');
exports.parsed = (req, res) => res.json({ size: JSON.stringify(req.body).length });
exports.large = (req, res) => res.send('x'.repeat(4 << 20));
";
const SHORT: &str =
    "[limits]\nhead_timeout = \"2s\"\nidle_timeout = \"2s\"\nbody_timeout = \"4s\"\n";
/// Connections in a bad state at once.
const MANY: usize = 300;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The preface, and settings that give every stream the window.
fn settings(window: u32) -> Vec<u8> {
    let mut setting = vec![0, 4];
    setting.extend(window.to_be_bytes());
    [PREFACE, &frame(4, 0, 0, &setting)].concat()
}

/// A request's head without a body, on a stream.
fn get(path: &str, stream: u32, flags: u8) -> Vec<u8> {
    // GET, http, and literals for :path and :authority.
    let mut block = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.as_bytes());
    block.extend([0x01, 1, b'x']);
    frame(1, flags, stream, &block)
}

fn states() -> Vec<(&'static str, Vec<u8>)> {
    const HEAD: &[u8] = b"POST /parsed HTTP/1.1\r\nhost: x\r\ncontent-length: 1344\r\n\r\n";
    // The platform's own answers to names it does not know, none of which is taken.
    let requests: Vec<u8> = (0..20).flat_map(|n| get("/none", 2 * n + 1, 5)).collect();
    vec![
        ("no byte", Vec::new()),
        ("the first byte of a preface", b"P".to_vec()),
        ("most of a preface", PREFACE[..20].to_vec()),
        ("a preface", PREFACE.to_vec()),
        ("a preface and settings", settings(65_535)),
        (
            "a block of headers that goes on",
            [settings(65_535), get("/hi", 1, 1)].concat(),
        ),
        ("streams without a window", [settings(0), requests].concat()),
        ("half a head", b"GET /hi HTTP/1.1\r\nhost: x\r\n".to_vec()),
        ("a head and no body", HEAD.to_vec()),
        ("half a body", [HEAD, b"{"].concat()),
        (
            "a request, and then nothing",
            b"GET /hi HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_connections_in_every_state_are_closed_while_clients_are_served() {
    let folder = Folder::new(&[("index.js", CODE), ("fnlocal.toml", SHORT)]);
    let dev = processes(&folder);
    is_served(&dev, "/hi").await;
    for (state, bytes) in states() {
        let mut bad = JoinSet::new();
        for _ in 0..MANY {
            let mut stream = sent(dev.port(), &bytes).await;
            bad.spawn(async move { timeout(CLOSED, rest(&mut stream)).await.is_ok() });
        }
        is_served(&dev, "/hi").await;
        while let Some(closed) = bad.join_next().await {
            assert!(closed.unwrap(), "a connection stays open that sent {state}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_trickle_or_flood_without_a_request_are_closed() {
    let folder = Folder::new(&[("index.js", CODE), ("fnlocal.toml", SHORT)]);
    let dev = processes(&folder);
    let trickle = b"GET /hi HTTP/1.1\r\nx: ".to_vec();
    let ping = frame(6, 0, 0, &[7; 8]);
    let cases = [
        ("a head byte by byte", trickle, b"y".to_vec(), 200),
        ("pings", settings(65_535), ping, 200),
        (
            "settings without end",
            settings(65_535),
            frame(4, 0, 0, &[]),
            0,
        ),
        (
            "an untaken answer and pings",
            [settings(0), get("/large", 1, 5)].concat(),
            frame(6, 0, 0, &[7; 8]),
            200,
        ),
    ];
    for (what, begin, again, pause) in cases {
        let stream = sent(dev.port(), &begin).await;
        let ended = timeout(CLOSED, until_closed(stream, again, pause)).await;
        assert!(
            ended.is_ok(),
            "a connection goes on for ever that sends {what}"
        );
        is_served(&dev, "/hi").await;
    }
}

/// Sends bytes again and again, and reads what comes, until the other side ends it.
async fn until_closed(stream: TcpStream, again: Vec<u8>, pause: u64) {
    let (mut from, mut to) = stream.into_split();
    let writing = async {
        while to.write_all(&again).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    };
    tokio::select! {
        () = writing => {}
        _ended = async { tokio::io::copy(&mut from, &mut tokio::io::sink()).await } => {}
    }
}

/// Not more open files than that: a quarter of them at least is kept for instances.
fn with_few_files(folder: &Folder) -> Dev {
    let plain = command(folder.path(), &["--runtime", "process"]);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -n 256; exec \"$0\" \"$@\""])
        .arg(plain.get_program())
        .args(plain.get_args());
    Dev::start_command(limited)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_are_closed_for_new_ones_at_the_connection_limit() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = with_few_files(&folder);
    is_served(&dev, "/hi").await;
    for bytes in [
        &b""[..],
        b"P",
        PREFACE,
        b"GET /hi HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        let mut idle = Vec::new();
        for _ in 0..MANY {
            idle.push(sent(dev.port(), bytes).await);
        }
        is_served(&dev, "/hi").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_with_unfinished_bodies_are_closed_for_new_ones_at_the_connection_limit() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = with_few_files(&folder);
    let head = b"POST /parsed HTTP/1.1\r\nhost: x\r\ncontent-length: 1344\r\n\r\n{";
    let mut sending = Vec::new();
    for _ in 0..MANY {
        sending.push(sent(dev.port(), head).await);
    }
    is_served(&dev, "/hi").await;
}
