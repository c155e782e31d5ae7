//! Functions that attack the way by which the platform reaches them and hears of them.

use std::collections::BTreeSet;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Dev, Folder, eventually, header};

/// The beginning of every attack: the folder of the socket that the instance dials.
const FIND: &str = r#"
const fs = require('fs'), net = require('net'), path = require('path');
const { execFileSync } = require('child_process');
const dial = fs.readFileSync('/proc/self/environ', 'latin1').match(/FNLOCAL_(?:DIAL|SOCKET)=([^\0]+)/)[1];
const folder = path.dirname(dial);
const code = (act) => { try { act(); return 'done'; } catch (error) { return error.code ?? String(error); } };
const sockets = () => process._getActiveHandles().filter((one) => one instanceof net.Socket && one.fd !== 0 && one.server);
"#;

const REPLACE: &str = r#"
exports.replace = (req, res) => {
  const engine = req.query.engine;
  const tried = {
    remove: code(() => fs.unlinkSync(dial)),
    link: code(() => fs.symlinkSync(engine, dial)),
    inspector: code(() => fs.symlinkSync('/var/run/docker.sock', path.join(folder, 'i'))),
    moved: code(() => fs.renameSync(folder, folder + '-old')),
    folder: code(() => fs.symlinkSync(path.dirname(engine), folder)),
  };
  net.createServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother'))
    .on('error', () => {}).listen(path.join(folder, 'own'));
  res.on('close', () => setImmediate(() => sockets().forEach((one) => one.destroy())));
  res.json(tried);
};
exports.hi = (req, res) => res.send('hi from the instance');
"#;

/// A socket where nobody may come in.
struct Engine {
    listener: UnixListener,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Engine {
    fn listen() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            listener,
            path,
            _folder: folder,
        }
    }

    /// Returns whether the platform came in. A process may dial any socket.
    fn was_reached_by(&self, platform: u32) -> bool {
        std::iter::from_fn(|| self.listener.accept().ok()).any(|(stream, _)| {
            let peer = rustix::net::sockopt::socket_peercred(&stream).unwrap();
            u32::try_from(peer.pid.as_raw_nonzero().get()) == Ok(platform)
        })
    }
}

fn start(code: &str, runtime: &str) -> (Folder, Dev) {
    let folder = Folder::new(&[("index.js", &format!("{FIND}\n{code}"))]);
    let dev = Dev::start_with(&folder, &["--runtime", runtime]);
    (folder, dev)
}

async fn json(dev: &Dev, path: &str) -> Value {
    let answer = reqwest::get(dev.at(path)).await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// Puts links in the place of everything, and returns what of that worked.
async fn links_lead_nowhere(runtime: &str) -> Value {
    let engine = Engine::listen();
    let (_folder, mut dev) = start(REPLACE, runtime);
    let tried = json(&dev, &format!("/replace?engine={}", engine.path.display())).await;
    for name in ["replace", "hi"] {
        for _ in 0..10 {
            let url = dev.at(&format!("/{name}?engine={}", engine.path.display()));
            let answer = reqwest::get(url).await.unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            let own = text.contains("from the instance") || text.contains("\"remove\"");
            assert!(own || status.is_server_error(), "{status}: {text}");
        }
    }
    eventually("the function answers again", async || {
        let answer = reqwest::get(dev.at("/hi")).await.unwrap();
        answer.text().await.unwrap() == "hi from the instance"
    })
    .await;
    let platform = dev.pid();
    assert_eq!(dev.interrupt(), Some(0));
    assert!(!engine.was_reached_by(platform));
    assert!(engine.path.exists(), "what a link led to is still there");
    tried
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_cannot_replace_its_socket_with_a_symlink() {
    let tried = links_lead_nowhere("docker").await;
    for (what, came) in tried.as_object().unwrap() {
        let refused = ["EROFS", "EBUSY", "EEXIST", "EACCES", "EXDEV"];
        assert!(refused.contains(&came.as_str().unwrap()), "{what}: {came}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn symlinks_that_a_process_puts_in_place_of_its_socket_are_never_followed() {
    let tried = links_lead_nowhere("process").await;
    assert_eq!(tried["link"], "done", "{tried}");
}

const WRITE: &str = r#"
exports.write = (req, res) => {
  const at = path.join(folder, 'x');
  res.json({
    file: code(() => fs.writeFileSync(at, Buffer.alloc(1 << 20))),
    folder: code(() => fs.mkdirSync(at)),
    socketMode: code(() => fs.chmodSync(dial, 0o7777)),
    folderMode: code(() => fs.chmodSync(folder, 0o777)),
    times: code(() => fs.utimesSync(folder, 0, 0)),
    pipe: code(() => execFileSync('mkfifo', [at], { stdio: 'ignore' })) !== 'done',
    seen: fs.readdirSync(folder),
    mode: (fs.statSync(folder).mode & 0o7777).toString(8),
  });
};
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_cannot_write_to_the_folder_it_shares_with_the_host() {
    let (_folder, dev) = start(WRITE, "docker");
    let seen = json(&dev, "/write").await;
    for what in ["file", "folder", "times"] {
        assert_eq!(seen[what], "EROFS", "{what}: {seen}");
    }
    for what in ["socketMode", "folderMode"] {
        let came = seen[what].as_str().unwrap();
        assert!(["EROFS", "EPERM"].contains(&came), "{what}: {seen}");
    }
    assert_eq!(seen["pipe"], true, "{seen}");
    assert_eq!(seen["seen"], serde_json::json!(["s"]), "{seen}");
    assert_eq!(seen["mode"], "755", "{seen}");
}

const SEARCH: &str = r#"
const read = (file) => { try { return fs.readFileSync(file, 'latin1'); } catch { return ''; } };
exports.search = (req, res) => {
  const own = __dirname.startsWith('/app') ? fs.readdirSync('/proc').filter((one) => /^\d+$/.test(one)) : ['self'];
  const texts = own.flatMap((one) => [read(`/proc/${one}/environ`), read(`/proc/${one}/cmdline`)]);
  texts.push(JSON.stringify(process.env), JSON.stringify(process.argv), JSON.stringify(process.execArgv));
  res.json({
    looked: own.length,
    secrets: texts.flatMap((text) => text.match(/[0-9a-f]{24,}/gi) ?? []),
    names: texts.filter((text) => /token/i.test(text)).length,
    env: Object.keys(process.env).filter((one) => one.startsWith('FNLOCAL') || one === 'PORT'),
    argv: process.argv.length,
  });
};
"#;

async fn no_token_is_found(args: &[&str]) {
    let folder = Folder::new(&[("index.js", &format!("{FIND_NOTHING}\n{SEARCH}"))]);
    let dev = Dev::start_with(&folder, args);
    let seen = json(&dev, "/search").await;
    assert_ne!(seen["looked"], 0, "{seen}");
    assert_eq!(seen["secrets"], serde_json::json!([]), "{seen}");
    assert_eq!(seen["names"], 0, "{seen}");
    assert_eq!(seen["env"], serde_json::json!([]), "{seen}");
    assert_eq!(seen["argv"], 2, "{seen}");
}

/// For where nothing is dialed.
const FIND_NOTHING: &str = "const fs = require('fs');";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_is_not_visible_to_processes_in_a_container() {
    no_token_is_found(&["--runtime", "docker"]).await;
    // Where code is copied in, sockets do not cross either, and a port is published.
    no_token_is_found(&["--runtime", "docker", "--mounts", "copy"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_is_not_visible_in_a_process_instance() {
    no_token_is_found(&["--runtime", "process"]).await;
}

const BLIND: &str = r#"
exports.blind = (req, res) => {
  // The one connection whose answer does not end.
  const channel = sockets().find((one) => one._httpMessage?._header?.includes('x-ndjson'));
  res.on('close', () => setImmediate(() => channel?.destroy()));
  res.json({ found: channel !== undefined, pid: process.pid });
};
exports.hi = (req, res) => { console.log('a line after it'); res.send('hi'); };
"#;

async fn a_blinded_platform_sees_it(runtime: &str) {
    let (_folder, mut dev) = start(BLIND, runtime);
    let answer = reqwest::get(dev.at("/blind")).await.unwrap();
    let instance = header(&answer, "x-fnlocal-instance").to_owned();
    let seen: Value = answer.json().await.unwrap();
    assert_eq!(seen["found"], true, "{seen}");
    let died = dev.wait_for("an end with its reason", |record| record["event"] == "died");
    let reason = died["reason"].as_str().unwrap();
    assert!(reason.contains("closed the channel"), "{died}");
    assert_eq!(died["function"], "blind", "{died}");
    let answer = reqwest::get(dev.at("/blind")).await.unwrap();
    assert!(answer.status().is_success());
    assert_ne!(header(&answer, "x-fnlocal-instance"), instance);
    assert_eq!(reqwest::get(dev.at("/hi")).await.unwrap().status(), 200);
    dev.wait_for("the line of another function", |record| {
        record["line"] == "a line after it"
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_closes_its_report_channel_is_replaced_with_a_reason() {
    a_blinded_platform_sees_it("docker").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_closes_its_report_channel_is_replaced_with_a_reason() {
    a_blinded_platform_sees_it("process").await;
}

/// Learns the token from a call of the platform's, and asks for the reports with it.
const STEAL: &str = r#"
const { Duplex } = require('stream');
let token, server;
exports.steal = {
  config: { concurrency: 2 },
  func: (req, res) => {
    if (server === undefined) {
      server = req.socket.server;
      server.prependListener('request', (seen) => { token ??= seen.headers['x-fnlocal-token']; });
    }
    if (req.query.hang) return void res.write('until the client goes');
    if (token === undefined) return void res.json({ token: false });
    let text = '';
    const ask = new Duplex({
      read() {},
      write(chunk, _, done) { text += chunk; done(); if (!res.headersSent && text.includes('\r\n\r\n')) res.json({ token: true, status: text.split(' ')[1] }); },
    });
    server.emit('connection', ask);
    ask.push(`GET /_fnlocal/events HTTP/1.1\r\nhost: x\r\nx-fnlocal-token: ${token}\r\n\r\n`);
  },
};
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_learns_the_token_cannot_open_the_report_channel() {
    let (_folder, dev) = start(STEAL, "process");
    // The client goes, and the platform asks when the request is over.
    drop(reqwest::get(dev.at("/steal?hang=1")).await.unwrap());
    let status = std::sync::Mutex::new(Value::Null);
    eventually("the function learns the token", async || {
        let answer = json(&dev, "/steal").await;
        *status.lock().unwrap() = answer["status"].clone();
        answer["token"] == true
    })
    .await;
    assert_eq!(*status.lock().unwrap(), "409");
}

/// Dials the sockets of all other instances of the run, and answers what comes.
const INTRUDE: &str = r#"
exports.intrude = (req, res) => {
  const run = path.dirname(folder);
  const others = fs.readdirSync(run).map((one) => path.join(run, one, 's')).filter((one) => one !== dial);
  for (const other of others) for (let count = 0; count < 20; count += 1) {
    const socket = net.connect(other).on('error', () => {});
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen'));
  }
  res.json(others.length);
};
exports.victim = { config: { concurrency: 8 }, func: (req, res) => setTimeout(() => res.send('mine'), 20) };
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_does_not_get_the_requests_of_another_function() {
    let (_folder, dev) = start(INTRUDE, "process");
    let victim = async || {
        reqwest::get(dev.at("/victim"))
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    assert_eq!(victim().await, "mine");
    for _ in 0..3 {
        assert_ne!(json(&dev, "/intrude").await, 0);
        let calls = (0..40).map(|_| victim());
        let answers = futures_util::future::join_all(calls).await;
        assert!(answers.iter().all(|one| one == "mine"), "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_ids_are_not_predictable_from_earlier_ones() {
    let (_folder, dev) = start("exports.hi = (req, res) => res.send('hi');", "process");
    let mut halves = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..50 {
        let answer = reqwest::get(dev.at("/hi")).await.unwrap();
        let (begin, end) = header(&answer, "x-fnlocal-request-id").split_at(8);
        halves.0.insert(begin.to_owned());
        halves.1.insert(end.to_owned());
    }
    assert!(halves.0.len() > 48 && halves.1.len() > 48, "{halves:?}");
}

const FILLS_A_VOLUME: &str = "
const fs = require('fs');
exports.fill = (req, res) => {
  let written = 0;
  try {
    for (; written < 64; written += 1) fs.writeFileSync(`/data/${written}`, Buffer.alloc(1 << 20));
  } catch (error) {
    return res.json({ written, code: error.code });
  }
  res.json({ written });
};
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_of_the_base_image_is_limited_to_less_than_2_mb() {
    let plain = Folder::new(&[(
        "index.js",
        "exports.hello = (req, res) => res.send('hello');",
    )]);
    let dev = Dev::start(&plain);
    let folder = plain.path().canonicalize().unwrap();
    let docker = |args: &[&str]| {
        let output = std::process::Command::new("docker")
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let label = format!("label=fnlocal.folder={}", folder.display());
    let image = [
        "ps",
        "--filter",
        "label=fnlocal.kind=instance",
        "--filter",
        &label,
    ];
    let images = docker(&[&image[..], &["--format", "{{.Image}}"]].concat());
    let image = images.lines().next().unwrap();
    let container = docker(&["create", image]);
    let tag = format!("fnlocal-test-volume:{}", std::process::id());
    docker(&["commit", "--change", "VOLUME /data", &container, &tag]);
    docker(&["rm", &container]);
    drop(dev);
    let config = format!("[build]\nbase_image = \"{tag}\"\n");
    let files = [("index.js", FILLS_A_VOLUME), ("fnlocal.toml", &*config)];
    let hostile = Folder::new(&files);
    let dev = Dev::start(&hostile);
    let answer = reqwest::get(dev.at("/fill")).await.unwrap();
    let said: serde_json::Value = answer.json().await.unwrap();
    drop(dev);
    // An image that is still used does not stop the next run of the test.
    let _left = std::process::Command::new("docker")
        .args(["rmi", &tag])
        .output();
    assert_eq!(said["code"], "ENOSPC", "{said}");
    assert!(said["written"].as_u64().unwrap() < 2, "{said}");
}
