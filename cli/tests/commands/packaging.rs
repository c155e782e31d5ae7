//! The released files: one version everywhere, and an archive that holds what it promises.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::path::Path;
use std::process::{Command, Output};

fn ci(tool: &str, args: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Command::new(root.join(".ci").join(tool))
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

#[test]
fn cargo_and_npm_agree_on_the_version() {
    let output = ci("version", &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), env!("CARGO_PKG_VERSION"));
    let output = ci("version", &["999.0.0"]);
    assert!(!output.status.success(), "a tag of another version");
    assert!(text(&output.stderr).contains("hint:"));
}

#[test]
fn an_archive_contains_the_binary_man_pages_and_completions_and_has_a_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let name = "fnlocal-test";
    let output = ci("package", &[env!("CARGO_BIN_EXE_fnlocal"), name, out]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(program)
            .args(args)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{program}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    };
    run("sha256sum", &["--check", "fnlocal-test.tar.gz.sha256"]);
    run("tar", &["-xzf", "fnlocal-test.tar.gz"]);
    let version = run("fnlocal-test/bin/fnlocal", &["--version"]);
    assert_eq!(version, format!("fnlocal {}", env!("CARGO_PKG_VERSION")));
    for path in [
        "share/man/man1/fnlocal.1",
        "share/man/man1/fnlocal-dev.1",
        "share/completions/fnlocal.zsh",
        "LICENSE",
    ] {
        assert!(folder.path().join(name).join(path).exists(), "{path}");
    }
}
