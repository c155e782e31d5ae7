//! Podman in Docker's place: an engine of the test's own, with its storage in the test's folder.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::engines::{TestEngine, serves_reloads_builds_and_serves_the_release};
use crate::support::{self, Folder};

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
}

impl TestEngine for Podman {
    fn title(&self) -> &'static str {
        "Podman "
    }

    fn address(&self) -> String {
        socket(self.folder.path())
    }

    fn list(&self, what: &[&str]) -> Vec<String> {
        let mut command = Self::command(self.folder.path());
        let listed = command.args(what).output().unwrap();
        assert!(listed.status.success(), "{listed:?}");
        let text = String::from_utf8(listed.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn own_networks(&self) -> &'static [&'static str] {
        &["podman"]
    }

    fn run_as_its_user(&self, _command: &mut Command) {}

    fn save(&self, folder: &Folder, path: &str, text: &str) {
        folder.write(path, text);
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
pub fn settings() -> String {
    let limit = Command::new("sh").args(["-c", "ulimit -Hn"]).output();
    let limit = String::from_utf8(limit.unwrap().stdout).unwrap();
    let limit = limit.trim();
    format!(
        "[containers]\ndefault_ulimits = [\"nofile={limit}:{limit}\", \"nproc=4096:4096\"]\n\
         [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn podman_runs_dev_build_and_up_and_leaves_nothing_behind() {
    let Some(podman) = Podman::start().await else {
        println!("Podman is not installed: nothing was tested");
        return;
    };
    serves_reloads_builds_and_serves_the_release(&podman).await;
}
