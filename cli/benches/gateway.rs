//! The gateway against nginx, in one run, to backends of the same kind over unix sockets.
//!
//! `fnlocal dev --runtime process` runs as it is. Its instances dial it and listen nowhere, so nginx
//! gets backends of its own: first the same trivial backend in Rust, which shows the proxies' own
//! ceiling, then real Node functions, each in a wrapper of its own that serves alone (and reports to
//! no platform, which is to nginx's advantage).
//!
//! The trivial backend is one process behind all sockets, so that switching between dozens of
//! processes does not drown what the proxies differ in. fnlocal starts this same program in place
//! of Node.js; each start only dials fnlocal and hands its connections to the one backend.
//!
//! Beside them runs a relay that only copies bytes: what it is ahead of nginx is all that a machine
//! leaves to be won.

mod support;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde_json::json;
use support::relay::{self, Relay};
use support::{Dev, Load, median, ratio, wrk};
use tokio::net::{UnixListener, UnixStream};

const ROUNDS: usize = 5;
const SECONDS: u32 = 3;

fn main() {
    if let Ok(socket) = std::env::var("FNLOCAL_DIAL") {
        hand_over(&socket);
        return;
    }
    if std::env::args().nth(1).as_deref() == Some("backend") {
        let slots = std::env::args().nth(2).and_then(|slots| slots.parse().ok());
        trivial_backend(slots.expect("it is started with a number"));
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
    let _backend = backend.map(|program| self::backend(program, bin.path(), slots));
    let mut env: Vec<(&str, &Path)> = path.iter().map(|path| ("PATH", path.as_path())).collect();
    env.push(("TMPDIR", bin.path()));
    let dev = Dev::start(folder.path(), &["--runtime", "process", "--quiet"], &env);
    // Everybody busy once, so that every instance is there.
    wait_for_instances(&dev, slots);
    wrk(&dev.url("/hello"), slots, 2);
    let sockets: Vec<PathBuf> = (0..slots).map(|slot| socket_of(bin.path(), slot)).collect();
    let _alone: Vec<Ended> = match backend {
        Some(_) => Vec::new(),
        None => sockets
            .iter()
            .map(|at| wrapper(folder.path(), at))
            .collect(),
    };
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
            .args(["--silent", "--header"])
            .arg(format!("x-fnlocal-token: {}", dev.token))
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

/// Where a backend listens for nginx.
fn socket_of(folder: &Path, slot: u32) -> PathBuf {
    folder.join(format!("{slot}.sock"))
}

/// A wrapper without a platform, serving the function alone.
fn wrapper(code: &Path, socket: &Path) -> Ended {
    let child = Command::new("node")
        .arg(code.join(".fnlocal/runner.cjs"))
        .current_dir(code)
        .env("FNLOCAL_SOCKET", socket)
        .env("FNLOCAL_FUNCTION", "hello")
        .env("FNLOCAL_CODE", code)
        .spawn()
        .expect("node starts");
    wait_for(socket);
    Ended(child)
}

fn wait_for(socket: &Path) {
    while std::os::unix::net::UnixStream::connect(socket).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// A process that is ended when this is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
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

/// Starts the one process behind all sockets.
fn backend(program: &Path, folder: &Path, slots: u32) -> Ended {
    let child = Command::new(program)
        .args(["backend", &slots.to_string()])
        .env("TMPDIR", folder)
        .spawn()
        .expect("this program starts");
    wait_for(&meeting_point(folder));
    Ended(child)
}

fn meeting_point(folder: &Path) -> PathBuf {
    folder.join("backend.sock")
}

/// Connections that an instance dials: more than one that serves a request at a time needs.
const DIALED: usize = 8;

/// Dials fnlocal in the backend's stead, hands it the connections, and waits for fnlocal's end.
fn hand_over(socket: &str) {
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    let dial = |_| UnixStream::connect(socket).expect("fnlocal listens");
    let dialed: [UnixStream; DIALED] = std::array::from_fn(dial);
    let backend = UnixStream::connect(meeting_point(&std::env::temp_dir())).expect("it listens");
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DIALED))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let handed = dialed.each_ref().map(AsFd::as_fd);
    assert!(control.push(SendAncillaryMessage::ScmRights(&handed)));
    let byte = [std::io::IoSlice::new(b"x")];
    rustix::net::sendmsg(&backend, &byte, &mut control, SendFlags::empty()).expect("it reads");
    drop((dialed, backend));
    let mut rest = Vec::new();
    let _ended = std::io::stdin().read_to_end(&mut rest);
}

/// The connections that were handed over.
fn handed_over(from: &std::os::unix::net::UnixStream) -> Vec<std::os::unix::net::UnixStream> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DIALED))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut into = [std::io::IoSliceMut::new(&mut byte)];
    let received = rustix::net::recvmsg(from, &mut into, &mut control, RecvFlags::empty());
    received.expect("it is sent at once");
    let messages = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(handed) => handed.collect(),
        _ => Vec::new(),
    });
    messages.map(Into::into).collect()
}

fn trivial_backend(slots: u32) {
    let folder = std::env::temp_dir();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        for slot in 0..slots {
            let listener = UnixListener::bind(socket_of(&folder, slot)).expect("it is free");
            tokio::spawn(listen(listener));
        }
        let meeting = UnixListener::bind(meeting_point(&folder)).expect("it is free");
        loop {
            let Ok((stream, _)) = meeting.accept().await else {
                continue;
            };
            let stream = stream.into_std().expect("it is a socket");
            stream.set_nonblocking(false).expect("it can block");
            // The first was only to see whether anybody listens, and hands over nothing.
            for dialed in handed_over(&stream) {
                dialed.set_nonblocking(true).expect("it need not block");
                serve(UnixStream::from_std(dialed).expect("it is a socket"));
            }
        }
    });
}

async fn listen(listener: UnixListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        serve(stream);
    }
}

fn serve(stream: UnixStream) {
    tokio::spawn(
        hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service_fn(trivial_answer)),
    );
}

/// Reports: none, and no end of them.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Pending
    }
}

async fn trivial_answer(
    request: Request<Incoming>,
) -> Result<Response<Either<Full<Bytes>, Endless>>, Infallible> {
    let body: Bytes = match request.uri().path() {
        "/_fnlocal/assign" => {
            let sent = request
                .into_body()
                .collect()
                .await
                .map(|body| body.to_bytes());
            drop(sent);
            r#"{"import_ms":0,"modules":[{"entry":"index.js","functions":[{"name":"hello","config":{}}]}]}"#.into()
        }
        "/_fnlocal/events" => return Ok(Response::new(Either::Right(Endless))),
        _ => "hello".into(),
    };
    Ok(Response::new(Either::Left(Full::new(body))))
}
