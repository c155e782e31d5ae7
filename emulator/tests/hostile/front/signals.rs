//! A function's own end is not tried again and again.

use super::processes;
use crate::support::{Dev, Folder};

/// Functions that end their own process, each after a line in a file of runs.
fn folder(runs: &std::path::Path) -> Folder {
    let code = format!(
        "const fs = require('fs');
         const run = (how) => (req, res) => {{
           try {{ fs.appendFileSync({runs:?}, how + '\\n'); }} catch {{}}
           if (how === 'kill') process.kill(process.pid, 'SIGKILL');

           if (how === 'exit') process.exit(1);
           if (how === 'reset') req.socket.destroy();
         }};
         exports.kill = run('kill');
         exports.exit = run('exit');
         exports.reset = run('reset');",
        runs = runs.join("runs").display().to_string()
    );
    Folder::new(&[("index.js", &code)])
}

async fn get(dev: &Dev, how: &str) -> reqwest::StatusCode {
    let answer = reqwest::get(dev.at(&format!("/{how}"))).await;
    answer.unwrap().status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_ends_its_process_runs_at_most_twice() {
    for how in ["kill", "exit", "reset"] {
        let runs = tempfile::tempdir().unwrap();
        let folder = folder(runs.path());
        let dev = processes(&folder);
        assert_eq!(get(&dev, how).await, 502);
        let text = std::fs::read_to_string(runs.path().join("runs")).unwrap();
        assert_eq!(text.lines().count(), 2, "{how}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_ends_its_container_runs_at_most_twice() {
    let runs = tempfile::tempdir().unwrap();
    let folder = folder(runs.path());
    let mut dev = Dev::start(&folder);
    assert_eq!(get(&dev, "kill").await, 502);
    dev.interrupt();
    let mut records = dev.rest();
    records.append(&mut dev.seen);
    let died = records.iter().filter(|one| one["event"] == "died").count();
    assert!((1..=2).contains(&died), "{records:#?}");
}
