//! A cloned repository says what runs, and nothing more: what it commits below `.fnlocal` leads no
//! command out of the folder, and is believed only where it proves itself.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::support::{Dev, Folder, command, eventually, fnlocal};

const CODE: &str = "exports.hello = (req, res) => res.send('hello');";

/// Files and folders outside of a project, as they have to stay.
struct Victim {
    dir: tempfile::TempDir,
}

const VICTIM_FILES: [&str; 4] = [
    "notes.txt",
    "00000001.jsonl",
    "running.json",
    // A blob's name, which a run without care took for its own.
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

impl Victim {
    fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("victim-")
            .tempdir()
            .unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o751)).unwrap();
        for name in VICTIM_FILES {
            let path = dir.path().join(name);
            fs::write(&path, format!("precious {name}")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        }
        Self { dir }
    }

    fn folder(&self) -> &Path {
        self.dir.path()
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join(VICTIM_FILES[0])
    }

    #[track_caller]
    fn assert_unchanged(&self, after: &str) {
        let mut names: Vec<_> = fs::read_dir(self.folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let mut wanted = VICTIM_FILES.map(str::to_owned).to_vec();
        wanted.sort();
        assert_eq!(names, wanted, "after {after}");
        assert_eq!(
            fs::metadata(self.folder()).unwrap().mode() & 0o777,
            0o751,
            "{after}"
        );
        for name in VICTIM_FILES {
            let path = self.folder().join(name);
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text, format!("precious {name}"), "after {after}");
            assert_eq!(
                fs::metadata(&path).unwrap().mode() & 0o777,
                0o640,
                "{after}: {name}"
            );
        }
    }
}

/// Runs `dev` until it serves or refuses, and then ends it. Returns what it said when it refused.
fn dev_for_a_moment(folder: &Folder, runtime: &str) -> Option<String> {
    let mut child = command(folder.path(), &["--runtime", runtime])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let (mut line, mut said) = (String::new(), String::new());
    while std::io::BufRead::read_line(&mut out, &mut line).unwrap() > 0 {
        if line.contains("\"ready\"") {
            super::support::signal(child.id(), "INT");
            child.wait().unwrap();
            return None;
        }
        said.push_str(&line);
        line.clear();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    said.push_str(std::str::from_utf8(&output.stderr).unwrap());
    Some(said)
}

fn fresh(links: &[(&str, &Path)]) -> Folder {
    let folder = Folder::new(&[("index.js", CODE)]);
    for (at, to) in links {
        let at = folder.path().join(at);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(to, at).unwrap();
    }
    folder
}

fn package(folder: &Folder) -> String {
    let state = folder.path().join(".fnlocal/code");
    let mut names = fs::read_dir(state).unwrap();
    names
        .next()
        .unwrap()
        .unwrap()
        .file_name()
        .into_string()
        .unwrap()
}

/// Links at the top of `.fnlocal`, each of which a command follows that does not look.
const FILES: [&str; 6] = [
    "lock",
    "build.lock",
    ".gitignore",
    "queue.redb",
    "runner.cjs",
    "running.json",
];
const FOLDERS: [&str; 7] = [
    "blobs", "code", "logs", "registry", "build", "releases", "deps",
];

#[test]
fn dev_leaves_the_targets_of_committed_state_folder_symlinks_untouched() {
    let victim = Victim::new();
    for name in FILES {
        let folder = fresh(&[(&format!(".fnlocal/{name}"), &victim.file())]);
        let said = dev_for_a_moment(&folder, "process");
        victim.assert_unchanged(name);
        assert_refusal(name, said);
    }
    for name in FOLDERS {
        let folder = fresh(&[(&format!(".fnlocal/{name}"), victim.folder())]);
        let said = dev_for_a_moment(&folder, "process");
        victim.assert_unchanged(name);
        assert_refusal(name, said);
    }
}

/// A refusal names the thing and a hint. A run may also take the link away and go on.
fn assert_refusal(name: &str, said: Option<String>) {
    if let Some(said) = said {
        assert!(said.contains(&format!(".fnlocal/{name}")), "{said}");
        assert!(said.contains("hint:"), "{said}");
    }
}

#[test]
fn a_state_folder_that_is_a_link_is_refused_by_every_command() {
    let victim = Victim::new();
    let folder = fresh(&[(".fnlocal", victim.folder())]);
    let path = folder.path().to_str().unwrap();
    for args in [
        &["dev", path, "--port", "0", "--runtime", "process"][..],
        &["dev", path, "--port", "0", "--runtime", "docker"],
        &["up", path, "--port", "0"],
        &["build", path],
        &["clean", path],
        &["release", "prune", "--folder", path],
        &["release", "list", "--folder", path],
        &["logs", "--folder", path],
        &["errors", "--folder", path],
        &["queue", "list", "--folder", path],
        &["queue", "purge", "--folder", path],
        &["invoke", "hello", "--folder", path],
    ] {
        let (code, _, stderr) = fnlocal(args);
        victim.assert_unchanged(&format!("{args:?}: {stderr}"));
        assert_ne!(code, 70, "{args:?}: {stderr}");
    }
    let said = dev_for_a_moment(&folder, "process").unwrap();
    assert!(said.contains(".fnlocal is a link"), "{said}");
    assert!(said.contains("hint:"), "{said}");
}

#[test]
fn dev_leaves_the_targets_of_nested_state_folder_symlinks_untouched() {
    let victim = Victim::new();
    let probe = Folder::new(&[("index.js", CODE)]);
    assert_eq!(dev_for_a_moment(&probe, "process"), None);
    let package = package(&probe);
    let hash = VICTIM_FILES[3];
    let empty = Path::new(".fnlocal");
    for (at, to) in [
        (format!("blobs/{package}"), victim.folder().to_owned()),
        (format!("blobs/{package}/{hash}"), victim.file()),
        (format!("code/{package}"), victim.folder().to_owned()),
        (
            format!("code/{package}/0123456789abcdef"),
            victim.folder().to_owned(),
        ),
        (format!("code/{package}/.new-0"), victim.folder().to_owned()),
        (
            format!("code/{package}/node_modules"),
            victim.folder().to_owned(),
        ),
        ("logs/00000001.jsonl".to_owned(), victim.file()),
        ("logs/errors.json".to_owned(), victim.file()),
    ] {
        let at = empty.join(at);
        let folder = fresh(&[(at.to_str().unwrap(), &to)]);
        let _refused = dev_for_a_moment(&folder, "process");
        victim.assert_unchanged(&format!("{at:?}"));
    }
}

#[test]
fn a_symlink_added_to_a_used_state_folder_is_refused_and_its_target_untouched() {
    let victim = Victim::new();
    let folder = Folder::new(&[("index.js", CODE)]);
    assert_eq!(dev_for_a_moment(&folder, "process"), None);
    let package = package(&folder);
    let blobs = folder.path().join(".fnlocal/blobs").join(&package);
    fs::remove_dir_all(&blobs).unwrap();
    symlink(victim.folder(), &blobs).unwrap();
    let said = dev_for_a_moment(&folder, "process").expect("it cannot keep code there");
    assert!(said.contains("is a link"), "{said}");
    victim.assert_unchanged("dev");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_symlink_added_while_dev_runs_is_refused_and_its_target_untouched() {
    let victim = Victim::new();
    let folder = Folder::new(&[("index.js", CODE)]);
    let mut dev = Dev::start_with(&folder, &["--runtime", "process"]);
    let package = package(&folder);
    for name in ["blobs", "code"] {
        let at = folder.path().join(".fnlocal").join(name).join(&package);
        fs::rename(
            &at,
            folder.path().join(".fnlocal").join(format!("{name}-away")),
        )
        .unwrap();
        symlink(victim.folder(), &at).unwrap();
    }
    folder.write(
        "index.js",
        "exports.hello = (req, res) => res.send('changed');",
    );
    dev.wait_for("a word on the link", |record| {
        record.to_string().contains("is a link")
    });
    victim.assert_unchanged("a save");
    assert_eq!(dev.interrupt(), Some(0));
    victim.assert_unchanged("the end");
}

#[test]
fn build_clean_and_prune_follow_no_committed_symlink() {
    let victim = Victim::new();
    for (at, to) in [
        (".fnlocal/registry/blobs", victim.folder().to_owned()),
        (".fnlocal/registry/blobs/sha256", victim.folder().to_owned()),
        (".fnlocal/registry/uploads", victim.folder().to_owned()),
        (".fnlocal/registry/quarantine", victim.folder().to_owned()),
        (".fnlocal/registry/repositories", victim.folder().to_owned()),
        (".fnlocal/registry/lock", victim.file()),
        (".fnlocal/registry", victim.folder().to_owned()),
        (".fnlocal/releases", victim.folder().to_owned()),
    ] {
        let folder = fresh(&[(at, &to)]);
        let path = folder.path().to_str().unwrap();
        for args in [
            &["release", "prune", "--folder", path][..],
            &["build", path],
            &["clean", path],
        ] {
            let (code, _, stderr) = fnlocal(args);
            victim.assert_unchanged(&format!("{args:?} with {at}: {stderr}"));
            assert_ne!(code, 70, "{args:?}: {stderr}");
        }
    }
}

#[test]
fn clean_removes_committed_symlinks_and_not_their_targets() {
    let victim = Victim::new();
    let folder = fresh(&[
        (".fnlocal/logs", victim.folder()),
        (".fnlocal/queue.redb", &victim.file()),
        (".fnlocal/blobs/shop", victim.folder()),
    ]);
    let path = folder.path().to_str().unwrap();
    let (code, _, stderr) = fnlocal(&["clean", path]);
    assert_eq!(code, 0, "{stderr}");
    victim.assert_unchanged("clean");
    for gone in ["logs", "queue.redb", "blobs"] {
        let at = folder.path().join(".fnlocal").join(gone);
        assert!(fs::symlink_metadata(at).is_err(), "{gone}");
    }
}

#[test]
fn a_named_pipe_in_the_state_folder_is_refused_by_dev_without_blocking() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let at = folder.path().join(".fnlocal");
    fs::create_dir(&at).unwrap();
    let made = Command::new("mkfifo")
        .arg(at.join("lock"))
        .status()
        .unwrap();
    assert!(made.success());
    let said = dev_for_a_moment(&folder, "process").unwrap();
    assert!(said.contains("neither a file nor a folder"), "{said}");
}

#[test]
fn a_committed_symlink_to_a_device_is_refused_without_reading_it() {
    for name in [".env", "fnlocal.toml", "package.json"] {
        let folder = fresh(&[(name, Path::new("/dev/zero"))]);
        let path = folder.path().to_str().unwrap();
        let (code, _, stderr) = fnlocal(&["dev", path, "--port", "0", "--runtime", "process"]);
        assert_ne!(code, 0, "{name}");
        assert!(stderr.contains(name), "{name}: {stderr}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_code_versions_and_blobs_are_not_served() {
    let folder = Folder::new(&[("index.js", CODE)]);
    assert_eq!(dev_for_a_moment(&folder, "process"), None);
    // As if the repository had brought them along: right names, other contents.
    let mut forged = 0;
    for below in ["blobs", "code"] {
        forge(&folder.path().join(".fnlocal").join(below), &mut forged);
    }
    assert!(forged >= 2, "{forged}");
    let dev = Dev::start_with(&folder, &["--runtime", "process"]);
    let answer = reqwest::get(dev.at("/hello")).await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "hello");
}

fn forge(folder: &Path, forged: &mut usize) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            forge(&path, forged);
            continue;
        }
        let mode = fs::metadata(&path).unwrap().permissions();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "exports.hello = (req, res) => res.send('forged');").unwrap();
        fs::set_permissions(&path, mode).unwrap();
        *forged += 1;
    }
}

#[test]
fn a_committed_running_json_is_not_used() {
    let folder = Folder::new(&[("index.js", CODE)]);
    folder.write(
        ".fnlocal/running.json",
        r#"{"url":"http://127.0.0.1:9","pid":1,"runtime":"process","version":"0","token":"t"}"#,
    );
    folder.write(".fnlocal/lock", "1\n");
    let path = folder.path().to_str().unwrap();
    let (code, _, stderr) = fnlocal(&["invoke", "hello", "--folder", path]);
    assert_ne!(code, 0);
    assert!(stderr.contains("no fnlocal is running"), "{stderr}");
}

/// Every file and folder below one with its mode; links are not followed.
fn modes(folder: &Path, found: &mut Vec<(PathBuf, u32, bool)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let about = fs::symlink_metadata(&path).unwrap();
        if about.file_type().is_symlink() {
            continue;
        }
        found.push((path.clone(), about.mode() & 0o777, about.is_dir()));
        if about.is_dir() {
            modes(&path, found);
        }
    }
}

fn assert_private(folder: &Folder) {
    let state = folder.path().join(".fnlocal");
    assert_eq!(fs::metadata(&state).unwrap().mode() & 0o777, 0o700);
    let mut found = Vec::new();
    modes(&state, &mut found);
    assert!(found.iter().any(|(path, ..)| path.ends_with("queue.redb")));
    assert!(
        found
            .iter()
            .any(|(path, ..)| path.ends_with("00000001.jsonl"))
    );
    for (path, mode, is_folder) in found {
        let below = path.strip_prefix(&state).unwrap();
        // Instances read these files in containers, as another user; the folders above are closed.
        let is_code = (below.starts_with("code") && below.components().count() > 1)
            || (below.starts_with("blobs") && !is_folder);
        if !is_code && !below.starts_with("deps") {
            let wanted = if is_folder { 0o700 } else { 0o600 };
            assert_eq!(mode, wanted, "{path:?}");
        } else {
            assert_eq!(mode & 0o022, 0, "{path:?} can be written to by others");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_folder_is_private_to_its_owner_with_any_umask() {
    for (umask, runtime) in [("000", "process"), ("077", "docker"), ("000", "docker")] {
        let folder = Folder::new(&[("index.js", CODE)]);
        let mut dev = Dev::start_command(with_umask(umask, &folder, runtime));
        let client = reqwest::Client::new();
        let later = client
            .get(dev.at("/hello"))
            .header("x-fnlocal-invoke", "async");
        later.send().await.unwrap();
        let answer = reqwest::get(dev.at("/hello")).await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "hello", "{umask} {runtime}");
        let log = folder.path().join(".fnlocal/logs/00000001.jsonl");
        eventually("the log has a line", async || {
            fs::metadata(&log).is_ok_and(|log| log.len() > 0)
        })
        .await;
        assert_private(&folder);
        assert_eq!(dev.interrupt(), Some(0));
        assert_private(&folder);
    }
}

fn with_umask(umask: &str, folder: &Folder, runtime: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"])
        .arg(env!("CARGO_BIN_EXE_fnlocal"))
        .arg("dev")
        .arg(folder.path())
        .args(["--port", "0", "--json", "--runtime", runtime]);
    shell
}

#[test]
fn the_state_folder_of_an_earlier_version_becomes_private() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let state = folder.path().join(".fnlocal");
    fs::create_dir_all(state.join("logs")).unwrap();
    for path in [state.join("logs"), state.clone()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(state.join("lock"), "").unwrap();
    fs::set_permissions(state.join("lock"), fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(dev_for_a_moment(&folder, "process"), None);
    for (path, wanted) in [("", 0o700), ("logs", 0o700), ("lock", 0o600)] {
        let mode = fs::metadata(state.join(path)).unwrap().mode() & 0o777;
        assert_eq!(mode, wanted, "{path}");
    }
}
