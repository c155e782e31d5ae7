//! Code that is copied into the engine, as where it cannot mount this machine's folders.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::{Dev, Folder, containers_of, fnlocal};
use serde_json::Value;

const COPY: [&str; 2] = ["--mounts", "copy"];
const INDEX: &str = "const { word } = require('./lib/word');
exports.hi = (req, res) => res.send(`${word} ${__dirname.startsWith('/app/')}`);\n";

async fn text(dev: &Dev, path: &str) -> (u16, String) {
    let answer = reqwest::get(dev.at(path)).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn word(word: &str) -> String {
    format!("exports.word = '{word}';\n")
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "docker {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn volumes_of(folder: &Folder) -> Vec<String> {
    let path = folder.path().canonicalize().unwrap();
    let label = format!("label=fnlocal.folder={}", path.display());
    let listed = docker(&["volume", "ls", "--quiet", "--filter", &label]);
    listed.lines().map(str::to_owned).collect()
}

/// Kinds of mounts that containers of a folder have, but for what is in memory.
fn mounted(folder: &Folder) -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    for container in containers_of(folder) {
        let inspected = Command::new("docker")
            .args(["inspect", "--format", "{{json .Mounts}}", &container])
            .output()
            .unwrap();
        // Those of the old code go meanwhile.
        if inspected.status.success() {
            let mounts: Vec<Value> = serde_json::from_slice(&inspected.stdout).unwrap();
            kinds.extend(mounts.iter().map(|mount| mount["Type"].to_string()));
        }
    }
    kinds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_copied_code_a_save_is_served_by_the_next_request_without_bind_mounts() {
    let files = [("index.js", INDEX), ("lib/word.js", &word("one"))];
    let folder = Folder::new(&files);
    let mut dev = Dev::start_with(&folder, &COPY);
    assert_eq!(text(&dev, "/hi").await, (200, "one true".into()));
    // Only what is changed is sent; what is not is linked.
    folder.write("lib/word.js", &word("two"));
    dev.wait_reloaded("hi");
    assert_eq!(text(&dev, "/hi").await, (200, "two true".into()));
    folder.remove("lib/word.js");
    folder.write("lib/word/index.js", &word("three"));
    dev.wait_reloaded("hi");
    assert_eq!(text(&dev, "/hi").await, (200, "three true".into()));
    assert_eq!(mounted(&folder), BTreeSet::from(["\"volume\"".to_owned()]));
    assert_eq!(volumes_of(&folder).len(), 1);
    assert_eq!(dev.interrupt(), Some(0));
    assert_eq!(containers_of(&folder), Vec::<String>::new());
    assert_eq!(volumes_of(&folder), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copied_code_is_updated_after_the_volumes_loader_container_is_removed() {
    let files = [("index.js", INDEX), ("lib/word.js", &word("one"))];
    let folder = Folder::new(&files);
    let mut dev = Dev::start_with(&folder, &COPY);
    let path = folder.path().canonicalize().unwrap();
    let ours = format!("label=fnlocal.folder={}", path.display());
    let kind = ["--filter", "label=fnlocal.kind=code"];
    let args = [&["ps", "--all", "--quiet", "--filter", &ours][..], &kind].concat();
    let loader = docker(&args);
    docker(&["rm", "--force", loader.trim()]);
    folder.write("lib/word.js", &word("two"));
    dev.wait_reloaded("hi");
    assert_eq!(text(&dev, "/hi").await, (200, "two true".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_volumes_of_a_crashed_run_are_removed_by_the_next_run_or_by_clean() {
    let files = [("index.js", INDEX), ("lib/word.js", &word("one"))];
    let folder = Folder::new(&files);
    let mut dev = Dev::start_with(&folder, &COPY);
    let first = volumes_of(&folder);
    dev.kill();
    assert_eq!(volumes_of(&folder), first);
    let mut dev = Dev::start_with(&folder, &COPY);
    let second = volumes_of(&folder);
    assert!(second.len() == 1 && second != first, "{first:?} {second:?}");
    dev.kill();
    let path = folder.path().to_str().unwrap();
    let (code, stdout, stderr) = fnlocal(&["clean", path, "--json"]);
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    assert!(stdout.contains(&second[0]), "{stdout}");
    assert_eq!(volumes_of(&folder), Vec::<String>::new());
}

#[test]
fn an_unknown_mounts_value_is_refused() {
    let folder = Folder::new(&[("index.js", INDEX)]);
    let path = folder.path().to_str().unwrap();
    let (code, _, stderr) = fnlocal(&["dev", path, "--mounts", "somehow"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("[possible values: auto, copy]"), "{stderr}");
}
