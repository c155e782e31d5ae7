//! A package whose top level tries to get out while its functions are listed.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{assert_clean, nodes, path_with};
use crate::support::images::{build, built};
use crate::support::{Dev, Folder};

const SECRET: &str = "the-value-of-a-secret";
/// Tries everything, and exports a function named after each thing that it reached.
const HOSTILE: &str = r#"
const fs = require("node:fs"), { execFileSync, spawnSync } = require("node:child_process");
const reached = [];
const attempt = (what, reach) => { try { if (reach() !== false) reached.push(what); } catch {} };
const connect = (to) => spawnSync(process.execPath, ["-e",
  `require("node:net").connect(${JSON.stringify(to)}).on("connect", () => process.exit(0))
    .on("error", () => process.exit(1))`]).status === 0;
attempt("canary", () => fs.readFileSync("OUTSIDE/canary"));
attempt("variables_file", () => fs.readFileSync("FOLDER/.env"));
attempt("variables_value", () => JSON.stringify(process.env).includes("SECRET"));
attempt("home", () => fs.readdirSync("OUTSIDE").length > 0);
attempt("written", () => fs.writeFileSync("OUTSIDE/written", "x"));
attempt("spawned", () => { execFileSync("/bin/sh", ["-c", "echo x > OUTSIDE/spawned"]); return fs.existsSync("OUTSIDE/spawned"); });
attempt("listener", () => connect({ host: "127.0.0.1", port: PORT }));
attempt("engine", () => connect({ path: "/var/run/docker.sock" }));
attempt("link", () => fs.readFileSync("/proc/1/root/etc/hostname", "utf8") === fs.readFileSync("OUTSIDE/hostname", "utf8"));
for (const what of reached) exports[what] = () => {};
exports.hi = (req, res) => res.json({ reached });
"#;

/// A hostile package, and what lies outside of it.
struct Attack {
    folder: Folder,
    outside: tempfile::TempDir,
    listener: TcpListener,
}

impl Attack {
    fn new() -> Self {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("canary"), SECRET).unwrap();
        std::fs::copy("/etc/hostname", outside.path().join("hostname")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let folder = Folder::new(&[(".env", &format!("TOKEN={SECRET}\n"))]);
        let port = listener.local_addr().unwrap().port().to_string();
        let code = HOSTILE
            .replace("OUTSIDE", outside.path().to_str().unwrap())
            .replace("FOLDER", folder.path().to_str().unwrap())
            .replace("SECRET", SECRET)
            .replace("PORT", &port);
        folder.write("index.js", &code);
        Self {
            folder,
            outside,
            listener,
        }
    }

    /// Returns the reach of the code as a process of this machine: the attack itself works.
    fn on_this_machine(&self) -> Vec<String> {
        let index = self.folder.path().join("index.js");
        let script = format!(
            "console.log(Object.keys(require('{}')).join())",
            index.display()
        );
        let ran = Command::new("node")
            .args(["-e", &script])
            .env("TOKEN", SECRET)
            .output();
        let text = String::from_utf8(ran.unwrap().stdout).unwrap();
        text.trim().split(',').map(str::to_owned).collect()
    }

    fn assert_nothing_reached(&self) {
        for name in ["written", "spawned"] {
            assert!(!self.outside.path().join(name).exists(), "{name}");
        }
        let error = self.listener.accept().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}

/// The functions a build lists.
fn names(image: &Value) -> Vec<&str> {
    let functions = image["functions"][0]["functions"].as_array().unwrap();
    let names = functions
        .iter()
        .map(|function| function["name"].as_str().unwrap());
    names.collect()
}

#[test]
fn the_attack_reaches_everything_without_a_sandbox() {
    let reached = Attack::new().on_this_machine();
    for what in [
        "canary",
        "variables_file",
        "variables_value",
        "written",
        "spawned",
        "listener",
        "engine",
    ] {
        assert!(
            reached.iter().any(|name| name == what),
            "{what}: {reached:?}"
        );
    }
}

#[test]
fn code_reaches_nothing_during_a_build_with_any_installed_node_js() {
    for node in nodes() {
        let attack = Attack::new();
        let path = path_with(node.parent().unwrap());
        let (exit, report, stderr) = build(&attack.folder, &[], &[("PATH", &path)]);
        assert_eq!(exit, 0, "{}: {stderr}", node.display());
        let image = &report["images"][0];
        assert_eq!(names(image), ["hi"], "{}", node.display());
        assert!(!report.to_string().contains(SECRET));
        attack.assert_nothing_reached();
        assert_clean(&attack.folder);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_reaches_nothing_of_this_machine_while_a_release_is_built_and_served() {
    let attack = Attack::new();
    let served = Dev::up(&attack.folder);
    let answer: Value = reqwest::get(served.at("/hi"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    // The value of a variable is the function's own, once it serves.
    assert_eq!(answer["reached"], serde_json::json!(["variables_value"]));
    attack.assert_nothing_reached();
}

#[test]
fn code_sees_placeholder_values_for_its_variables_during_a_build() {
    let code = "const { URL } = require('node:url');\n\
                if (!process.env.KEY) throw new Error('no key');\n\
                const found = [new URL(process.env.DATABASE).protocol, Number(process.env.POOL) + 1, JSON.parse(process.env.JSON)];\n\
                exports.hi = { func: () => {}, config: { labels: process.env.KEY === 'secret-key' ? {} : undefined } };\n\
                if (!Number.isFinite(found[1])) throw new Error('no number');\n";
    let env = "KEY=secret-key\nDATABASE=postgres://user:secret@db/shop\nPOOL=7\nJSON='{\"a\":1}'\n";
    let folder = Folder::new(&[("index.js", code), (".env", env)]);
    let image = built(&folder, &[]);
    assert_eq!(names(&image), ["hi"]);
    assert!(!image.to_string().contains("secret"));
}

#[test]
fn code_that_exceeds_a_limit_during_import_is_ended_with_the_limit_named() {
    for (code, said) in [
        (
            "const all = []; for (;;) all.push(Buffer.alloc(1 << 26, 1));",
            "needed more than 1024 MiB of memory",
        ),
        (
            "for (;;) require('node:fs').writeSync(1, 'x'.repeat(1 << 16));",
            "wrote more than 4 MiB",
        ),
        ("for (;;);", "took more than 60 s"),
        ("process.exit(0);", "ended the process with exit code 0"),
    ] {
        let folder = Folder::new(&[("index.js", code)]);
        let (exit, _, stderr) = build(&folder, &[], &[]);
        assert_eq!(exit, 1, "{code}: {stderr}");
        assert!(stderr.contains(said), "{code}: {stderr}");
        assert_clean(&folder);
    }
}

#[test]
fn processes_left_behind_by_code_end_with_the_build() {
    let code = "const { spawn } = require('node:child_process');\n\
                for (let i = 0; i < 1000; i++) spawn('sleep', ['86400'], { detached: true, stdio: 'inherit' }).on('error', () => {});\n\
                exports.hi = () => {};\n";
    let folder = Folder::new(&[("index.js", code)]);
    let (exit, report, stderr) = build(&folder, &[], &[]);
    assert_eq!(exit, 0, "{stderr}");
    assert_eq!(names(&report["images"][0]), ["hi"]);
    assert_clean(&folder);
}

#[test]
fn a_forged_build_record_is_ignored() {
    let folder = Folder::new(&[("index.js", "exports.greeting = () => {};")]);
    assert_eq!(built(&folder, &[])["described"], "image");
    assert_eq!(built(&folder, &[])["described"], "known");
    let records = folder.path().join(".fnlocal/build");
    let mut changed = 0;
    for entry in std::fs::read_dir(&records).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("functions-") {
            changed += replace(&path, "greeting", "forged");
        }
    }
    assert_eq!(changed, 1);
    let image = built(&folder, &[]);
    assert_eq!(
        (names(&image), image["described"].as_str()),
        (vec!["greeting"], Some("image"))
    );
}

fn replace(path: &Path, from: &str, to: &str) -> usize {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
    1
}
