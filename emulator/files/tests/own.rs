//! Nothing is reached by a link, and nothing is open to others.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use fnlocal_files::{OwnPath, hint};

/// A project with a `.fnlocal`, and a folder outside that nothing may change.
struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("project/.fnlocal")).unwrap();
        fs::create_dir(dir.path().join("victim")).unwrap();
        fs::write(dir.path().join("victim/file"), "precious").unwrap();
        Self { dir }
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("project/.fnlocal")
    }

    fn victim(&self) -> PathBuf {
        self.dir.path().join("victim")
    }

    fn own(&self, below: &str) -> OwnPath {
        OwnPath::new(&self.state().join(below))
    }

    fn assert_unchanged(&self) {
        let names: Vec<_> = fs::read_dir(self.victim()).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        let file = self.victim().join("file");
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn no_file_operation_follows_a_symlinked_folder() {
    let scene = Scene::new();
    symlink(scene.victim(), scene.state().join("logs")).unwrap();
    let file = scene.own("logs/file");
    let other = scene.own("logs/other");
    fs::write(scene.state().join("own"), "own").unwrap();
    let own = scene.own("own");
    let results = [
        file.open().map(drop),
        file.open_to_write().map(drop),
        file.open_or_create().map(drop),
        other.create_new().map(drop),
        file.write(b"x"),
        file.remove(),
        file.remove_all(),
        file.rename(&scene.own("stolen")),
        own.rename(&other),
        file.hard_link(&scene.own("stolen")),
        own.hard_link(&other),
        scene.own("logs").make_folder(),
        scene.own("logs/below").make_folder(),
        scene.own("logs").names().map(drop),
        scene.own("logs").sync_folder(),
        file.metadata().map(drop),
    ];
    for (number, result) in results.into_iter().enumerate() {
        let error = result.expect_err(&format!("operation {number} went through"));
        assert!(error.to_string().contains("is a link"), "{number}: {error}");
        let hint = hint(&error).unwrap();
        assert!(hint.contains(".fnlocal/logs"), "{hint}");
    }
    scene.assert_unchanged();
}

#[test]
fn a_state_folder_that_is_a_link_is_refused() {
    let scene = Scene::new();
    fs::remove_dir(scene.state()).unwrap();
    symlink(scene.victim(), scene.state()).unwrap();
    let before = mode(&scene.victim());
    assert!(scene.own("").make_folder().is_err());
    assert!(scene.own("lock").open_or_create().is_err());
    assert!(scene.own("registry/blobs").make_folder().is_err());
    assert!(scene.own("file").remove().is_err());
    assert_eq!(mode(&scene.victim()), before);
    scene.assert_unchanged();
}

#[test]
fn a_symlinked_file_is_not_opened_and_removing_it_keeps_its_target() {
    let scene = Scene::new();
    let at = scene.state().join("lock");
    symlink(scene.victim().join("file"), &at).unwrap();
    let lock = scene.own("lock");
    assert!(lock.open().is_err());
    assert!(lock.open_or_create().is_err());
    assert!(lock.create_new().is_err());
    assert!(lock.hard_link(&scene.own("other")).is_err());
    assert!(!lock.is_file());
    lock.write(b"mine").unwrap();
    assert_eq!(fs::read_to_string(&at).unwrap(), "mine");
    fs::remove_file(&at).unwrap();
    symlink(scene.victim(), &at).unwrap();
    lock.remove_all().unwrap();
    assert!(fs::symlink_metadata(&at).is_err());
    scene.assert_unchanged();
}

#[test]
fn a_named_pipe_is_refused_without_blocking() {
    let scene = Scene::new();
    let at = scene.state().join("lock");
    let made = std::process::Command::new("mkfifo").arg(&at).status();
    assert!(made.unwrap().success());
    for opened in [
        scene.own("lock").open(),
        scene.own("lock").open_or_create(),
        scene.own("lock").open_to_write(),
    ] {
        let error = opened.unwrap_err();
        assert!(error.to_string().contains("neither a file"), "{error}");
    }
    assert!(scene.own("").check_children().is_err());
}

#[test]
fn a_joined_path_cannot_escape_its_folder() {
    let scene = Scene::new();
    let state = scene.own("");
    for outside in ["../../victim/file", "/etc/passwd", "a/../../../victim/file"] {
        assert!(state.join(outside).open().is_err(), "{outside}");
        assert!(state.join(outside).remove().is_err(), "{outside}");
    }
    scene.assert_unchanged();
}

#[test]
fn new_files_and_folders_are_private_and_existing_ones_become_private() {
    let scene = Scene::new();
    let old = scene.state().join("queue.redb");
    fs::write(&old, "").unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(scene.state(), fs::Permissions::from_mode(0o755)).unwrap();
    scene.own("").make_folder().unwrap();
    scene.own("logs/deep").make_folder().unwrap();
    scene.own("logs/a").write(b"x").unwrap();
    scene.own("logs/b").create_new().unwrap();
    scene.own("queue.redb").open_or_create().unwrap();
    scene.own("code/shop").make_folder_with_mode(0o755).unwrap();
    for (path, wanted) in [
        ("", 0o700),
        ("logs", 0o700),
        ("logs/deep", 0o700),
        ("logs/a", 0o600),
        ("logs/b", 0o600),
        ("queue.redb", 0o600),
        ("code", 0o700),
        ("code/shop", 0o755),
    ] {
        assert_eq!(mode(&scene.state().join(path)), wanted, "{path}");
    }
}

#[test]
fn new_parent_folders_are_private_and_existing_parents_keep_their_modes() {
    let scene = Scene::new();
    // Where no `.fnlocal` is above, the folder itself is the outermost.
    let home = scene.dir.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
    let outermost = home.join("cache/fnlocal/project");
    OwnPath::new(&outermost)
        .join("logs/deep")
        .make_folder()
        .unwrap();
    assert_eq!(mode(&home), 0o755, "it was there");
    for made in ["cache", "cache/fnlocal", "cache/fnlocal/project"] {
        assert_eq!(mode(&home.join(made)), 0o700, "{made}");
    }
    for made in ["logs", "logs/deep"] {
        assert_eq!(mode(&outermost.join(made)), 0o700, "{made}");
    }
}

#[test]
fn another_users_folder_is_refused() {
    let scene = Scene::new();
    // Only root can give a folder away; others have one of root's to look at.
    let folder = if fs::metadata("/proc/self").unwrap().uid() == 0 {
        std::os::unix::fs::chown(scene.state(), Some(12_345), None).unwrap();
        scene.own("")
    } else {
        OwnPath::new(Path::new("/usr"))
    };
    let error = folder.make_folder().unwrap_err();
    assert!(error.to_string().contains("another user"), "{error}");
    assert!(folder.join("lock").open_or_create().is_err());
    assert!(hint(&error).is_some());
}

#[test]
fn a_failed_write_leaves_no_temporary_file() {
    let scene = Scene::new();
    fs::create_dir(scene.state().join("taken")).unwrap();
    assert!(scene.own("taken").write(b"x").is_err());
    assert_eq!(scene.own("").names().unwrap(), ["taken"]);
}
