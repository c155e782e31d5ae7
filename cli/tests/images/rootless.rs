//! Engines without root: Podman and Docker of an unprivileged user, each with its storage in the
//! test's folder. As root the tests use the user that `.ci/tools` makes, else the one who runs them.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::engines::{TestEngine, serves_reloads_builds_and_serves_the_release};
use crate::podman;
use crate::support::{self, Folder, PATIENCE};

/// The user that `.ci/tools` makes for these tests.
const USER: &str = "fnlocal-rootless";
/// Where Debian and where Docker's own packages have the script.
const SCRIPTS: [&str; 2] = [
    "/usr/share/docker.io/contrib/dockerd-rootless.sh",
    "/usr/bin/dockerd-rootless.sh",
];

/// Without root there is no other storage on every kernel. The driver copies: no test has many layers.
const STORAGE: &str = "vfs";

/// A user without rights, and folders of the user's own.
struct Unprivileged {
    uid: u32,
    gid: u32,
    folder: tempfile::TempDir,
    /// For sockets and mounts. Podman wants it where systemd makes it.
    runtime_dir: PathBuf,
}

impl Unprivileged {
    /// `None` where the user is missing, or has no users of its own to map.
    fn new(name: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().metadata().unwrap();
        let (uid, gid) = match own.uid() {
            0 => (id("-u")?, id("-g")?),
            _ => (own.uid(), own.gid()),
        };
        let above = PathBuf::from(format!("/run/user/{uid}"));
        let runtime_dir = above.join(format!("fnlocal-test-{name}-{}", std::process::id()));
        let user = Self {
            uid,
            gid,
            folder,
            runtime_dir,
        };
        for path in [&above, &user.runtime_dir] {
            match std::fs::DirBuilder::new().mode(0o700).create(path) {
                Ok(()) => user.own(path),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(_) => return None,
            }
        }
        user.own(user.folder.path());
        Some(user)
    }

    fn own(&self, path: &Path) {
        chown(path, Some(self.uid), Some(self.gid)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn prepare(&self, command: &mut Command) {
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
        command
            .uid(self.uid)
            .gid(self.gid)
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("HOME", self.folder.path())
            .env("XDG_RUNTIME_DIR", &self.runtime_dir)
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("CONTAINERS_CONF", self.path("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", self.path("storage.conf"))
            .env_remove("DBUS_SESSION_BUS_ADDRESS");
    }
}

/// A number of the tests' user; `None` without one.
fn id(what: &str) -> Option<u32> {
    let said = Command::new("id").args([what, USER]).output().ok()?;
    let text = String::from_utf8(said.stdout).ok()?;
    text.trim().parse().ok()
}

/// An engine of such a user.
struct Rootless {
    user: Unprivileged,
    service: Child,
    title: &'static str,
    own_networks: &'static [&'static str],
}

impl Rootless {
    async fn podman() -> Option<Self> {
        let user = Unprivileged::new("podman")?;
        std::fs::write(user.path("containers.conf"), podman::settings()).unwrap();
        let storage = format!(
            "[storage]\ndriver = \"{STORAGE}\"\nrunroot = \"{}\"\ngraphroot = \"{}\"\n",
            user.runtime_dir.join("containers").display(),
            user.path("storage").display(),
        );
        std::fs::write(user.path("storage.conf"), storage).unwrap();
        let mut command = Command::new("podman");
        command.args(["system", "service", "--time=0"]);
        command.arg(address(&user));
        // Docker's client calls its own network as Docker does.
        Self::start(user, command, ("Podman ", &["bridge"])).await
    }

    async fn docker() -> Option<Self> {
        let user = Unprivileged::new("docker")?;
        let script = SCRIPTS
            .into_iter()
            .find(|script| Path::new(script).exists())?;
        let mut command = Command::new(script);
        command
            .arg(format!("--storage-driver={STORAGE}"))
            .args(["--host", &address(&user)])
            .env("DOCKERD_ROOTLESS_ROOTLESSKIT_NET", "slirp4netns");
        let networks = &["bridge", "host", "none"];
        Self::start(user, command, ("Docker ", networks)).await
    }

    /// `None` where the engine is not installed.
    async fn start(
        user: Unprivileged,
        mut command: Command,
        (title, own_networks): (&'static str, &'static [&'static str]),
    ) -> Option<Self> {
        user.prepare(&mut command);
        let log = std::fs::File::create(user.path("log")).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let service = match command.process_group(0).spawn() {
            Ok(service) => service,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => panic!("{error}"),
        };
        let mut engine = Self {
            user,
            service,
            title,
            own_networks,
        };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let ended = engine.service.try_wait().unwrap();
            let log = || std::fs::read_to_string(engine.user.path("log")).unwrap();
            assert!(ended.is_none(), "{title}did not come up: {}", log());
            if engine.client(&["version"]).status.success() {
                return Some(engine);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{title}does not answer");
    }

    fn client(&self, what: &[&str]) -> std::process::Output {
        let mut client = Command::new("docker");
        client.env("DOCKER_HOST", self.address()).args(what);
        client.output().unwrap()
    }
}

fn address(user: &Unprivileged) -> String {
    format!("unix://{}", user.path("engine.sock").display())
}

impl TestEngine for Rootless {
    fn title(&self) -> &'static str {
        self.title
    }

    fn address(&self) -> String {
        address(&self.user)
    }

    fn list(&self, what: &[&str]) -> Vec<String> {
        let listed = self.client(what);
        assert!(listed.status.success(), "{listed:?}");
        let text = String::from_utf8(listed.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn own_networks(&self) -> &'static [&'static str] {
        self.own_networks
    }

    fn run_as_its_user(&self, command: &mut Command) {
        self.user.prepare(command);
    }

    fn save(&self, folder: &Folder, path: &str, text: &str) {
        self.user.own(folder.path());
        let beside = tempfile::NamedTempFile::new_in(self.user.folder.path()).unwrap();
        std::fs::write(beside.path(), text).unwrap();
        self.user.own(beside.path());
        beside.persist(folder.path().join(path)).unwrap();
    }
}

impl Drop for Rootless {
    fn drop(&mut self) {
        support::signal(self.service.id(), "TERM");
        let _status = self.service.wait();
        // Podman keeps a process that holds its namespaces.
        let held = self.user.runtime_dir.join("libpod/tmp/pause.pid");
        if let Ok(pid) = std::fs::read_to_string(held) {
            support::signal(pid.trim().parse().unwrap(), "KILL");
        }
        // Files of mapped users are not this user's to remove, except in the user's namespace.
        let mut remove = Command::new("rootlesskit");
        self.user.prepare(&mut remove);
        let runtime_dir = &self.user.runtime_dir;
        let _removed = remove
            .args(["rm", "-rf"])
            .args([self.user.path("storage"), self.user.path("data")])
            .arg(runtime_dir)
            .output();
        let _removed = std::fs::remove_dir_all(runtime_dir);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn podman_without_root_serves_reloads_builds_and_serves_the_release() {
    let Some(podman) = Rootless::podman().await else {
        println!("Podman without root is not set up: nothing was tested");
        return;
    };
    serves_reloads_builds_and_serves_the_release(&podman).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn docker_without_root_serves_reloads_builds_and_serves_the_release() {
    let Some(docker) = Rootless::docker().await else {
        println!("Docker without root is not set up: nothing was tested");
        return;
    };
    serves_reloads_builds_and_serves_the_release(&docker).await;
}
