//! `fnlocal build` after a change of one line, against `docker build` of the equivalent Dockerfile
//! with a warm cache: only the step that copies the code runs again.
//!
//! After a change the code is imported in a container, which says what it exports.
//!
//! The other image has the same base and the same dependencies. Those were installed before, by
//! us: inside `docker build` a machine's own npm settings and certificates are not there.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use bollard::Docker;
use fnlocal_image::oci::load::{Loading, load};
use fnlocal_registry::Store;
use serde_json::{Map, Value};
use support::http::millis;
use support::{median, ratio, spread, times};

/// Builds of each.
const ROUNDS: usize = 20;
const NAME: &str = "fnlocal-bench-build:latest";
const BASE: &str = "localhost/fnlocal-bench-base:latest";

fn main() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
    for place in [&ours, &theirs] {
        std::fs::create_dir(place).expect("the folder can be made");
        example(place);
    }
    let warm = build_ours(&ours);
    give_engine(&ours, &warm["images"][0]);
    let dockerfile = format!(
        "FROM {BASE}\nUSER 0\nCOPY package.json package-lock.json /\nRUN test -d /node_modules\n\
         WORKDIR /app\nCOPY . .\nUSER 1000:1000\n"
    );
    write(&theirs, "Dockerfile", &dockerfile);
    write(&theirs, ".dockerignore", "node_modules\n");
    let build = ["build", "--quiet", "--tag", NAME, "."];
    let mut made = vec![docker(&theirs, &build)];
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    // By turns, so that the machine's moods hit both.
    for round in 0..ROUNDS {
        change(&ours, round);
        let began = Instant::now();
        let built = build_ours(&ours);
        our_times.push(millis(began.elapsed()));
        assert_eq!(built["images"][0]["described"], "image");
        change(&theirs, round);
        let began = Instant::now();
        made.push(docker(&theirs, &build));
        their_times.push(millis(began.elapsed()));
    }
    // Each build left the image of the one before without a name.
    for image in made.iter().map(String::as_str).chain([BASE]) {
        docker(&theirs, &["rmi", "--force", image]);
    }
    println!("a build after a change of one line");
    times("fnlocal build", &our_times);
    times("docker build, warm cache", &their_times);
    let value = median(our_times.clone()) / median(their_times.clone());
    ratio("fnlocal build / docker build, p50", value, "<= 0.4");
    let mut figures = Map::new();
    figures.insert("ours_ms".to_owned(), spread(&our_times));
    figures.insert("docker_build_ms".to_owned(), spread(&their_times));
    figures.insert("ratio".to_owned(), value.into());
    support::write("build", &figures.into());
}

/// The example with a WebSocket, whose one dependency is locked.
fn example(folder: &Path) {
    let from = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/websocket");
    for name in ["index.js", "package.json", "package-lock.json"] {
        std::fs::copy(from.join(name), folder.join(name)).expect("the file can be copied");
    }
}

/// Changes one line of the example, each round to something new.
fn change(folder: &Path, round: usize) {
    let path = folder.join("index.js");
    let text = std::fs::read_to_string(&path).expect("the file can be read");
    let begins = "  client.send(";
    let line = format!("  client.send(\"welcome {round}\");");
    let mut changed = 0;
    let lines: Vec<&str> = text
        .lines()
        .map(|old| {
            let here = old.starts_with(begins);
            changed += usize::from(here);
            if here { line.as_str() } else { old }
        })
        .collect();
    assert_eq!(changed, 1, "the example has such a line");
    write(folder, "index.js", &format!("{}\n", lines.join("\n")));
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("the file can be written");
}

fn build_ours(folder: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_fnlocal"))
        .arg("build")
        .arg(folder)
        .arg("--json")
        .stdin(Stdio::null())
        .output()
        .expect("fnlocal starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

/// Gives the engine our image, for the other to stand on.
fn give_engine(folder: &Path, image: &Value) {
    let text = |value: &Value| value.as_str().expect("it is text").to_owned();
    let loading = Loading {
        repository: text(&image["repository"]).parse().expect("it is a name"),
        manifest: text(&image["platforms"][0]["manifest"])
            .parse()
            .expect("it is a digest"),
        name: BASE.to_owned(),
    };
    let store = Store::open(&folder.join(".fnlocal/registry")).expect("the store is there");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let engine = Docker::connect_with_defaults().expect("a Docker engine is configured");
        let loaded = load(&engine, &store, &loading).await;
        loaded.expect("the engine takes the image");
    });
}

/// Runs `docker` and returns what it wrote.
fn docker(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("docker")
        .args(args)
        .current_dir(folder)
        .output()
        .expect("docker starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {args:?}: {stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    stdout.trim().to_owned()
}
