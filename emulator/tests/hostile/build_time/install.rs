//! Packages whose install scripts take too much, and what they run as.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use serde_json::{Value, json};

use super::assert_clean;
use crate::support::Folder;
use crate::support::images::{build, files};

const HELLO: &str = "exports.hi = (req, res) => res.send('hi');";

/// The address of this machine on the engine's own network, where its containers reach it.
fn bridge() -> String {
    let shown = Command::new("ip")
        .args(["-4", "-oneline", "addr", "show", "docker0"])
        .output();
    let text = String::from_utf8(shown.unwrap().stdout).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "inet").unwrap();
    words[at + 1].split('/').next().unwrap().to_owned()
}

/// Serves an npm package with an install script to whoever asks, until the test ends.
fn package(script: &str) -> String {
    let manifest = json!({
        "name": "evil", "version": "1.0.0",
        "scripts": { "postinstall": "node install.js" },
    });
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (name, text) in [
        ("package.json", manifest.to_string()),
        ("install.js", script.to_owned()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("package/{name}"), text.as_bytes())
            .unwrap();
    }
    let bytes = tar.into_inner().unwrap().finish().unwrap();
    let listener = TcpListener::bind((bridge(), 0)).unwrap();
    let url = format!("http://{}/evil.tgz", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _head = stream.read(&mut [0; 4096]);
            let length = bytes.len();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            let _gone = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(&bytes));
        }
    });
    url
}

/// Builds a folder that depends on a package with an install script.
fn built_with(script: &str, toml: &str) -> (Folder, i32, Value, String) {
    let manifest = json!({"name": "a", "dependencies": {"evil": package(script)}});
    let folder = Folder::new(&[
        ("index.js", HELLO),
        ("package.json", &manifest.to_string()),
        ("fnlocal.toml", toml),
    ]);
    let (exit, report, stderr) = build(&folder, &[], &[]);
    (folder, exit, report, stderr)
}

#[test]
fn an_install_script_that_exceeds_a_limit_is_ended_with_the_limit_named() {
    for (script, toml, said) in [
        (
            "setInterval(() => {}, 1000);",
            "[build]\ninstall_timeout = \"20s\"\n",
            "time limit of 20 s",
        ),
        (
            "const all = []; for (;;) all.push(Buffer.alloc(1 << 26, 1));",
            "",
            "memory limit of 2048 MiB",
        ),
        (
            "const { spawn } = require('node:child_process');\n\
             setInterval(() => { for (let i = 0; i < 100; i++) spawn('sleep', ['86400']).on('error', () => {}); }, 20);",
            "",
            "limit of 512 processes",
        ),
    ] {
        let (folder, exit, _, stderr) = built_with(script, toml);
        assert_eq!(exit, 1, "{script}: {stderr}");
        assert!(
            stderr.contains("installing the dependencies of a"),
            "{script}: {stderr}"
        );
        assert!(
            stderr.contains(said) && stderr.contains("hint:"),
            "{script}: {stderr}"
        );
        assert_clean(&folder);
    }
}

#[test]
fn an_install_script_runs_without_root_and_without_capabilities() {
    let script = "const fs = require('node:fs'), found = { uid: process.getuid() };\n\
                  const status = fs.readFileSync('/proc/self/status', 'utf8');\n\
                  found.capabilities = /CapBnd:\\s*(\\w+)/.exec(status)[1];\n\
                  found.privileges = /NoNewPrivs:\\s*(\\w+)/.exec(status)[1];\n\
                  for (const path of ['/usr/local/bin/node', '/etc/passwd', '/x'])\n\
                    try { fs.writeFileSync(path, ''); found.wrote = path; } catch {}\n\
                  fs.writeFileSync('found.json', JSON.stringify(found));";
    let (folder, exit, report, stderr) = built_with(script, "");
    assert_eq!(exit, 0, "{stderr}");
    let deps = files(&folder, &report["images"][0], "deps");
    let (_, found) = &deps["node_modules/evil/found.json"];
    let found: Value = serde_json::from_slice(found).unwrap();
    assert_ne!(found["uid"], 0, "{found}");
    assert_eq!(found["capabilities"], "0000000000000000", "{found}");
    assert_eq!(found["privileges"], "1", "{found}");
    assert_eq!(found["wrote"], Value::Null, "{found}");
    assert_clean(&folder);
}

#[test]
fn chained_symlinks_out_of_installed_packages_are_refused_by_name() {
    let script = "const fs = require('node:fs');\n\
                  fs.mkdirSync('a/b', { recursive: true });\n\
                  fs.symlinkSync('a/b', 'deep');\n\
                  fs.symlinkSync('deep/../../../etc', 'out');";
    let (_, exit, _, stderr) = built_with(script, "");
    assert_eq!(exit, 0, "inside of the package: {stderr}");
    let script = script.replace("'a/b', 'deep'", "'.', 'deep'");
    let (folder, exit, _, stderr) = built_with(&script, "");
    assert_eq!(exit, 1, "{stderr}");
    assert!(stderr.contains("node_modules/evil/out"), "{stderr}");
    assert!(stderr.contains("which no image has"), "{stderr}");
    assert_clean(&folder);
}
