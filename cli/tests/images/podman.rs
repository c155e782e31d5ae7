//! Podman in Docker's place: an engine of the test's own, with its storage in the test's folder.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{self, Dev, Folder};

const CODE: &str = "exports.hi = (req, res) => res.send('one');\n";

/// A Podman that serves Docker's API on a socket.
struct Podman {
    folder: tempfile::TempDir,
    service: Child,
}

impl Podman {
    /// Starts one. `None` where Podman is not installed, which `.ci/tools` does on Debian.
    async fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("containers.conf"), settings()).unwrap();
        let mut service = Self::command(folder.path());
        service.args(["system", "service", "--time=0"]);
        service.arg(socket(folder.path()));
        let service = match service.process_group(0).spawn() {
            Ok(service) => service,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => panic!("{error}"),
        };
        let podman = Self { folder, service };
        support::eventually("Podman answers", async || {
            podman.folder.path().join("podman.sock").exists()
        })
        .await;
        Some(podman)
    }

    fn command(folder: &Path) -> Command {
        let mut command = Command::new("podman");
        command
            .env("CONTAINERS_CONF", folder.join("containers.conf"))
            .env("PATH", format!("{}:/usr/sbin:/sbin", env!("PATH")))
            .arg("--root")
            .arg(folder.join("storage"))
            .arg("--runroot")
            .arg(folder.join("run"))
            .arg("--network-config-dir")
            .arg(folder.join("networks"))
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// `fnlocal` with this engine.
    fn fnlocal(&self, args: &[&str], folder: &Folder) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fnlocal"));
        command
            .env("DOCKER_HOST", socket(self.folder.path()))
            .arg(args[0])
            .arg(folder.path())
            .args(&args[1..]);
        command
    }

    /// Everything it has of a kind: containers, networks or volumes.
    fn list(&self, what: &[&str]) -> Vec<String> {
        let mut command = Self::command(self.folder.path());
        let listed = command.args(what).output().unwrap();
        assert!(listed.status.success(), "{listed:?}");
        let text = String::from_utf8(listed.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Nothing of ours is left but images.
    fn assert_clean(&self) {
        assert_eq!(self.list(&["ps", "--all", "--quiet"]), Vec::<String>::new());
        let networks = self.list(&["network", "ls", "--format", "{{.Name}}"]);
        assert_eq!(networks, ["podman"]);
        assert_eq!(
            self.list(&["volume", "ls", "--quiet"]),
            Vec::<String>::new()
        );
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _gone = self.service.kill();
        let _status = self.service.wait();
        // Its mounts would keep the folder from being removed.
        let mut reset = Self::command(self.folder.path());
        let _status = reset.args(["system", "reset", "--force"]).output();
    }
}

fn socket(folder: &Path) -> String {
    format!("unix://{}", folder.join("podman.sock").display())
}

/// For machines that do not let Podman have its defaults: more open files and processes than are
/// allowed, and a runtime that refuses to have both versions of control groups.
fn settings() -> String {
    let limit = Command::new("sh").args(["-c", "ulimit -Hn"]).output();
    let limit = String::from_utf8(limit.unwrap().stdout).unwrap();
    let limit = limit.trim();
    format!(
        "[containers]\ndefault_ulimits = [\"nofile={limit}:{limit}\", \"nproc=4096:4096\"]\n\
         [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n"
    )
}

async fn text(dev: &Dev) -> String {
    let answer = reqwest::get(dev.at("/hi")).await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert_eq!(status, 200, "{text}, {:?}", dev.seen);
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn podman_serves_reloads_builds_and_serves_the_release_and_keeps_nothing_of_a_run() {
    let Some(podman) = Podman::start().await else {
        println!("Podman is not installed: nothing was tested");
        return;
    };
    let folder = Folder::new(&[("index.js", CODE)]);
    let args = ["dev", "--port", "0", "--json", "--runtime", "docker"];
    let mut dev = Dev::start_command(podman.fnlocal(&args, &folder));
    let runtime = dev.ready["runtime"].as_str().unwrap();
    assert!(runtime.starts_with("Podman "), "{runtime}");
    assert_eq!(text(&dev).await, "one");
    folder.write("index.js", &CODE.replace("one", "two"));
    dev.wait_reloaded("hi");
    assert_eq!(text(&dev).await, "two");
    assert_eq!(dev.interrupt(), Some(0));
    podman.assert_clean();

    let built = podman.fnlocal(&["build", "--json"], &folder).output();
    let built = built.unwrap();
    assert!(built.status.success(), "{built:?}");
    podman.assert_clean();

    let args = ["up", "--port", "0", "--json"];
    let mut up = Dev::start_command(podman.fnlocal(&args, &folder));
    assert_eq!(text(&up).await, "two");
    assert_eq!(up.interrupt(), Some(0));
    podman.assert_clean();
}
