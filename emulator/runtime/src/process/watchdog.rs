//! A shell that outlives this process should that be killed: it then ends what functions started,
//! and an instance whose code never rests, without waiting for the next start.

use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, Command};
use tokio::sync::Mutex;

use crate::family;

/// Waits for the end of its input, which is this process's. A line before it means that all is well.
/// `$1` is how the mark begins; the rest are folders to remove.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
read -r _ && exit
newline='
'
for round in 1 2 3 4 5 6 7 8; do
  found=
  for at in /proc/[0-9]*; do
    case "$newline$(tr '\0' '\n' <"$at/environ")" in
      *"$newline$1"*) kill -KILL "${at#/proc/}" && found=1 ;;
    esac
  done
  [ -n "$found" ] || break
done
shift
chmod -R u+w -- "$@"
rm -rf -- "$@"
"#;

/// The shell, which acts when this is dropped without [`Watchdog::dismiss`].
pub(super) struct Watchdog {
    input: Mutex<ChildStdin>,
}

impl Watchdog {
    /// Starts it for a run; `None` where there is no shell. The next start clears up then.
    pub fn start(run: &str, folders: &[&Path]) -> Option<Self> {
        let mut command = Command::new("sh");
        command
            .args(["-c", SCRIPT, "fnlocal-watchdog"])
            .arg(format!("{}={run}/", family::MARK))
            .args(folders)
            .current_dir("/")
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // A terminal's Ctrl-C is for its foreground group.
        command.process_group(0);
        let mut child = command.spawn().ok()?;
        let input = Mutex::new(child.stdin.take()?);
        Some(Self { input })
    }

    /// Tells it that there is nothing to clear up.
    pub async fn dismiss(&self) {
        let _gone = self.input.lock().await.write_all(b"well\n").await;
    }
}
