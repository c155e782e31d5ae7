use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use fnlocal_api::UserError;
use fnlocal_project::{CodeError, CodeStore, Project, Snapshot, StateDir};

use super::Folder;

/// A package's store; the project's state stays locked meanwhile.
struct Store {
    _state: StateDir,
    store: CodeStore,
}

fn store(folder: &Folder) -> Store {
    let project = folder.open();
    let state = StateDir::lock(&folder.path).unwrap();
    let store = CodeStore::new(&state, &project.packages[0]).unwrap();
    Store {
        _state: state,
        store,
    }
}

fn snapshot(folder: &Folder) -> Snapshot {
    store(folder).store.snapshot().unwrap()
}

fn files(snapshot: &Snapshot) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![snapshot.path.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path: PathBuf = entry.path();
            assert!(!path.is_symlink(), "{}", path.display());
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(
                    path.strip_prefix(&snapshot.path)
                        .unwrap()
                        .display()
                        .to_string(),
                );
            }
        }
    }
    files.sort();
    files
}

#[test]
fn a_code_version_contains_only_the_files_of_its_package() {
    let folder = Folder::with(&[
        ("index.js", "1"),
        ("lib/a.js", "2"),
        ("node_modules/x/index.js", ""),
        (".git/config", ""),
        (".env", "SECRET=1"),
        (".env.local", "SECRET=1"),
        (".index.js.swp", ""),
        ("functions/sub/package.json", "{}"),
        ("functions/sub/index.js", ""),
        ("functions/sub/deep/index.js", ""),
        ("functions/note.txt", ""),
    ]);
    let snapshot = snapshot(&folder);
    assert_eq!(
        files(&snapshot),
        ["functions/note.txt", "index.js", "lib/a.js"]
    );
    assert_eq!((snapshot.files, snapshot.bytes), (3, 2));
    assert_eq!(snapshot.changed, files(&snapshot));
    assert_eq!(
        snapshot.path.file_name().unwrap().to_str().unwrap(),
        snapshot.hash.to_string()
    );
    assert_eq!(snapshot.hash.to_string().len(), 16);
    assert!(
        snapshot
            .path
            .starts_with(folder.path.join(".fnlocal/code/shop"))
    );
}

#[test]
fn fnlocalignore_excludes_files_unless_negated_and_gitignore_does_not() {
    let folder = Folder::with(&[
        ("index.js", ""),
        (".fnlocalignore", "*.log\n!keep.log\n/out\ntmp/\n"),
        ("a.log", ""),
        ("keep.log", ""),
        ("out/x.js", ""),
        ("lib/out/x.js", ""),
        ("lib/tmp/x.js", ""),
        ("lib/.fnlocalignore", "!a.log\nsecret.js\n"),
        ("lib/a.log", ""),
        ("lib/secret.js", ""),
        (".gitignore", "gen/\n/config.json\nlib/**/*.js\n"),
        ("gen/client/index.js", ""),
        ("config.json", ""),
    ]);
    let expected = [
        ".fnlocalignore",
        ".gitignore",
        "config.json",
        "gen/client/index.js",
        "index.js",
        "keep.log",
        "lib/.fnlocalignore",
        "lib/a.log",
        "lib/out/x.js",
    ];
    assert_eq!(files(&snapshot(&folder)), expected);
}

#[test]
fn a_fnlocalignore_above_the_project_applies_only_inside_a_repository() {
    let folder = Folder::with(&[("index.js", ""), ("a.log", "")]);
    let above = folder.path.parent().unwrap();
    fs::write(above.join(".fnlocalignore"), "*.log\n").unwrap();
    assert_eq!(snapshot(&folder).files, 2);
    fs::create_dir(above.join(".git")).unwrap();
    assert_eq!(snapshot(&folder).files, 1);
}

#[test]
fn a_project_ignored_by_its_repository_still_has_its_files() {
    let folder = Folder::with(&[("index.js", "")]);
    let above = folder.path.parent().unwrap();
    fs::create_dir(above.join(".git")).unwrap();
    fs::write(above.join(".gitignore"), "*\n").unwrap();
    fs::write(above.join(".fnlocalignore"), "*\n").unwrap();
    assert_eq!(snapshot(&folder).files, 1);
}

#[test]
fn the_ignored_folder_of_a_built_entry_is_included() {
    let folder = Folder::with(&[
        ("package.json", r#"{"main": "dist/server/index.js"}"#),
        (".fnlocalignore", "dist\n"),
        ("dist/server/index.js", ""),
        ("dist/lib/a.js", ""),
        ("src/index.ts", ""),
    ]);
    let expected = [
        ".fnlocalignore",
        "dist/lib/a.js",
        "dist/server/index.js",
        "package.json",
        "src/index.ts",
    ];
    assert_eq!(files(&snapshot(&folder)), expected);
}

#[test]
fn a_single_file_is_copied_alone() {
    let folder = Folder::with(&[("hello.js", ""), ("holiday.mov", "")]);
    let project = Project::open(&folder.path.join("hello.js"), None).unwrap();
    let state = StateDir::lock(&folder.path).unwrap();
    let snapshot = CodeStore::new(&state, &project.packages[0])
        .unwrap()
        .snapshot()
        .unwrap();
    assert_eq!(files(&snapshot), ["hello.js"]);
}

#[test]
fn a_version_hash_depends_only_on_paths_modes_and_contents() {
    let make = || Folder::with(&[("index.js", "1"), ("lib/a.js", "2")]);
    let first = snapshot(&make()).hash;
    let other = make();
    fs::File::open(other.path.join("index.js"))
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    assert_eq!(snapshot(&other).hash, first);
    fs::rename(other.path.join("lib/a.js"), other.path.join("lib/b.js")).unwrap();
    let renamed = snapshot(&other).hash;
    assert_ne!(renamed, first);
    fs::set_permissions(
        other.path.join("index.js"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    assert_ne!(snapshot(&other).hash, renamed);
    let edited = make();
    edited.write("index.js", "3");
    assert_ne!(snapshot(&edited).hash, first);
}

#[test]
fn a_code_version_is_immutable_when_files_change() {
    let folder = Folder::with(&[("index.js", "old")]);
    let mut store = store(&folder);
    let first = store.store.snapshot().unwrap();
    folder.write("index.js", "new");
    let second = store.store.snapshot().unwrap();
    assert_eq!(
        fs::read_to_string(first.path.join("index.js")).unwrap(),
        "old"
    );
    assert_eq!(
        fs::read_to_string(second.path.join("index.js")).unwrap(),
        "new"
    );
    assert_eq!(second.changed, ["index.js"]);
}

#[test]
fn unchanged_files_are_shared_between_versions() {
    let folder = Folder::with(&[("index.js", "1"), ("lib/a.js", "2")]);
    let mut store = store(&folder);
    let first = store.store.snapshot().unwrap();
    folder.write("index.js", "3");
    let second = store.store.snapshot().unwrap();
    let inode =
        |snapshot: &Snapshot, name: &str| fs::metadata(snapshot.path.join(name)).unwrap().ino();
    assert_eq!(inode(&first, "lib/a.js"), inode(&second, "lib/a.js"));
    assert_ne!(inode(&first, "index.js"), inode(&second, "index.js"));
    assert_ne!(
        inode(&second, "lib/a.js"),
        fs::metadata(folder.path.join("lib/a.js")).unwrap().ino()
    );
}

#[test]
fn a_save_without_changes_keeps_the_version() {
    let folder = Folder::with(&[("index.js", "1")]);
    let mut store = store(&folder);
    let first = store.store.snapshot().unwrap();
    folder.write("index.js", "1");
    let second = store.store.snapshot().unwrap();
    assert_eq!(first.hash, second.hash);
    assert!(second.changed.is_empty());
}

#[test]
fn a_quick_save_of_the_same_size_is_noticed() {
    let folder = Folder::with(&[("index.js", "0")]);
    let mut store = store(&folder);
    let mut last = store.store.snapshot().unwrap().hash;
    for number in 1..50 {
        folder.write("index.js", &(number % 10).to_string());
        let next = store.store.snapshot().unwrap();
        assert_ne!(next.hash, last, "save {number}");
        last = next.hash;
    }
}

#[test]
fn an_edit_that_keeps_size_and_modification_time_is_noticed() {
    let folder = Folder::with(&[("index.js", "1")]);
    let mut store = store(&folder);
    let first = store.store.snapshot().unwrap();
    let path = folder.path.join("index.js");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    folder.write("index.js", "2");
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    assert_ne!(store.store.snapshot().unwrap().hash, first.hash);
}

#[test]
fn an_editors_atomic_save_is_noticed() {
    let folder = Folder::with(&[("index.js", "1")]);
    let mut store = store(&folder);
    let first = store.store.snapshot().unwrap();
    folder.write("index.js~tmp", "2");
    fs::rename(
        folder.path.join("index.js~tmp"),
        folder.path.join("index.js"),
    )
    .unwrap();
    let second = store.store.snapshot().unwrap();
    assert_ne!(first.hash, second.hash);
    assert_eq!(second.changed, ["index.js"]);
}

#[test]
fn a_prepared_version_becomes_the_next_version() {
    let folder = Folder::with(&[("index.js", "1"), ("gone/deep/a.js", "2"), ("b", "file")]);
    let mut store = store(&folder);
    let first = store.store.snapshot().unwrap();
    store.store.prepare().unwrap();
    store.store.prepare().unwrap();
    folder.write("index.js", "3");
    fs::remove_dir_all(folder.path.join("gone")).unwrap();
    folder.remove("b");
    folder.write("b/c.js", "folder");
    folder.write("new/deep/d.js", "4");
    let second = store.store.snapshot().unwrap();
    assert_eq!(files(&second), ["b/c.js", "index.js", "new/deep/d.js"]);
    assert_eq!(files(&first), ["b", "gone/deep/a.js", "index.js"]);
    assert!(!second.path.join("gone").exists());
    assert_eq!(
        second.changed,
        ["b", "b/c.js", "gone/deep/a.js", "index.js", "new/deep/d.js"]
    );
}

#[test]
fn reverting_a_change_reuses_the_existing_version() {
    let folder = Folder::with(&[("index.js", "1")]);
    let mut store = store(&folder);
    let first = store.store.snapshot().unwrap();
    folder.write("index.js", "2");
    store.store.snapshot().unwrap();
    folder.write("index.js", "1");
    let third = store.store.snapshot().unwrap();
    assert_eq!(third.hash, first.hash);
    assert_eq!(third.changed, ["index.js"]);
}

#[test]
fn a_version_is_readable_by_every_user_and_its_files_are_read_only() {
    let folder = Folder::with(&[("lib/index.js", "1"), ("run.sh", ""), ("index.js", "")]);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().mode() & 0o777;
    for (name, bits) in [("lib/index.js", 0o600), ("run.sh", 0o700)] {
        fs::set_permissions(folder.path.join(name), fs::Permissions::from_mode(bits)).unwrap();
    }
    let snapshot = snapshot(&folder);
    assert_eq!(mode(snapshot.path.join("lib/index.js")), 0o444);
    assert_eq!(mode(snapshot.path.join("run.sh")), 0o555);
    assert_eq!(mode(snapshot.path.join("lib")), 0o755);
    assert_eq!(mode(snapshot.path.clone()), 0o755);
    assert_eq!(mode(snapshot.path.parent().unwrap().to_owned()), 0o755);
}

#[test]
fn links_inside_the_project_are_followed() {
    let folder = Folder::with(&[
        ("services/a/package.json", "{}"),
        ("services/a/index.js", ""),
        ("shared/util.js", "u"),
        ("shared/deep/x.js", "x"),
    ]);
    folder.link("services/a/shared", "../../shared");
    folder.link("services/a/one.js", "../../shared/util.js");
    folder.link("shared/deep/back", "..");
    folder.link("services/a/.#index.js", "nobody@nowhere");
    folder.link("services/a/dangling", "nowhere");
    let snapshot = snapshot(&folder);
    let expected = [
        "index.js",
        "one.js",
        "package.json",
        "shared/deep/x.js",
        "shared/util.js",
    ];
    assert_eq!(files(&snapshot), expected);
    assert_eq!(snapshot.warnings.len(), 2, "{:?}", snapshot.warnings);
    assert!(
        snapshot
            .warnings
            .iter()
            .any(|warning| warning.text.contains("leads nowhere"))
    );
}

#[test]
fn a_change_behind_a_link_is_noticed() {
    let folder = Folder::with(&[("functions/a.js", ""), ("real.js", "1")]);
    folder.link("functions/b.js", "../real.js");
    let mut store = store(&folder);
    let first = store.store.snapshot().unwrap();
    folder.write("real.js", "2");
    let second = store.store.snapshot().unwrap();
    assert_ne!(first.hash, second.hash);
    assert_eq!(second.changed, ["functions/b.js", "real.js"]);
}

#[test]
fn a_link_out_of_the_project_names_link_and_target() {
    let folder = Folder::with(&[("index.js", "")]);
    let outside = folder.path.parent().unwrap().join("outside.js");
    fs::write(&outside, "").unwrap();
    folder.link("lib.js", &outside);
    let error = store(&folder).store.snapshot().unwrap_err();
    let CodeError::Escape { link, target } = &error else {
        panic!("{error}")
    };
    assert_eq!((link, target), (&folder.path.join("lib.js"), &outside));
    assert!(error.to_string().contains("outside.js") && error.hint().is_some());
}

#[test]
fn a_symlink_to_an_env_file_is_not_included() {
    let folder = Folder::with(&[("index.js", ""), (".env", "SECRET=1")]);
    folder.link("config.txt", ".env");
    assert_eq!(files(&snapshot(&folder)), ["index.js"]);
}

#[test]
fn unused_versions_are_removed_with_their_contents() {
    let folder = Folder::with(&[("index.js", "1"), ("same.js", "same")]);
    let mut store = store(&folder);
    let mut made = Vec::new();
    for text in ["1", "2", "3"] {
        folder.write("index.js", text);
        made.push(store.store.snapshot().unwrap());
    }
    store.store.prune(&[made[0].hash]).unwrap();
    let there: Vec<bool> = made.iter().map(|snapshot| snapshot.path.exists()).collect();
    assert_eq!(there, [true, false, true]);
    let blobs = fs::read_dir(folder.path.join(".fnlocal/blobs/shop"))
        .unwrap()
        .count();
    assert_eq!(blobs, 3);
    folder.write("index.js", "2");
    assert_eq!(
        files(&store.store.snapshot().unwrap()),
        ["index.js", "same.js"]
    );
}

#[test]
fn an_unfinished_version_of_a_crashed_run_is_removed() {
    let folder = Folder::with(&[("index.js", "1")]);
    folder.write(".fnlocal/code/shop/.new-0/index.js", "half");
    let snapshot = snapshot(&folder);
    assert_eq!(
        fs::read_dir(snapshot.path.parent().unwrap())
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn a_removed_state_folder_is_recreated() {
    let folder = Folder::with(&[("index.js", "1"), ("a.js", "2")]);
    let mut store = store(&folder);
    store.store.snapshot().unwrap();
    fs::remove_dir_all(folder.path.join(".fnlocal")).unwrap();
    folder.write("index.js", "3");
    assert_eq!(
        files(&store.store.snapshot().unwrap()),
        ["a.js", "index.js"]
    );
}

#[test]
fn dependencies_have_a_hash_of_their_own() {
    let folder = Folder::with(&[("index.js", "1"), ("package.json", r#"{"name": "shop"}"#)]);
    let mut store = store(&folder);
    assert_eq!(store.store.snapshot().unwrap().deps, None);
    folder.write(
        "package.json",
        r#"{"name": "shop", "dependencies": {"a": "1"}}"#,
    );
    let first = store.store.snapshot().unwrap().deps;
    assert!(first.is_some());
    folder.write(
        "package.json",
        r#"{"name": "shop", "version": "2", "dependencies": {"a": "1"}}"#,
    );
    folder.write("index.js", "2");
    assert_eq!(store.store.snapshot().unwrap().deps, first);
    folder.write("package-lock.json", "{}");
    let locked = store.store.snapshot().unwrap().deps;
    assert_ne!(locked, first);
    folder.write("package-lock.json", "[]");
    assert_ne!(store.store.snapshot().unwrap().deps, locked);
}

#[test]
fn a_large_package_causes_a_warning_that_names_its_largest_file() {
    let folder = Folder::with(&[("index.js", "1")]);
    fs::File::create(folder.path.join("dump.bin"))
        .unwrap()
        .set_len(51 << 20)
        .unwrap();
    let snapshot = snapshot(&folder);
    assert!(
        snapshot.warnings[0].text.contains("dump.bin with 51 MB"),
        "{:?}",
        snapshot.warnings
    );
}

#[test]
fn an_oversized_package_is_refused_before_it_is_read() {
    let folder = Folder::with(&[("index.js", "1")]);
    fs::File::create(folder.path.join("disk.img"))
        .unwrap()
        .set_len(8 << 30)
        .unwrap();
    let error = store(&folder).store.snapshot().unwrap_err();
    assert!(
        error.to_string().contains("disk.img with 8192 MB"),
        "{error}"
    );
}

#[test]
fn edits_of_fnlocalignore_apply_to_every_later_version() {
    let folder = Folder::with(&[
        ("index.js", ""),
        ("lib/deep/a.log", ""),
        (".fnlocalignore", ""),
    ]);
    let mut store = store(&folder);
    let mut count = || store.store.snapshot().unwrap().files;
    assert_eq!(count(), 3);
    for _ in 0..20 {
        folder.write(".fnlocalignore", "*.log\n");
        assert_eq!(count(), 2);
        folder.write(".fnlocalignore", "*.lag\n");
        assert_eq!(count(), 3);
    }
    folder.write("lib/.fnlocalignore", "*.log\n");
    assert_eq!(count(), 3);
    folder.remove("lib/.fnlocalignore");
    assert_eq!(count(), 3);
}
