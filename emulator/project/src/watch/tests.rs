use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use fnlocal_core::PackageId;
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::debounce::Debounce;
use super::hub::Message;
use super::{Change, Watcher};
use crate::CodeStore;
use crate::ImportMemo;
use crate::Project;
use crate::StateDir;

const TEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A watched project with packages `a` and `b`.
struct WatchedProject {
    _temp: TempDir,
    root: PathBuf,
    project: Project,
    watcher: Watcher,
    changes: Receiver<Change>,
}

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn watched(files: &[(&str, &str)]) -> WatchedProject {
    watched_by(files, |messages, overflow| {
        Some(super::listen(messages, overflow))
    })
}

fn watched_by(
    files: &[(&str, &str)],
    source: impl FnOnce(SyncSender<Message>, Arc<AtomicBool>) -> super::NativeWatcher,
) -> WatchedProject {
    watched_in(tempfile::tempdir().unwrap(), files, source)
}

fn watched_in(
    temp: TempDir,
    files: &[(&str, &str)],
    source: impl FnOnce(SyncSender<Message>, Arc<AtomicBool>) -> super::NativeWatcher,
) -> WatchedProject {
    let root = fs::canonicalize(temp.path()).unwrap();
    for name in ["a", "b"] {
        write(&root, &format!("services/{name}/package.json"), "{}");
        write(&root, &format!("services/{name}/index.js"), "");
    }
    for (name, text) in files {
        write(&root, name, text);
    }
    let project = Project::open(&root, None).unwrap();
    let (watcher, changes) = Watcher::start_with(&project, source).unwrap();
    WatchedProject {
        _temp: temp,
        root,
        project,
        watcher,
        changes,
    }
}

impl WatchedProject {
    fn write(&self, name: &str, text: &str) {
        write(&self.root, name, text);
    }

    fn id(&self, name: &str) -> PackageId {
        self.project
            .packages
            .iter()
            .find(|package| package.name == name)
            .unwrap()
            .id
    }

    fn only(&self, name: &str) -> BTreeSet<PackageId> {
        BTreeSet::from([self.id(name)])
    }

    async fn next(&mut self) -> Change {
        timeout(TEST_TIMEOUT, self.changes.recv())
            .await
            .expect("a change in time")
            .expect("a watcher")
    }

    /// All changes until the confirming one, merged.
    async fn settled(&mut self) -> Change {
        let mut all = Change::default();
        loop {
            let change = self.next().await;
            let last = change.confirming;
            all.merge(change);
            if last {
                return all;
            }
        }
    }

    /// All changes until one about structure, merged.
    async fn restructured(&mut self) -> Change {
        let mut all = Change::default();
        while !all.structure {
            let change = self.next().await;
            all.merge(change);
        }
        all
    }

    /// Saves a sentinel and returns what was reported up to it, so that silence can be observed.
    async fn until_sentinel(&mut self) -> Change {
        self.write("services/b/sentinel.js", "");
        let b = self.id("b");
        let mut all = Change::default();
        while !all.packages.contains(&b) {
            let change = self.next().await;
            all.merge(change);
        }
        all
    }
}

#[tokio::test]
async fn a_save_reports_only_its_package_and_is_confirmed() {
    let mut watched = watched(&[]);
    watched.write("services/a/index.js", "1");
    let first = watched.next().await;
    assert_eq!(first.packages, watched.only("a"));
    assert!(!first.config && !first.env && !first.structure && !first.confirming);
    assert_eq!(watched.settled().await.packages, watched.only("a"));
}

#[tokio::test]
async fn repeated_atomic_saves_are_not_reported_as_structural_changes() {
    let mut watched = watched(&[]);
    for number in 0..5 {
        watched.write("services/a/index.js.tmp", &number.to_string());
        fs::rename(
            watched.root.join("services/a/index.js.tmp"),
            watched.root.join("services/a/index.js"),
        )
        .unwrap();
        let change = watched.settled().await;
        assert_eq!(change.packages, watched.only("a"));
        assert!(!change.structure);
    }
}

#[tokio::test]
async fn changes_of_ignored_files_are_not_reported() {
    let mut watched = watched(&[
        (".gitignore", "*.log\nout/\n"),
        ("services/a/node_modules/x/index.js", ""),
        ("services/a/out/x.js", ""),
    ]);
    for name in [
        "a.log",
        "node_modules/x/index.js",
        "node_modules/y.js",
        "out/x.js",
        ".index.js.swp",
        ".git/HEAD",
    ] {
        watched.write(&format!("services/a/{name}"), "1");
    }
    watched.write(".fnlocal/code/a/x.js", "1");
    assert_eq!(watched.until_sentinel().await.packages, watched.only("b"));
}

#[tokio::test]
async fn changes_of_git_ignored_files_are_reported_if_code_loads_them() {
    let mut watched = watched(&[
        (
            ".gitignore",
            "*.log\nout/\ngenerated/\n/services/a/dist\nconfig.json\nlib/**/*.js\n",
        ),
        ("services/a/package.json", r#"{"main": "dist/index.js"}"#),
        (
            "services/a/dist/index.js",
            "import { x } from '../generated/client/index.js';\nimport('./late.js');\n",
        ),
        (
            "services/a/generated/client/index.js",
            "require('../../lib/deep/greet');\nread(join(__dirname, '../../config.json'));\n",
        ),
        ("services/a/config.json", "{}"),
        ("services/a/other/config.json", "{}"),
        ("services/a/lib/deep/greet.js", ""),
        ("services/a/out/x.js", ""),
    ]);
    for loaded in [
        "dist/index.js",
        "dist/late.js",
        "dist/page.html",
        "generated/client/index.js",
        "generated/new.js",
        "config.json",
        "lib/deep/greet.js",
        "lib/deep/new.js",
    ] {
        watched.write(&format!("services/a/{loaded}"), "// changed");
        let change = watched.settled().await;
        assert_eq!(change.packages, watched.only("a"), "{loaded}");
        // The entry's imports stay as they were.
        let text = "import '../generated/client/index.js';\n";
        watched.write("services/a/dist/index.js", text);
        let text =
            "require('../../lib/deep/greet');\nread(join(__dirname, '../../config.json'));\n";
        watched.write("services/a/generated/client/index.js", text);
        watched.settled().await;
    }
    for quiet in ["app.log", "out/x.js", "lib/deep/a.log", "other/config.json"] {
        watched.write(&format!("services/a/{quiet}"), "changed");
    }
    assert_eq!(watched.until_sentinel().await.packages, watched.only("b"));
}

#[tokio::test]
async fn a_git_ignored_folder_is_watched_once_a_save_imports_from_it() {
    let mut watched = watched(&[
        (".gitignore", "generated/\n"),
        ("services/a/generated/client.js", ""),
    ]);
    watched.write("services/a/generated/client.js", "1");
    assert_eq!(watched.until_sentinel().await.packages, watched.only("b"));
    watched.settled().await;
    watched.write("services/a/index.js", "require('./generated/client')");
    watched.settled().await;
    watched.write("services/a/generated/client.js", "2");
    assert_eq!(watched.settled().await.packages, watched.only("a"));
    // As a generator does it: all anew.
    for text in ["3", "4"] {
        fs::remove_dir_all(watched.root.join("services/a/generated")).unwrap();
        assert_eq!(watched.settled().await.packages, watched.only("a"));
        watched.write("services/a/generated/client.js", text);
        assert_eq!(watched.settled().await.packages, watched.only("a"));
    }
}

#[tokio::test]
async fn reads_are_not_reported() {
    let mut watched = watched(&[]);
    fs::read(watched.root.join("services/a/index.js")).unwrap();
    fs::read_dir(watched.root.join("services/a"))
        .unwrap()
        .count();
    assert_eq!(watched.until_sentinel().await.packages, watched.only("b"));
}

#[tokio::test]
async fn changes_of_fnlocal_toml_and_env_files_are_distinguished() {
    let mut watched = watched(&[]);
    watched.write(".env", "A=1");
    let change = watched.settled().await;
    assert!(
        change.env && !change.config && change.packages.is_empty(),
        "{change:?}"
    );
    watched.write("fnlocal.toml", "[limits]\nqueue = 3\n");
    let change = watched.settled().await;
    assert!(
        change.config && !change.env && !change.structure,
        "{change:?}"
    );
    watched.write(".env.prod", "A=1");
    assert!(!watched.until_sentinel().await.env);
}

/// A project whose `.env` is a link.
fn linked(target: &str, files: &[(&str, &str)]) -> WatchedProject {
    let root = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(target, root.path().join(".env")).unwrap();
    watched_in(root, files, |messages, overflow| {
        Some(super::listen(messages, overflow))
    })
}

#[tokio::test]
async fn the_target_of_a_symlinked_env_file_is_watched() {
    let files = &[("config/.secrets/dev", "A=1"), ("config/.secrets/x", "")];
    let mut watched = linked("config/./.secrets/../.secrets/dev", files);
    watched.write("config/.secrets/dev", "A=2");
    assert!(watched.settled().await.env);
    // As editors save.
    watched.write("config/.secrets/new", "A=3");
    let at = |name: &str| watched.root.join("config/.secrets").join(name);
    fs::rename(at("new"), at("dev")).unwrap();
    assert!(watched.settled().await.env);
    watched.write("config/.secrets/x", "1");
    assert!(!watched.until_sentinel().await.env);
}

#[tokio::test]
async fn a_retargeted_folder_symlink_on_the_path_to_env_is_noticed() {
    let files = &[("mount/1/.env", "A=1"), ("mount/2/.env", "A=2")];
    let mut watched = linked("mount/now/.env", files);
    let exchange = |watched: &WatchedProject, version: &str| {
        let link = watched.root.join("mount/next");
        std::os::unix::fs::symlink(version, &link).unwrap();
        fs::rename(&link, watched.root.join("mount/now")).unwrap();
    };
    for version in ["1", "2"] {
        exchange(&watched, version);
        assert!(watched.settled().await.env, "{version}");
    }
    // The folder it leads to now is watched, and the one before is not.
    watched.write("mount/2/.env", "A=3");
    assert!(watched.settled().await.env);
    watched.write("mount/1/.env", "A=3");
    assert!(!watched.until_sentinel().await.env);
}

#[tokio::test]
async fn a_symlinked_env_file_is_watched_before_its_target_exists() {
    let mut watched = linked("later/deep/.env", &[]);
    watched.write("later/deep/.env", "A=1");
    assert!(watched.settled().await.env);
    watched.write("later/deep/.env", "A=2");
    assert!(watched.settled().await.env);
}

#[tokio::test]
async fn new_folders_are_watched() {
    let mut watched = watched(&[]);
    watched.write("services/a/lib/deep/x.js", "1");
    assert_eq!(watched.settled().await.packages, watched.only("a"));
    watched.write("services/a/lib/deep/x.js", "2");
    assert_eq!(watched.settled().await.packages, watched.only("a"));
}

#[tokio::test]
async fn a_recreated_folder_is_watched() {
    let mut watched = watched(&[("services/a/lib/x.js", "1")]);
    for text in ["2", "3", "4"] {
        fs::remove_dir_all(watched.root.join("services/a/lib")).unwrap();
        watched.write("services/a/lib/x.js", text);
        assert_eq!(watched.settled().await.packages, watched.only("a"));
        watched.write("services/a/lib/x.js", "again");
        assert_eq!(watched.settled().await.packages, watched.only("a"));
    }
}

#[tokio::test]
async fn a_renamed_folder_is_watched_under_its_new_name() {
    let mut watched = watched(&[("services/a/old/x.js", "1")]);
    fs::rename(
        watched.root.join("services/a/old"),
        watched.root.join("services/a/new"),
    )
    .unwrap();
    watched.settled().await;
    watched.write("services/a/new/x.js", "2");
    assert_eq!(watched.next().await.packages, watched.only("a"));
}

#[tokio::test]
async fn bursts_of_new_folders_lose_no_change() {
    let mut watched = watched(&[]);
    let state = StateDir::lock(&watched.root).unwrap();
    let package = watched.project.package(watched.id("a")).unwrap();
    let mut store = CodeStore::new(&state, package).unwrap();
    for round in 0..3 {
        for number in 0..50 {
            watched.write(&format!("services/a/r{round}/d{number}/x/y.js"), "1");
        }
        // Each change makes a snapshot, as the driver does; the last one has everything.
        let files = loop {
            let change = watched.next().await;
            let files = store.snapshot().unwrap().files;
            if change.confirming {
                break files;
            }
        };
        assert_eq!(files, 2 + 50 * (round + 1));
        watched.write(&format!("services/a/r{round}/d49/x/y.js"), "22");
        assert_eq!(watched.settled().await.packages, watched.only("a"));
        assert_eq!(store.snapshot().unwrap().changed.len(), 1);
    }
}

#[tokio::test]
async fn an_added_package_is_a_structural_change_and_is_watched_after_replanning() {
    let mut watched = watched(&[]);
    watched.write("services/c/package.json", "{}");
    watched.write("services/c/index.js", "1");
    watched.restructured().await;
    watched.project = watched.project.reload().unwrap();
    watched.watcher.replan(&watched.project);
    assert_eq!(watched.settled().await.packages, watched.only("c"));
    watched.write("services/c/index.js", "2");
    let change = watched.settled().await;
    assert_eq!(
        (change.packages, change.structure),
        (watched.only("c"), false)
    );
}

#[tokio::test]
async fn a_package_added_step_by_step_is_a_structural_change() {
    let mut watched = watched(&[]);
    fs::create_dir(watched.root.join("services/c")).unwrap();
    watched.until_sentinel().await;
    watched.settled().await;
    watched.write("services/c/package.json", "{}");
    watched.write("services/b/sentinel.js", "2");
    assert!(!watched.settled().await.structure);
    watched.write("services/c/index.js", "");
    watched.restructured().await;
}

#[tokio::test]
async fn a_removed_or_broken_package_is_a_structural_change() {
    let mut watched = watched(&[]);
    fs::remove_dir_all(watched.root.join("services/b")).unwrap();
    watched.restructured().await;
    watched.write("services/a/package.json", "{ not json");
    watched.restructured().await;
    watched.write("services/a/package.json", "{}");
    watched.restructured().await;
}

#[tokio::test]
async fn an_added_or_removed_entry_is_a_structural_change() {
    let mut watched = watched(&[
        ("services/c/package.json", "{}"),
        ("services/c/functions/x.js", ""),
    ]);
    watched.write("services/c/functions/y.js", "");
    assert_eq!(watched.restructured().await.packages, watched.only("c"));
    fs::remove_file(watched.root.join("services/a/index.js")).unwrap();
    watched.restructured().await;
    watched.write("services/c/index.js", "");
    watched.restructured().await;
}

#[tokio::test]
async fn a_changed_ignore_file_changes_what_is_watched() {
    let mut watched = watched(&[
        ("services/a/.gitignore", "out\n"),
        ("services/a/out/x.js", ""),
    ]);
    watched.write("services/a/.gitignore", "nothing\n");
    watched.settled().await;
    watched.write("services/a/out/x.js", "1");
    assert_eq!(watched.next().await.packages, watched.only("a"));
}

#[tokio::test]
async fn a_symlinked_file_is_watched() {
    let mut watched = watched(&[("shared/deep/util.js", "1")]);
    std::os::unix::fs::symlink(
        "../../shared/deep/util.js",
        watched.root.join("services/a/util.js"),
    )
    .unwrap();
    std::os::unix::fs::symlink("../../shared", watched.root.join("services/b/shared")).unwrap();
    watched.settled().await;
    watched.write("shared/deep/util.js", "2");
    let both = BTreeSet::from([watched.id("a"), watched.id("b")]);
    assert_eq!(watched.next().await.packages, both);
}

#[tokio::test]
async fn the_lock_file_of_the_project_affects_every_package() {
    let mut watched = watched(&[("package-lock.json", "{}")]);
    watched.write("package-lock.json", "[]");
    let both = BTreeSet::from([watched.id("a"), watched.id("b")]);
    assert_eq!(watched.next().await.packages, both);
}

#[tokio::test]
async fn polling_reports_the_same_changes() {
    let mut watched = watched_by(&[], |_, _| None);
    watched.write("services/a/lib/x.js", "1");
    watched.write(".env", "A=1");
    let change = watched.next().await;
    assert!(change.env && !change.structure, "{change:?}");
    assert_eq!(change.packages, watched.only("a"));
}

#[tokio::test]
async fn the_watcher_falls_back_to_polling_with_a_notice_at_the_watch_limit() {
    let full = notify::Error::new(notify::ErrorKind::MaxFilesWatch);
    let mut watched = watched_by(&[], |_, _| Some(Err(full)));
    let notice = watched.next().await.notice.expect("a notice");
    assert!(notice.contains("max_user_watches"), "{notice}");
    watched.write("services/a/index.js", "1");
    assert_eq!(watched.next().await.packages, watched.only("a"));
}

#[tokio::test]
async fn an_event_overflow_is_reported_as_a_change_of_everything() {
    let mut lost = None;
    let mut watched = watched_by(&[], |messages, overflow| {
        lost = Some((messages.clone(), Arc::clone(&overflow)));
        Some(super::listen(messages, overflow))
    });
    let (messages, overflow) = lost.expect("the source was asked for");
    overflow.store(true, std::sync::atomic::Ordering::Release);
    messages.send(Message::Wake).unwrap();
    let change = watched.next().await;
    assert_eq!(change.packages.len(), 2);
    assert!(change.config && change.env && !change.structure);
    watched.settled().await;
    watched.write("services/a/index.js", "1");
    assert_eq!(watched.next().await.packages, watched.only("a"));
}

#[tokio::test]
async fn a_driver_that_is_busy_gets_one_merged_change() {
    let mut watched = watched(&[]);
    for number in 0..20 {
        watched.write("services/a/index.js", &number.to_string());
        watched.write("services/b/index.js", &number.to_string());
        watched.write("services/a/lib/x.js", &number.to_string());
    }
    let both = BTreeSet::from([watched.id("a"), watched.id("b")]);
    assert_eq!(watched.settled().await.packages, both);
}

#[test]
fn a_dropped_watcher_ends_without_a_receiver() {
    let watched = watched(&[]);
    for number in 0..3000 {
        watched.write("services/a/index.js", &number.to_string());
    }
    drop(watched);
}

#[test]
fn the_watcher_follows_no_symlink_out_of_the_project() {
    let outside = tempfile::tempdir().unwrap();
    let outside = fs::canonicalize(outside.path()).unwrap();
    write(&outside, "deep/er/index.js", "");
    write(&outside, "package.json", r#"{"main":"deep/er/index.js"}"#);
    let temp = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(temp.path()).unwrap();
    write(&root, "index.js", "");
    write(&root, "real/one/index.js", "");
    let link = |target: &Path, name: &str| std::os::unix::fs::symlink(target, root.join(name));
    // Folders where packages are looked for, a package in one, and what is in a package.
    link(&outside, "services").unwrap();
    link(&outside, "functions").unwrap();
    fs::create_dir(root.join("apps")).unwrap();
    link(&outside, "apps/shop").unwrap();
    link(&outside.join("deep"), "lib").unwrap();
    link(&outside.join("package.json"), "z.json").unwrap();
    link(&root.join("lib"), "a").unwrap();
    link(&root.join("real"), "packages").unwrap();
    for toml in [
        "",
        "packages = [\"services/*\", \"apps/*\", \"real/*\", \"lib/er\"]\n",
    ] {
        write(&root, "fnlocal.toml", toml);
        let project = Project::open(&root, None).unwrap();
        let mut told = BTreeSet::new();
        let _plan =
            super::plan::WatchPlan::make(&project, &mut ImportMemo::default(), &mut |folder| {
                told.insert(fs::canonicalize(folder).unwrap());
                true
            });
        assert!(
            told.contains(&root.join("real")),
            "links inside are followed: {told:?}"
        );
        let left: Vec<_> = told.iter().filter(|one| !one.starts_with(&root)).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn path(number: usize) -> PathBuf {
    PathBuf::from(number.to_string())
}

#[test]
fn a_save_is_reported_four_milliseconds_after_its_last_event() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let mut debounce = Debounce::default();
    assert_eq!(debounce.due(), None);
    debounce.note(at(0), path(0));
    assert_eq!(debounce.due(), Some(at(4)));
    debounce.note(at(3), path(0));
    assert_eq!(debounce.due(), Some(at(7)));
    debounce.note(at(59), path(0));
    assert_eq!(debounce.due(), Some(at(60)));
    debounce.reported(at(60));
    assert_eq!(
        (debounce.due(), debounce.confirm_due()),
        (None, Some(at(210)))
    );
    debounce.note(at(100), path(0));
    debounce.reported(at(104));
    assert_eq!(debounce.confirm_due(), Some(at(254)));
}

#[test]
fn many_changed_files_are_reported_after_20_ms_of_quiet_and_within_300_ms() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let mut debounce = Debounce::default();
    for number in 0..30 {
        debounce.note(at(0), path(number));
    }
    assert_eq!(debounce.due(), Some(at(20)));
    debounce.note(at(299), path(0));
    assert_eq!(debounce.due(), Some(at(300)));
}
