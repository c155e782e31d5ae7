//! The gateway against nginx, in one run, to the same backends over the same unix sockets.
//!
//! `fnlocal dev --runtime process` runs as it is; nginx is put in front of the very sockets its
//! instances listen on, so both proxy to the same processes. First a trivial backend in Rust,
//! which shows the proxies' own ceiling, then real Node functions.
//!
//! The trivial backend is one process behind all sockets, so that switching between dozens of
//! processes does not drown what the proxies differ in. fnlocal starts this same program in place
//! of Node.js; each start only asks the one backend to listen on its socket as well.
//!
//! Beside them runs a relay that only copies bytes: what it is ahead of nginx is all that a machine
//! leaves to be won.

mod support;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use support::relay::{self, Relay};
use support::{Dev, Load, median, ratio, wrk};
use tokio::io::AsyncBufReadExt;
use tokio::net::UnixListener;

const ROUNDS: usize = 5;
const SECONDS: u32 = 3;

fn main() {
    if let Ok(socket) = std::env::var("FNLOCAL_SOCKET") {
        hand_over(&socket);
        return;
    }
    if std::env::args().nth(1).as_deref() == Some("backend") {
        trivial_backend();
        return;
    }
    if std::env::args().nth(1).as_deref() == Some("relay") {
        relay::run(std::env::args().skip(2));
        return;
    }
    let trivial = std::env::current_exe().expect("this program has a path");
    if std::env::args().nth(1).as_deref() == Some("-p") {
        // fnlocal asks a `node` it finds who it is.
        println!("{}\nv26.0.0", trivial.display());
        return;
    }
    let mut figures = serde_json::Map::new();
    let cases = [
        (
            "trivial backend, 32 slots, c=32",
            32,
            Some(trivial.as_path()),
        ),
        ("16 Node instances, c=16", 16, None),
    ];
    for (what, slots, backend) in cases {
        println!("{what}");
        let (ours, nginx, relay) = compare(slots, backend, &trivial);
        let throughput = median(over(&ours, |load| load.per_second))
            / median(over(&nginx, |load| load.per_second));
        let p50 =
            median(over(&ours, |load| load.p50_us)) / median(over(&nginx, |load| load.p50_us));
        ratio("throughput, ours / nginx", throughput, ">= 1.3");
        ratio("p50 latency, ours / nginx", p50, "<= 0.8");
        let bare = median(over(&relay, |load| load.per_second))
            / median(over(&nginx, |load| load.per_second));
        ratio("throughput, a relay of bytes / nginx", bare, "reported");
        figures.insert(
            what.to_owned(),
            json!({
                "throughput_ratio": throughput,
                "p50_ratio": p50,
                "relay_throughput_ratio": bare,
                "ours": shown(&ours),
                "nginx": shown(&nginx),
                "relay": shown(&relay),
            }),
        );
    }
    support::write("gateway", &figures.into());
}

fn over(loads: &[Load], of: impl Fn(&Load) -> f64) -> Vec<f64> {
    loads.iter().map(of).collect()
}

fn shown(loads: &[Load]) -> serde_json::Value {
    json!({
        "per_second": median(over(loads, |load| load.per_second)),
        "p50_us": median(over(loads, |load| load.p50_us)),
        "p99_us": median(over(loads, |load| load.p99_us)),
    })
}

/// Rounds of ours and nginx by turns, so that the machine's moods hit both.
fn compare(
    slots: u32,
    backend: Option<&Path>,
    program: &Path,
) -> (Vec<Load>, Vec<Load>, Vec<Load>) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let code = "exports.hello = (req, res) => res.send('hello');\n";
    let config = format!(
        "[functions.hello]\nmax_instances = {slots}\nmin_instances = {slots}\nmemory = \"64MB\"\n\
         rps = 1000000\npause_after = \"1h\"\nstop_after = \"2h\"\n[dev]\nspares = 0\n"
    );
    std::fs::write(folder.path().join("index.js"), code).expect("the file can be written");
    std::fs::write(folder.path().join("fnlocal.toml"), config).expect("the file can be written");
    let bin = tempfile::tempdir().expect("a folder can be made");
    let path = backend.map(|backend| path_with_node(bin.path(), backend));
    let _backend = backend.map(|program| Backend::start(program, bin.path()));
    let mut env: Vec<(&str, &Path)> = path.iter().map(|path| ("PATH", path.as_path())).collect();
    env.push(("TMPDIR", bin.path()));
    let dev = Dev::start(folder.path(), &["--runtime", "process", "--quiet"], &env);
    // Everybody busy once, so that every instance is there.
    wait_for_instances(&dev, slots);
    wrk(&dev.url("/hello"), slots, 2);
    let sockets = sockets_of(dev.pid(), slots);
    let nginx = Nginx::start(bin.path(), &sockets);
    wrk(&nginx.url(), slots, 1);
    let relay = Relay::start(program, &sockets);
    let mut bare = Vec::new();
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..ROUNDS {
        ours.push(wrk(&dev.url("/hello"), slots, SECONDS));
        theirs.push(wrk(&nginx.url(), slots, SECONDS));
        bare.push(wrk(&relay.url(), slots, SECONDS));
    }
    for load in ours.iter().chain(&theirs).chain(&bare) {
        assert_eq!(load.failed, 0, "every request is answered with 200");
    }
    (ours, theirs, bare)
}

/// A `PATH` in which the trivial backend is `node`.
fn path_with_node(bin: &Path, backend: &Path) -> PathBuf {
    std::os::unix::fs::symlink(backend, bin.join("node")).expect("the link can be made");
    let rest = std::env::var("PATH").unwrap_or_default();
    PathBuf::from(format!("{}:{rest}", bin.display()))
}

fn wait_for_instances(dev: &Dev, slots: u32) {
    for _ in 0..600 {
        let view = Command::new("curl")
            .arg("--silent")
            .arg(format!("http://127.0.0.1:{}/_fnlocal/view", dev.platform))
            .output()
            .expect("curl is installed");
        let view: serde_json::Value = serde_json::from_slice(&view.stdout).unwrap_or_default();
        let idle = view["node"]["functions"][0]["instances"]["idle"].as_u64();
        if idle == Some(u64::from(slots)) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("the instances did not come up");
}

/// The sockets of fnlocal's child processes, from their environment.
fn sockets_of(fnlocal: u32, wanted: u32) -> Vec<PathBuf> {
    let listed = Command::new("pgrep")
        .args(["--parent", &fnlocal.to_string()])
        .output()
        .expect("pgrep is installed");
    let sockets: Vec<PathBuf> = String::from_utf8_lossy(&listed.stdout)
        .lines()
        .filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/environ")).ok())
        .filter_map(|environ| {
            let found = environ
                .split('\0')
                .find_map(|entry| entry.strip_prefix("FNLOCAL_SOCKET="))?;
            Some(PathBuf::from(found))
        })
        .collect();
    assert_eq!(sockets.len(), wanted as usize, "one socket an instance");
    sockets
}

struct Nginx {
    child: Child,
    port: u16,
}

impl Nginx {
    fn start(folder: &Path, sockets: &[PathBuf]) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = free.local_addr().expect("it is bound").port();
        drop(free);
        let servers: String = sockets
            .iter()
            .map(|socket| format!("server unix:{};", socket.display()))
            .collect();
        let config = format!(
            "user root; daemon off; worker_processes auto; pid {0}/nginx.pid; error_log {0}/error.log;
             events {{ worker_connections 1024; }}
             http {{ access_log off; client_body_temp_path {0}/b; proxy_temp_path {0}/p;
               fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; scgi_temp_path {0}/s;
               upstream instances {{ {servers} keepalive {1}; }}
               server {{ listen 127.0.0.1:{port}; keepalive_requests 100000000;
                 location / {{ proxy_pass http://instances; proxy_http_version 1.1;
                   proxy_set_header Connection \"\"; }} }} }}",
            folder.display(),
            sockets.len()
        );
        let path = folder.join("nginx.conf");
        std::fs::write(&path, config).expect("the file can be written");
        let child = Command::new("nginx")
            .arg("-c")
            .arg(&path)
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is installed: .ci/tools bench");
        for _ in 0..100 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Self { child, port }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hello", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _gone = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _status = self.child.wait();
    }
}

/// The one process behind all sockets.
struct Backend(Child);

impl Backend {
    fn start(program: &Path, folder: &Path) -> Self {
        let child = Command::new(program)
            .arg("backend")
            .env("TMPDIR", folder)
            .spawn()
            .expect("this program starts");
        while !meeting_point(folder).exists() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Self(child)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

fn meeting_point(folder: &Path) -> PathBuf {
    folder.join("backend.sock")
}

/// Has the backend listen on a socket in this process's stead, and waits for fnlocal's end of it.
fn hand_over(socket: &str) {
    use std::io::{Read, Write};
    let at = meeting_point(&std::env::temp_dir());
    let mut backend = std::os::unix::net::UnixStream::connect(at).expect("the backend listens");
    writeln!(backend, "{socket}").expect("the backend reads");
    let mut rest = Vec::new();
    let _ended = std::io::stdin().read_to_end(&mut rest);
}

fn trivial_backend() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let asks = UnixListener::bind(meeting_point(&std::env::temp_dir())).expect("it is free");
        loop {
            let Ok((stream, _)) = asks.accept().await else {
                continue;
            };
            let mut socket = String::new();
            let mut stream = tokio::io::BufReader::new(stream);
            if stream.read_line(&mut socket).await.is_ok() {
                let listener = UnixListener::bind(socket.trim()).expect("the socket is free");
                tokio::spawn(listen(listener));
            }
        }
    });
}

async fn listen(listener: UnixListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(trivial_answer)),
        );
    }
}

async fn trivial_answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body: Bytes = match request.uri().path() {
        "/_fnlocal/assign" => {
            let sent = request
                .into_body()
                .collect()
                .await
                .map(|body| body.to_bytes());
            drop(sent);
            r#"{"import_ms":0,"modules":[{"entry":"index.js","functions":[{"name":"hello","config":{},"kind":["http"]}]}]}"#.into()
        }
        "/_fnlocal/events" => Bytes::new(),
        _ => "hello".into(),
    };
    Ok(Response::new(Full::new(body)))
}
