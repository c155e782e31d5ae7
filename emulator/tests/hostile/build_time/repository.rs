//! A repository whose own settings name programs, and a `PATH` that leads into a project.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::images::{build, built};
use crate::support::{Dev, Folder, command};

const HELLO: &str = "exports.hi = (req, res) => res.send('hi');";

fn git(folder: &Path, args: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(done.status.success(), "{args:?}: {done:?}");
}

/// A program that notes that it ran, and where.
fn program(at: PathBuf) -> (PathBuf, PathBuf) {
    let noted = at.with_extension("ran");
    let script = format!(
        "#!/bin/sh\necho ran >> '{}'\ncat\nexit 0\n",
        noted.display()
    );
    std::fs::write(&at, script).unwrap();
    std::fs::set_permissions(&at, std::fs::Permissions::from_mode(0o755)).unwrap();
    (at, noted)
}

#[test]
fn programs_named_in_the_git_configuration_of_a_repository_are_not_run() {
    let outside = tempfile::tempdir().unwrap();
    let (evil, noted) = program(outside.path().join("evil"));
    let evil = evil.to_str().unwrap();
    let hooks = outside.path().join("hooks");
    std::fs::create_dir(&hooks).unwrap();
    for (keys, attributes) in [
        (vec![("core.fsmonitor", evil)], ""),
        (
            vec![("filter.x.clean", evil), ("filter.x.required", "true")],
            "*.js filter=x\n",
        ),
        (vec![("filter.x.process", evil)], "*.js filter=x\n"),
        (
            vec![
                ("diff.external", evil),
                ("core.pager", evil),
                ("core.sshCommand", evil),
            ],
            "",
        ),
        (
            vec![
                ("extensions.partialClone", "origin"),
                ("remote.origin.url", "ext::sh -c evil"),
                ("remote.origin.promisor", "true"),
                ("protocol.ext.allow", "always"),
                ("core.gitProxy", evil),
            ],
            "",
        ),
    ] {
        let folder = Folder::new(&[("index.js", HELLO), (".gitattributes", attributes)]);
        git(folder.path(), &["init", "--quiet"]);
        git(folder.path(), &["add", "."]);
        git(folder.path(), &["commit", "--quiet", "--message=first"]);
        for (key, value) in &keys {
            let value = value.replace("sh -c evil", evil);
            git(folder.path(), &["config", key, &value]);
        }
        // Changed without another size, so that git has to compare.
        folder.write("index.js", &HELLO.replace("hi')", "ho')"));
        let _none = std::fs::remove_file(&noted);
        let image = built(&folder, &[]);
        assert!(!noted.exists(), "{keys:?}");
        assert_eq!(image["commit"]["dirty"], true, "{keys:?}");
        let first = keys[0].0;
        if first.starts_with("filter") || first == "core.fsmonitor" {
            git(folder.path(), &["status", "--porcelain"]);
            assert!(noted.exists(), "the attack itself works: {keys:?}");
        }
    }
}

#[test]
fn a_project_folder_disguised_as_a_git_repository_is_not_used_as_one() {
    let outside = tempfile::tempdir().unwrap();
    let (evil, noted) = program(outside.path().join("evil"));
    let folder = Folder::new(&[("index.js", HELLO), (".git-is-above", "")]);
    let inner = folder.path().join("package");
    std::fs::create_dir(&inner).unwrap();
    git(folder.path(), &["init", "--quiet"]);
    git(&inner, &["init", "--quiet", "--bare", "."]);
    git(&inner, &["config", "core.bare", "false"]);
    git(&inner, &["config", "core.worktree", "."]);
    git(
        &inner,
        &["config", "core.fsmonitor", evil.to_str().unwrap()],
    );
    std::fs::write(inner.join("index.js"), HELLO).unwrap();
    std::fs::write(inner.join("package.json"), r#"{"name":"inner"}"#).unwrap();
    folder.write("fnlocal.toml", "packages = [\"package\"]\n");
    folder.remove("index.js");
    let (exit, _, stderr) = build(&folder, &[], &[]);
    assert_eq!(exit, 0, "{stderr}");
    assert!(!noted.exists());
}

/// A folder with programs of these names in `node_modules/.bin`, the files they leave when they are
/// run, and a `PATH` that begins with it.
fn tempting(names: &[&str]) -> (Folder, Vec<PathBuf>, String) {
    let folder = Folder::new(&[("index.js", HELLO)]);
    let bin = folder.path().join("node_modules/.bin");
    std::fs::create_dir_all(&bin).unwrap();
    let notes = names.iter().map(|name| program(bin.join(name)).1).collect();
    let path = format!("node_modules/.bin:{}", std::env::var("PATH").unwrap());
    (folder, notes, path)
}

#[test]
fn child_processes_get_a_path_without_relative_folders() {
    let (folder, _, path) = tempting(&[]);
    let mut command = command(folder.path(), &["--runtime", "process"]);
    command.current_dir(folder.path()).env("PATH", path);
    let dev = Dev::start_command(command);
    let environment = std::fs::read(format!("/proc/{}/environ", dev.pid())).unwrap();
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let mut variables = environment.split('\0');
    let path = variables.find_map(|one| one.strip_prefix("PATH=")).unwrap();
    assert!(
        std::env::split_paths(path).all(|folder| folder.is_absolute()),
        "{path}"
    );
}

#[test]
fn browsers_and_credential_helpers_in_relative_folders_of_the_path_are_not_run() {
    let (folder, notes, path) = tempting(&["xdg-open", "x-www-browser", "docker-credential-evil"]);
    let login = tempfile::tempdir().unwrap();
    std::fs::write(login.path().join("config.json"), r#"{"credsStore":"evil"}"#).unwrap();
    folder.write(
        "fnlocal.toml",
        "[build]\nbase_image = \"127.0.0.1:1/none:1\"\n",
    );
    let _dev = Dev::start_with(&folder, &["--runtime", "process"]);
    for word in ["open", "build"] {
        Command::new(env!("CARGO_BIN_EXE_fnlocal"))
            .arg(word)
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("DOCKER_CONFIG", login.path())
            .env_remove("BROWSER")
            .output()
            .unwrap();
    }
    for note in notes {
        assert!(!note.exists(), "{}", note.display());
    }
}

#[test]
fn programs_in_relative_folders_of_the_path_are_not_run() {
    let folder = Folder::new(&[("index.js", HELLO)]);
    let bin = folder.path().join("node_modules/.bin");
    std::fs::create_dir_all(&bin).unwrap();
    let mut notes = Vec::new();
    for name in ["node", "git", "npm", "ldd"] {
        notes.push(program(bin.join(name)).1);
    }
    git(folder.path(), &["init", "--quiet"]);
    let path = format!("node_modules/.bin:{}", std::env::var("PATH").unwrap());
    let cache = tempfile::tempdir().unwrap();
    let built = Command::new(env!("CARGO_BIN_EXE_fnlocal"))
        .args(["build", "."])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("XDG_CACHE_HOME", cache.path())
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    for note in notes {
        assert!(!note.exists(), "{}", note.display());
    }
}
