//! Servers of a test's own, with their own folders, reachable by a unix socket only.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// How long a server may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Redis that forgets nothing it has acknowledged.
pub struct RedisServer {
    folder: TempDir,
    child: Child,
}

impl RedisServer {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = Self::launch(folder.path());
        Self { folder, child }
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.path().join("s").display())
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn restart(&mut self) {
        self.child = Self::launch(self.folder.path());
    }

    fn launch(folder: &Path) -> Child {
        let socket = folder.join("s");
        let _none = std::fs::remove_file(&socket);
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "yes"])
            .args(["--appendfsync", "always", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server, which `.ci/tools` installs");
        answers(&socket);
        child
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // The child may have been killed already.
        let _over = self.child.kill();
        let _over = self.child.wait();
    }
}

/// A PostgreSQL.
pub struct PostgresServer {
    folder: TempDir,
    child: Child,
}

impl PostgresServer {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        if is_root() {
            let owned = Command::new("chown")
                .arg("postgres")
                .arg(folder.path())
                .status();
            assert!(owned.unwrap().success());
        }
        let made = tool("initdb")
            .arg("-D")
            .arg(&data)
            .args(["--auth=trust", "--no-sync", "--username=fnlocal"])
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let child = Self::launch(folder.path());
        Self { folder, child }
    }

    pub fn url(&self) -> String {
        format!(
            "host={} user=fnlocal dbname=postgres",
            self.folder.path().display()
        )
    }

    pub async fn connect(&self) -> Client {
        let begun = Instant::now();
        loop {
            // Right after its start it answers that it is starting.
            match tokio_postgres::connect(&self.url(), NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return client;
                }
                Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it as a machine that loses its power would; what was acknowledged stays.
    pub fn kill(&mut self) {
        let pid = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap();
        let killed = Command::new("kill").args(["-QUIT", pid]).status();
        assert!(killed.unwrap().success());
        self.child.wait().unwrap();
    }

    pub async fn restart(&mut self) {
        self.child = Self::launch(self.folder.path());
        self.connect().await;
    }

    fn launch(folder: &Path) -> Child {
        let child = tool("postgres")
            .arg("-D")
            .arg(folder.join("data"))
            .arg("-k")
            .arg(folder)
            .args(["-c", "listen_addresses="])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.expect("postgres, which `.ci/tools` installs");
        answers(&folder.join(".s.PGSQL.5432"));
        child
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

/// One of PostgreSQL's programs, as a user it accepts.
fn tool(name: &str) -> Command {
    let program = program(name);
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    command.arg(program);
    command
}

/// Debian keeps them out of PATH, one folder a version.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let found = versions
        .flatten()
        .map(|entry| entry.path().join("bin").join(name));
    let mut found: Vec<PathBuf> = found.filter(|path| path.exists()).collect();
    found.sort();
    found.pop().unwrap_or_else(|| PathBuf::from(name))
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

fn answers(socket: &Path) {
    let begun = Instant::now();
    while UnixStream::connect(socket).is_err() {
        assert!(
            begun.elapsed() < PATIENCE,
            "{} never answered",
            socket.display()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}
