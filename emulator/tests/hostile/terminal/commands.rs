//! A folder of hostile functions that runs, and every command with hostile arguments.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use super::output::{HOSTILE, in_pipe};
use crate::support::{Dev, Folder, signal};

/// JavaScript for a text.
fn js(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// Functions that say hostile things in every way they can.
pub fn functions() -> String {
    let hostile = js(HOSTILE);
    format!(
        r#"
        const hostile = {hostile};
        exports.noise = (req, res) => {{
          console.log("noise-line " + hostile);
          console.error("noise-error " + hostile);
          res.statusMessage = "odd \u009b reason";
          res.setHeader("x-hostile", "\u009b31m\u0085");
          res.setHeader("server-timing", "\u009b;dur=1");
          res.end(hostile);
        }};
        exports.coloured = (req, res) => {{ console.log("\u001b[35mviolet"); res.end("ok"); }};
        exports.bytes = (req, res) => res.end(Buffer.from("\x1b]0;pwned\x07\xff\x9b2J\r\n\x00end", "latin1"));
        exports.boom = () => {{ const error = new Error("boom " + hostile); error.name = hostile; throw error; }};
        exports.never = (req, res) => {{ res.status(503).end(hostile); }};
        exports["bad" + hostile] = (req, res) => res.end();
        "#
    )
}

/// A folder that runs, with something of each kind in its log and its queue.
pub struct Scene {
    folder: Folder,
    hostile: PathBuf,
    _other: Folder,
    job: String,
    _dev: Dev,
}

impl Scene {
    pub fn start() -> Self {
        let folder = Folder::new(&[("index.js", &functions())]);
        let path = folder.path().to_str().unwrap().to_owned();
        let dev = Dev::start_with(&folder, &["--runtime", "process"]);
        for name in ["noise", "coloured", "boom"] {
            in_pipe(["invoke", name, "--folder", &path].map(str::to_owned));
        }
        // A path no client of ours would send.
        raw(
            &dev,
            "GET /noise/\u{202e}\u{9b}?%1b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        );
        let emit = [
            "emit", "never", "--async", "--data", HOSTILE, "--folder", &path,
        ];
        in_pipe(emit.map(str::to_owned));
        let list = in_pipe(["queue", "list", "--json", "--folder", &path].map(str::to_owned));
        let list: serde_json::Value = serde_json::from_slice(&list).unwrap();
        let job = list[0]["job"]["id"].to_string();
        assert_ne!(job, "null", "{list}");
        let other = Folder::new(&[]);
        let hostile = Self::broken(&other);
        Self {
            folder,
            hostile,
            _other: other,
            job: job.trim_matches('"').to_owned(),
            _dev: dev,
        }
    }

    /// A folder below a hostile name whose configuration and access log are hostile, too.
    fn broken(folder: &Folder) -> PathBuf {
        let name = HOSTILE;
        folder.write(
            &format!("{name}/fnlocal.toml"),
            &format!("# \u{9b}2J\nname = \"\u{202e}{}\"\n", "\u{85}"),
        );
        let line = "10.0.0.1 - - [10/Oct/2025:13:55:36 +0000] \"GET /\u{9b}\u{202e}\x1b]0;x\x07 HTTP/1.1\" 200 1\n";
        folder.write(&format!("{name}/access.log"), line);
        folder.write(&format!("{name}/index.js"), "exports.f = (\x1b]0;pwned\x07");
        folder.path().join(name)
    }

    /// The folder that runs.
    pub fn path(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    /// A path with a hostile name, of something in the hostile folder.
    fn hostile(&self, file: &str) -> String {
        self.hostile.join(file).to_str().unwrap().to_owned()
    }
}

/// Sends a request's bytes, and reads the answer to its end.
fn raw(dev: &Dev, request: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", dev.port())).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1"));
}

/// Words for a command, in every way it is walked.
type Cases = fn(&Scene) -> Vec<Vec<String>>;

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// On the folder that runs, for people and as JSON, and on the hostile one.
fn folders(scene: &Scene, option: bool) -> Vec<Vec<String>> {
    let at = |folder: &str, json: bool| {
        let option = option.then(|| "--folder".to_owned());
        let json = json.then(|| "--json".to_owned());
        option
            .into_iter()
            .chain([folder.to_owned()])
            .chain(json)
            .collect()
    };
    let hostile = scene.hostile("");
    vec![
        at(scene.path(), false),
        at(scene.path(), true),
        at(&hostile, false),
    ]
}

/// The same with more words before.
fn with<const N: usize>(first: [&str; N], cases: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let cases = cases.into_iter();
    cases.map(|case| [words(first), case].concat()).collect()
}

/// Every command, and the arguments it is walked with.
pub const WALKED: &[(&str, Cases)] = &[
    ("logs", |scene| folders(scene, true)),
    ("errors", |scene| folders(scene, true)),
    ("ps", |scene| folders(scene, true)),
    ("open", |scene| {
        with(
            ["--print"],
            vec![
                words(["--folder", scene.path()]),
                words(["--folder", &scene.hostile("")]),
            ],
        )
    }),
    ("invoke", |scene| {
        let mut cases = with(["noise"], folders(scene, true));
        cases.extend(with(["boom"], folders(scene, true)));
        cases.extend(with([HOSTILE], folders(scene, true)));
        cases.extend(with(["noise", "--header", HOSTILE], folders(scene, true)));
        cases
    }),
    ("emit", |scene| {
        let mut cases = with(["noise", "--data", HOSTILE], folders(scene, true));
        cases.extend(with(["noise", "--subject", HOSTILE], folders(scene, true)));
        cases
    }),
    ("queue list", |scene| folders(scene, true)),
    ("queue show", |scene| {
        with([&*scene.job], folders(scene, true))
    }),
    ("queue retry", |scene| {
        with(["--all", "--function", HOSTILE], folders(scene, true))
    }),
    ("queue purge", |scene| {
        with(["--all", "--function", HOSTILE], folders(scene, true))
    }),
    ("top", |scene| {
        vec![
            words(["--for", "2s", "--folder", scene.path()]),
            words(["--folder", &scene.hostile("")]),
        ]
    }),
    ("loadtest", |scene| {
        let few = ["--rate", "5", "--duration", "1s"];
        let run = with(few, vec![words(["--function", "noise", scene.path()])]);
        [
            run,
            vec![
                words(["--scenario", HOSTILE, scene.path()]),
                words([&scene.hostile("")]),
            ],
        ]
        .concat()
    }),
    ("simulate", |scene| {
        let trace = scene.hostile("access.log");
        let html = scene.hostile("page.html");
        vec![
            words(["--trace", &trace, scene.path()]),
            words(["--trace", &trace, "--json", scene.path()]),
            words(["--replay", &scene.hostile("index.js")]),
            words(["--trace", &trace, "--html", &html, scene.path()]),
            words(["--trace", &scene.hostile("index.js")]),
        ]
    }),
    ("doctor", |scene| folders(scene, false)),
    ("clean", |scene| with(["--dry-run"], folders(scene, false))),
    ("dev", |scene| {
        vec![
            words([&scene.hostile("")]),
            words([&scene.hostile("nowhere")]),
        ]
    }),
    ("build", |scene| {
        vec![words([&scene.hostile("")]), words(["--platform", HOSTILE])]
    }),
    ("up", |scene| {
        vec![
            words([&scene.hostile("")]),
            words(["--release", HOSTILE, scene.path()]),
        ]
    }),
    ("registry", |scene| vec![words([&scene.hostile("")])]),
    ("release list", |scene| folders(scene, true)),
    ("release show", |scene| {
        with([HOSTILE], folders(scene, true))
    }),
    ("release diff", |scene| {
        with([HOSTILE, HOSTILE], folders(scene, true))
    }),
    ("release prune", |scene| {
        with(["--dry-run"], folders(scene, true))
    }),
    ("promote", |scene| {
        with(["--env", HOSTILE], folders(scene, false))
    }),
    ("status", |scene| {
        with(["--env", HOSTILE], folders(scene, false))
    }),
    ("rollback", |scene| {
        with(["--env", HOSTILE], folders(scene, false))
    }),
    ("destroy", |scene| {
        with(["--env", HOSTILE], folders(scene, false))
    }),
    ("node", |scene| {
        vec![
            words(["--settings", &scene.hostile("fnlocal.toml")]),
            words(["--settings", &scene.hostile("nowhere")]),
        ]
    }),
    ("init", |scene| {
        vec![
            words([&scene.hostile("new")]),
            words([scene.path()]),
            words(["--template", HOSTILE]),
        ]
    }),
    ("schema", |_| vec![Vec::new()]),
    ("completions", |_| {
        vec![words(["bash"]), words(["zsh"]), words([HOSTILE])]
    }),
    ("man", |scene| {
        vec![
            words([&scene.hostile("pages")]),
            words([&scene.hostile("index.js")]),
        ]
    }),
];

/// Runs `dev` for people while its functions are called; all it prints until it has ended.
pub fn dev_while_called(folder: &Folder, terminal: bool) -> Vec<u8> {
    let path = folder.path().to_str().unwrap();
    let args = ["dev", path, "--port", "0", "--runtime", "process"];
    if terminal {
        let pty = native_pty_system().openpty(PtySize::default()).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_fnlocal"));
        command.args(args);
        command.env("TERM", "xterm-256color");
        let mut child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let reader = pty.master.try_clone_reader().unwrap();
        let all = call_and_read(reader, path, child.process_id().unwrap());
        child.wait().unwrap();
        return all;
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_fnlocal"))
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let reader = child.stderr.take().unwrap();
    let all = call_and_read(reader, path, child.id());
    child.wait().unwrap();
    all
}

/// Calls functions once they are served, and ends the process once all was told.
fn call_and_read(mut reader: impl Read, path: &str, pid: u32) -> Vec<u8> {
    let (mut all, mut piece) = (Vec::new(), [0; 4096]);
    let (mut called, mut ended) = (false, false);
    while let Ok(read @ 1..) = reader.read(&mut piece) {
        all.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&all);
        if !called && text.contains("dashboard  ") {
            called = true;
            for name in ["noise", "boom"] {
                in_pipe(["invoke", name, "--folder", path].map(str::to_owned));
            }
        } else if called && !ended && text.contains("noise-error") && text.contains("boom ") {
            ended = true;
            signal(pid, "INT");
        }
    }
    assert!(ended, "{}", String::from_utf8_lossy(&all));
    all
}
