//! The commit of a package's files.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use fnlocal_project::programs;

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitCommit {
    /// Its hash.
    pub hash: String,
    /// `true` if files of the package differ from it.
    pub dirty: bool,
}

/// Settings by which a repository could have git start a program, set to nothing.
const HARMLESS: [&str; 6] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    // A folder among the files that looks like a repository is not taken for one.
    "safe.bareRepository=explicit",
    "core.sshCommand=false",
    "core.gitProxy=false",
    "credential.helper=",
];
/// Variables to the same end.
const ALONE: [(&str, &str); 5] = [
    // A build beside a `git commit` must not hold the index.
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_TERMINAL_PROMPT", "0"),
    // Objects that are missing are not fetched, by whatever means the repository names.
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_PAGER", "cat"),
];
/// For git to answer. A repository can name files that never end.
const GIT_TIME: Duration = Duration::from_secs(10);

/// The commit of a folder; nothing where there is no git, or nothing committed.
///
/// A repository's own settings can name programs, and somebody else may have written them: git is
/// asked so that it starts none of them.
pub(super) async fn commit(folder: &Path) -> Option<GitCommit> {
    folder
        .ancestors()
        .find(|above| above.join(".git").exists())?;
    let git = programs::find("git")?;
    // Comparing files runs the repository's filters, and there is no way to have none.
    let settings = [
        "config",
        "--includes",
        "--show-scope",
        "--name-only",
        "--list",
    ];
    let filters = has_filters(&ask(&git, folder, &settings).await?);
    if filters {
        let head = ask(&git, folder, &["rev-parse", "--verify", "HEAD^{commit}"]).await?;
        let hash = head.trim().to_owned();
        return is_hash(&hash).then_some(GitCommit { hash, dirty: true });
    }
    let status = [
        "status",
        "--porcelain=v2",
        "--branch",
        "--untracked-files=normal",
    ];
    let of = ["--ignore-submodules=all", "--", "."];
    parse(&ask(&git, folder, &[&status[..], &of].concat()).await?)
}

/// Returns git's output; `None` if git fails or takes too long.
async fn ask(git: &Path, folder: &Path, words: &[&str]) -> Option<String> {
    let asked = Command::new(git)
        .args(HARMLESS.iter().flat_map(|setting| ["-c", *setting]))
        .args(words)
        .envs(ALONE)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let asked = tokio::time::timeout(GIT_TIME, asked).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(&asked.stdout).into_owned();
    asked.status.success().then_some(text)
}

/// Returns whether the repository's own settings name filters. The person's own are theirs to
/// trust.
fn has_filters(settings: &str) -> bool {
    settings.lines().any(|line| {
        let (scope, key) = line.split_once(char::is_whitespace).unwrap_or_default();
        let own = scope == "local" || scope == "worktree";
        own && key.to_ascii_lowercase().starts_with("filter.")
    })
}

fn is_hash(text: &str) -> bool {
    text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn parse(text: &str) -> Option<GitCommit> {
    let hash = text
        .lines()
        .find_map(|line| line.strip_prefix("# branch.oid "))?;
    is_hash(hash).then(|| GitCommit {
        hash: hash.to_owned(),
        dirty: text.lines().any(|line| !line.starts_with('#')),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_dirty_if_a_changed_or_untracked_file_is_listed() {
        let head = "# branch.oid 1111111111111111111111111111111111111111\n# branch.head main\n";
        assert!(!parse(head).unwrap().dirty);
        let changed = format!("{head}1 .M N... 100644 100644 100644 a b index.js\n");
        assert!(parse(&changed).unwrap().dirty);
        let untracked = format!("{head}? new.js\n");
        assert!(parse(&untracked).unwrap().dirty);
    }

    #[test]
    fn only_filters_configured_by_the_repository_itself_count() {
        assert!(has_filters("local\tfilter.lfs.clean\n"));
        assert!(has_filters("system\tcore.a\nworktree\tFilter.x.process\n"));
        assert!(!has_filters(
            "global\tfilter.lfs.clean\nlocal\tcore.filter\n"
        ));
    }

    #[test]
    fn a_repository_without_commits_has_no_commit() {
        assert_eq!(parse("# branch.oid (initial)\n# branch.head main\n"), None);
    }
}
