//! The behaviour of each engine in Docker's place: one story, and what a run leaves in the engine.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::process::Command;

use crate::support::{Dev, Folder};

const CODE: &str = "exports.hi = (req, res) => res.send('one');\n";

/// A container engine of a test's own.
pub trait TestEngine {
    /// Its name and the beginning of its version, as `fnlocal dev` shows it.
    fn title(&self) -> &'static str;
    /// Where it listens.
    fn address(&self) -> String;
    /// Lists what it has: `ps`, `network ls` or `volume ls`.
    fn list(&self, what: &[&str]) -> Vec<String>;
    /// The networks that it has from the start.
    fn own_networks(&self) -> &'static [&'static str];
    /// Has a command run as the user whose engine it is.
    fn run_as_its_user(&self, command: &mut Command);
    /// Writes a file of that user.
    fn save(&self, folder: &Folder, path: &str, text: &str);
}

fn fnlocal(engine: &dyn TestEngine, args: &[&str], folder: &Folder) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fnlocal"));
    command
        .env("DOCKER_HOST", engine.address())
        .arg(args[0])
        .arg(folder.path())
        .args(&args[1..]);
    engine.run_as_its_user(&mut command);
    command
}

/// Nothing of ours is left but images.
fn assert_clean(engine: &dyn TestEngine) {
    assert_eq!(engine.list(&["ps", "--all", "--quiet"]), [""; 0]);
    let mut networks = engine.list(&["network", "ls", "--format", "{{.Name}}"]);
    networks.sort();
    assert_eq!(networks, engine.own_networks());
    assert_eq!(engine.list(&["volume", "ls", "--quiet"]), [""; 0]);
}

async fn text(dev: &Dev) -> String {
    let answer = reqwest::get(dev.at("/hi")).await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert_eq!(status, 200, "{text}, {:?}", dev.seen);
    text
}

/// Serves a folder, reloads it, builds it and serves the release. Nothing of a run is left.
pub async fn serves_reloads_builds_and_serves_the_release(engine: &dyn TestEngine) {
    let folder = Folder::new(&[]);
    engine.save(&folder, "index.js", CODE);
    let args = ["dev", "--port", "0", "--json", "--runtime", "docker"];
    let mut dev = Dev::start_command(fnlocal(engine, &args, &folder));
    let runtime = dev.ready["runtime"].as_str().unwrap();
    assert!(runtime.starts_with(engine.title()), "{runtime}");
    assert_eq!(text(&dev).await, "one");
    engine.save(&folder, "index.js", &CODE.replace("one", "two"));
    dev.wait_reloaded("hi");
    assert_eq!(text(&dev).await, "two");
    assert_eq!(dev.interrupt(), Some(0));
    assert_clean(engine);

    let built = fnlocal(engine, &["build", "--json"], &folder).output();
    let built = built.unwrap();
    assert!(built.status.success(), "{built:?}");
    assert_clean(engine);

    let args = ["up", "--port", "0", "--json"];
    let mut up = Dev::start_command(fnlocal(engine, &args, &folder));
    assert_eq!(text(&up).await, "two");
    assert_eq!(up.interrupt(), Some(0));
    assert_clean(engine);
}
