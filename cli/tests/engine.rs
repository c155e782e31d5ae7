//! The Docker engine goes away and comes back under a running fnlocal.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Dev, Folder, containers_of};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The engine's process, if the tests' own set-up started it: nobody else's is ever restarted.
fn our_engine() -> Option<u32> {
    let file = repository().join("target/tools/dockerd.pid");
    let pid: u32 = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.trim() == "dockerd").then_some(pid)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_are_served_again_after_the_engine_restarts() {
    let Some(engine) = our_engine() else {
        println!("the engine is not the tests' own and is left alone: nothing was tested");
        return;
    };
    let code = "exports.hi = (req, res) => res.send('hi');";
    let folder = Folder::new(&[("index.js", code)]);
    let mut dev = Dev::start(&folder);
    assert_eq!(reqwest::get(dev.at("/hi")).await.unwrap().status(), 200);
    support::signal(engine, "TERM");
    dev.wait_for("word that the engine is gone", |record| {
        record["event"] == "engine" && record["up"] == false
    });
    support::eventually("the engine has ended", async || {
        !Path::new(&format!("/proc/{engine}")).exists()
    })
    .await;
    // Without an engine requests are still answered, each with the reason.
    let without = reqwest::get(dev.at("/hi")).await.unwrap();
    assert!(
        [200, 502, 503].contains(&without.status().as_u16()),
        "{without:?}"
    );
    let restarted = Command::new(repository().join(".ci/tools"))
        .status()
        .unwrap();
    assert!(restarted.success());
    dev.wait_for("word that the engine is back", |record| {
        record["event"] == "engine" && record["up"] == true
    });
    support::eventually("the function is served again", async || {
        reqwest::get(dev.at("/hi")).await.unwrap().status() == 200
    })
    .await;
    assert_eq!(dev.interrupt(), Some(0));
    assert_eq!(containers_of(&folder), Vec::<String>::new());
}
