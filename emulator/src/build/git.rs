//! Which commit a package's files are of.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its hash.
    pub hash: String,
    /// Whether files of the package differ from it.
    pub dirty: bool,
}

/// The commit of a folder; nothing where there is no git, or nothing committed.
pub(super) async fn commit(folder: &Path) -> Option<Commit> {
    folder
        .ancestors()
        .find(|above| above.join(".git").exists())?;
    let asked = Command::new("git")
        // A build beside somebody's `git commit` must not hold the index, and a repository's own
        // configuration must not start a program.
        .args(["--no-optional-locks", "-c", "core.fsmonitor=false"])
        .args(["status", "--porcelain=v2"])
        .args(["--branch", "--untracked-files=normal", "--", "."])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let asked = asked.await.ok().filter(|asked| asked.status.success())?;
    parse(&String::from_utf8_lossy(&asked.stdout))
}

fn parse(text: &str) -> Option<Commit> {
    let hash = text
        .lines()
        .find_map(|line| line.strip_prefix("# branch.oid "))?;
    let is_hash = hash.len() >= 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| Commit {
        hash: hash.to_owned(),
        dirty: text.lines().any(|line| !line.starts_with('#')),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_dirty_when_a_file_is_listed() {
        let head = "# branch.oid 1111111111111111111111111111111111111111\n# branch.head main\n";
        assert!(!parse(head).unwrap().dirty);
        let changed = format!("{head}1 .M N... 100644 100644 100644 a b index.js\n");
        assert!(parse(&changed).unwrap().dirty);
        let untracked = format!("{head}? new.js\n");
        assert!(parse(&untracked).unwrap().dirty);
    }

    #[test]
    fn a_repository_without_commits_has_none() {
        assert_eq!(parse("# branch.oid (initial)\n# branch.head main\n"), None);
    }
}
