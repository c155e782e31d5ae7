//! A project, what plays AWS, and commands that know nothing else.

#[path = "../../../cloud/tests/aws/play.rs"]
mod play;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::Folder;
pub use play::Play;

/// A project to promote, and what plays AWS.
pub struct Cloud {
    pub play: Play,
    pub folder: Folder,
}

/// The result of a command.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Cloud {
    /// The auction, with an environment of nothing but defaults.
    pub fn new() -> Self {
        Self::with("region = \"eu-west-1\"\n")
    }

    /// The auction, with this in `[env.prod]`.
    pub fn with(env: &str) -> Self {
        let folder = Folder::example("auction");
        let toml = std::fs::read_to_string(folder.path().join("fnlocal.toml")).unwrap();
        folder.write("fnlocal.toml", &format!("{toml}\n[env.prod]\n{env}"));
        Self {
            play: Play::start(),
            folder,
        }
    }

    /// A command in the project's folder. Of this machine's configuration for AWS it knows nothing.
    pub fn command(&self, args: &[&str]) -> Command {
        let endpoint = self.play.endpoint();
        assert!(
            endpoint.starts_with("http://127.0.0.1:"),
            "{endpoint} is not this machine"
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_fnlocal"));
        let inherited = std::env::vars_os().map(|(name, _)| name);
        for name in inherited.filter(|name| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        command
            .args(args)
            .current_dir(self.folder.path())
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_ACCESS_KEY_ID", "AKIDPLAY")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        Ended::of(self.command(args).output().unwrap())
    }

    /// Where nothing runs the nodes' program, any for Linux will do, and a small one is quickly sent.
    pub fn promote(&self, args: &[&str]) -> Ended {
        let small = ["promote", "--node-binary", small_program()];
        self.run(&[&small, args].concat())
    }

    /// A command that goes well, and what it says as JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).json()
    }
}

impl Ended {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Asserts the exit code, the message and the hint.
    pub fn refused(&self, code: i32, said: &str, hint: &str) {
        assert_eq!(self.code, code, "{self:?}");
        let stderr = &self.stderr;
        assert!(stderr.contains(said), "no `{said}` in {stderr}");
        let (_, hints) = stderr.split_once("hint: ").unwrap();
        // Texts that the SDK prints for its own developers.
        for inside in [
            "SdkError",
            "DispatchFailure",
            "ConnectorError",
            "Error {",
            "Some(",
        ] {
            assert!(!stderr.contains(inside), "`{inside}` in {stderr}");
        }
        assert!(hints.contains(hint), "no `{hint}` in {stderr}");
    }
}

pub fn small_program() -> &'static str {
    let sleep = Path::new("/bin/sleep");
    sleep.to_str().filter(|_| sleep.exists()).unwrap()
}
