//! The reach of a function, and its borders, on real Docker.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use crate::support::{Dev, Folder, eventually};
use serde_json::Value;

const CODE: &str = r#"
const fs = require('fs');
const net = require('net');
const { execSync } = require('child_process');

const fails = (act) => { try { act(); return false; } catch (error) { return error.code ?? true; } };

exports.look = async (req, res) => {
  const gateway = fs.readFileSync('/proc/net/route', 'utf8').split('\n')
    .map((line) => line.split('\t')).find((row) => row[1] === '00000000')?.[2];
  const host = gateway?.match(/../g).reverse().map((byte) => parseInt(byte, 16)).join('.');
  res.json({
    user: process.getuid(),
    writesCode: fails(() => fs.writeFileSync('/app/x', '')),
    writesOwnCode: fails(() => fs.writeFileSync(__dirname + '/x', '')),
    writesRoot: fails(() => fs.writeFileSync('/x', '')),
    writesTmp: fails(() => fs.writeFileSync('/tmp/x', '')),
    capabilities: fs.readFileSync('/proc/self/status', 'utf8').match(/CapEff:\s*(\S+)/)[1],
    privileges: fs.readFileSync('/proc/self/status', 'utf8').match(/NoNewPrivs:\s*(\S+)/)[1],
    engine: fs.existsSync('/var/run/docker.sock'),
    token: process.env.FNLOCAL_TOKEN ?? null,
    host,
    platform: host ? await reaches(host, Number(req.query.port)) : 'no route',
  });
};

const reaches = (host, port) => new Promise((resolve) => {
  const socket = net.connect({ host, port, timeout: 2000 });
  socket.on('connect', () => resolve('reached'));
  socket.on('error', (error) => resolve(error.code));
  socket.on('timeout', () => { socket.destroy(); resolve('timeout'); });
});
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_is_sandboxed_and_cannot_reach_the_platform() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let dev = Dev::start(&folder);
    let answer = reqwest::get(dev.at(&format!("/look?port={}", dev.port())))
        .await
        .unwrap();
    let seen: Value = answer.json().await.unwrap();
    assert_ne!(seen["user"], 0, "{seen}");
    for place in ["writesCode", "writesOwnCode", "writesRoot"] {
        assert_eq!(seen[place], "EROFS", "{place}: {seen}");
    }
    assert_eq!(seen["writesTmp"], false, "{seen}");
    assert_eq!(seen["capabilities"], "0000000000000000", "{seen}");
    assert_eq!(seen["privileges"], "1", "{seen}");
    assert_eq!(seen["engine"], false, "{seen}");
    assert_eq!(seen["token"], Value::Null, "{seen}");
    assert_ne!(seen["platform"], "reached", "{seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_are_named_after_their_project_and_function() {
    let code = "exports.greet = (req, res) => res.send('hi');\n\
                exports.part = (req, res) => res.send('ho');\n";
    let config = "name = \"naming-shop\"\n";
    let names = |folder: &Folder| -> Vec<String> {
        let label = format!(
            "label=fnlocal.folder={}",
            folder.path().canonicalize().unwrap().display()
        );
        let listed = std::process::Command::new("docker")
            .args(["ps", "--all", "--filter", &label, "--format", "{{.Names}}"])
            .output()
            .unwrap();
        let text = String::from_utf8(listed.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    let is_instance = |name: &str, function: &str| {
        let rest = name.strip_prefix(&format!("fnlocal-naming-shop-{function}-i"));
        rest.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
    };
    let all_named = async |folder: &Folder, dev: &Dev| {
        for function in ["greet", "part"] {
            let answer = reqwest::get(dev.at(&format!("/{function}"))).await.unwrap();
            assert_eq!(answer.status(), 200);
            eventually("its container has its name", async || {
                names(folder).iter().any(|name| is_instance(name, function))
            })
            .await;
        }
        let all = names(folder);
        assert!(
            all.iter()
                .all(|name| name.starts_with("fnlocal-naming-shop-")),
            "{all:?}"
        );
    };
    let one = Folder::new(&[("index.js", code), ("fnlocal.toml", config)]);
    let first = Dev::start(&one);
    all_named(&one, &first).await;
    // Another project of that name has instances of the same numbers.
    let other = Folder::new(&[("index.js", code), ("fnlocal.toml", config)]);
    let second = Dev::start(&other);
    all_named(&other, &second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_beside_the_code_of_a_container_fails_with_the_place_to_write_to() {
    // As the functions for Google's conformance client do.
    let code = "exports.hi = () => require('fs').writeFileSync('function_output.json', '{}');";
    let folder = Folder::new(&[("index.js", code)]);
    let dev = Dev::start(&folder);
    let answer = reqwest::get(dev.at("/hi")).await.unwrap();
    assert_eq!(answer.status(), 500);
    let problem: serde_json::Value = answer.json().await.unwrap();
    let hint = problem["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("write to /tmp"), "{problem}");
}
