//! A function's processes end with its instance, and leftovers of a killed run are cleared by the
//! next.

use std::fs;
use std::path::PathBuf;

use super::support::{Dev, Folder, eventually, fnlocal, signal};

/// Starts a child of each kind: in the instance's process group, in a session of its own, and one
/// whose parent ends at once.
const PARENT: &str = "const { spawn } = require('node:child_process');
const { mkdtempSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

exports.start = (req, res) => {
  const plain = spawn('sleep', ['3600'], { stdio: 'ignore' });
  const detached = spawn('sleep', ['3600'], { stdio: 'ignore', detached: true });
  detached.unref();
  const forks = spawn('sh', ['-c', 'setsid sleep 3600 & echo $!'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const folder = mkdtempSync(join(tmpdir(), 'function-'));
  let orphan = '';
  forks.stdout.on('data', (text) => {
    orphan += text;
    if (orphan.includes('\\n'))
      res.json({ folder, pids: [plain.pid, detached.pid, Number(orphan)] });
  });
};
exports.exit = (req, res) => { res.on('finish', () => process.exit(1)); res.send('bye'); };
exports.spin = (req, res) => { for (;;); };";

struct Started {
    pids: Vec<u32>,
    folder: PathBuf,
}

async fn start(dev: &Dev) -> Started {
    let answer = reqwest::get(dev.at("/start")).await.unwrap();
    let value: serde_json::Value = answer.json().await.unwrap();
    let pids = value["pids"].as_array().unwrap();
    let pids = pids
        .iter()
        .map(|pid| u32::try_from(pid.as_u64().unwrap()).unwrap());
    let started = Started {
        pids: pids.collect(),
        folder: value["folder"].as_str().unwrap().into(),
    };
    assert!(started.pids.iter().all(|&pid| lives(pid)), "{value}");
    assert!(started.folder.is_dir());
    started
}

fn lives(pid: u32) -> bool {
    // A process that ended and that nothing waits for stays as a zombie.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

async fn assert_ends(started: &Started) {
    for &pid in &started.pids {
        eventually(&format!("process {pid} ends"), async || !lives(pid)).await;
    }
}

fn dev(folder: &Folder) -> Dev {
    Dev::start_with(folder, &["--runtime", "process"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_of_a_function_end_with_the_run_after_any_signal() {
    for name in ["INT", "TERM", "HUP"] {
        let folder = Folder::new(&[("index.js", PARENT)]);
        let mut dev = dev(&folder);
        let started = start(&dev).await;
        signal(dev.pid(), name);
        dev.rest();
        drop(dev);
        assert_ends(&started).await;
        assert!(!started.folder.exists(), "after {name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_of_a_function_are_ended_by_the_next_run_after_a_kill() {
    let folder = Folder::new(&[("index.js", PARENT)]);
    let mut first = dev(&folder);
    let started = start(&first).await;
    first.kill();
    let next = dev(&folder);
    assert_ends(&started).await;
    eventually("the temporary folder is gone", async || {
        !started.folder.exists()
    })
    .await;
    assert_eq!(reqwest::get(next.at("/start")).await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_instance_ends_after_its_run_is_killed() {
    let folder = Folder::new(&[("index.js", PARENT)]);
    let mut first = dev(&folder);
    let view = first.view().await;
    assert!(view.is_object());
    let url = first.at("/spin");
    let spinning = tokio::spawn(async move { reqwest::get(url).await });
    eventually("it spins", async || {
        first.view().await["node"]["functions"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["running"] == 1))
    })
    .await;
    let nodes = children_of(first.pid());
    assert!(!nodes.is_empty());
    first.kill();
    let _cut = spinning.await.unwrap();
    let _next = dev(&folder);
    for pid in nodes {
        eventually(&format!("process {pid} ends"), async || !lives(pid)).await;
    }
}

fn children_of(parent: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let lists =
        tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("children")).ok());
    lists
        .flat_map(|list| {
            let pids = list.split_whitespace().map(|pid| pid.parse().unwrap());
            pids.collect::<Vec<u32>>()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_of_a_function_end_with_its_instance() {
    let folder = Folder::new(&[("index.js", PARENT), ("fnlocal.toml", "")]);
    let dev = dev(&folder);
    let started = start(&dev).await;
    // A save puts another instance in the place of this one.
    folder.write("index.js", "exports.start = (req, res) => res.send('new');");
    eventually("the new code answers", async || {
        let answer = reqwest::get(dev.at("/start")).await.unwrap();
        answer.text().await.is_ok_and(|text| text == "new")
    })
    .await;
    assert_ends(&started).await;
    eventually("its temporary folder is gone", async || {
        !started.folder.exists()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clean_ends_the_processes_and_removes_the_folder_of_a_killed_run() {
    let folder = Folder::new(&[("index.js", PARENT)]);
    let mut killed = dev(&folder);
    let started = start(&killed).await;
    killed.kill();
    let (code, _, stderr) = fnlocal(&["clean", folder.path().to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    assert_ends(&started).await;
    eventually("the temporary folder is gone", async || {
        !started.folder.exists()
    })
    .await;
}
