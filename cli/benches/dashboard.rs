//! The cost of a viewer of the dashboard for callers of functions.
//!
//! The same load by turns without and with the dashboard's events being read, as a page does. First
//! as many requests as there is room for, which shows what throughput is lost; then 500 a second,
//! which shows what a request costs fnlocal on a processor. The second is the steadier figure: it
//! hardly depends on what else the machine does.
//!
//! `FNLOCAL_BENCH_PAIRS` shortens it.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;
use support::cpu::Cpu;
use support::pairs::Pairs;
use support::{Dev, wrk};

const PAIRS: usize = 24;
/// Of fewer, none says with 95 % where the median lies.
const LEAST: usize = 6;
const SLOTS: u32 = 4;
/// Of a round in which everybody sends what they can.
const SECONDS: u32 = 2;
/// Requests a second, and how long, in a round in which a rate is kept.
const RATE: u32 = 500;
const ROUND: Duration = Duration::from_secs(3);
const ANSWER: &str = "hello";

fn main() {
    let pairs = std::env::var("FNLOCAL_BENCH_PAIRS").ok();
    let pairs = pairs.map_or(PAIRS, |text| text.parse().expect("a number of pairs"));
    assert!(pairs >= LEAST, "{LEAST} pairs at the least");
    let folder = tempfile::tempdir().expect("a folder can be made");
    let code = format!("exports.hello = (req, res) => res.send('{ANSWER}');\n");
    let config = format!(
        "[functions.hello]\nmax_instances = {SLOTS}\nmin_instances = {SLOTS}\nmemory = \"64MB\"\n\
         rps = 1000000\npause_after = \"1h\"\nstop_after = \"2h\"\n[dev]\nspares = 0\n"
    );
    std::fs::write(folder.path().join("index.js"), code).expect("the file can be written");
    std::fs::write(folder.path().join("fnlocal.toml"), config).expect("the file can be written");
    let dev = Dev::start(folder.path(), &["--runtime", "process", "--quiet"], &[]);
    // Everybody busy once: instances started, code compiled.
    wrk(&dev.url("/hello"), SLOTS, 3);
    println!("{SLOTS} Node instances, {pairs} pairs of rounds");
    let throughput = {
        let mut rounds = Pairs::default();
        for _ in 0..pairs {
            rounds.add(|looked_at| {
                looking(&dev, looked_at, || {
                    let load = wrk(&dev.url("/hello"), SLOTS, SECONDS);
                    assert_eq!(load.failed, 0, "every request is answered with 200");
                    load.per_second
                })
            });
        }
        rounds
    };
    say("throughput", &throughput, ">= 0.97");
    let mut cpu = Cpu::of(dev.pid());
    let mut rounds = Pairs::default();
    for _ in 0..pairs {
        rounds.add(|looked_at| looking(&dev, looked_at, || micros_a_request(&dev, &mut cpu)));
    }
    say("time on a processor, of a request at 500/s", &rounds, "");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    support::write(
        "dashboard",
        &json!({
            "throughput": throughput.json(),
            "cpu_us_per_request_at_500_a_second": rounds.json(),
            "cores": cores,
        }),
    );
}

fn say(what: &str, rounds: &Pairs, wanted: &str) {
    let ratio = rounds.ratio();
    support::ratio(
        &format!("{what}, with / without"),
        ratio.of_medians,
        if wanted.is_empty() {
            "reported"
        } else {
            wanted
        },
    );
    println!("    95 %: {:.3} to {:.3}", ratio.low, ratio.high);
}

/// Measures while somebody looks, or while nobody does.
fn looking(dev: &Dev, looked_at: bool, measure: impl FnOnce() -> f64) -> f64 {
    let watcher = looked_at.then(|| Watcher::start(dev));
    let measured = measure();
    if let Some(watcher) = watcher {
        let pictures = watcher.end();
        assert!(pictures >= 4, "{pictures} pictures in a round of seconds");
    }
    measured
}

/// Microseconds of fnlocal's own time a request takes, at a rate that is kept.
fn micros_a_request(dev: &Dev, cpu: &mut Cpu) -> f64 {
    let before = cpu.used();
    let answered = at_a_rate(dev.port);
    let used = cpu.used() - before;
    used.as_secs_f64() * 1e6 / f64::from(answered)
}

/// One request after the other on one connection, each when it is due; how many were answered.
fn at_a_rate(port: u16) -> u32 {
    let mut stream = connect(port, "/hello", "");
    let ask = format!("GET /hello HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n");
    let mut answered = 0;
    let mut piece = [0; 4096];
    let began = Instant::now();
    loop {
        read_answer(&mut stream, &mut piece);
        answered += 1;
        let due = began + Duration::from_secs(1) / RATE * answered;
        if due >= began + ROUND {
            return answered;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        stream.write_all(ask.as_bytes()).expect("it reads on");
    }
}

fn read_answer(stream: &mut TcpStream, piece: &mut [u8]) {
    let mut read = 0;
    while !piece[..read].ends_with(ANSWER.as_bytes()) {
        let more = stream.read(&mut piece[read..]).expect("it answers");
        assert!(more > 0, "the connection is kept");
        read += more;
    }
    assert!(piece.starts_with(b"HTTP/1.1 200"), "it answers with 200");
}

/// A connection to this machine's own port on which something was asked, with more lines in the head.
fn connect(port: u16, path: &str, more: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_nodelay(true).expect("it is TCP");
    let ask = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{more}\r\n");
    stream.write_all(ask.as_bytes()).expect("it reads");
    stream
}

/// A viewer: reads all events, as a page does.
struct Watcher {
    stream: TcpStream,
    reading: JoinHandle<usize>,
}

impl Watcher {
    fn start(dev: &Dev) -> Self {
        let token = format!("x-fnlocal-token: {}\r\n", dev.token);
        let stream = connect(dev.platform, "/_fnlocal/events", &token);
        let mut events = stream.try_clone().expect("there are open files left");
        let reading = std::thread::spawn(move || {
            let mut text = Vec::new();
            let mut piece = vec![0; 64 * 1024];
            // Until the connection is shut down.
            while let Ok(read @ 1..) = events.read(&mut piece) {
                text.extend_from_slice(&piece[..read]);
            }
            let said = String::from_utf8_lossy(&text);
            said.matches("event: state\n").count()
        });
        Self { stream, reading }
    }

    /// How many pictures it saw.
    fn end(self) -> usize {
        self.stream
            .shutdown(Shutdown::Both)
            .expect("it is connected");
        self.reading.join().expect("it only reads")
    }
}
