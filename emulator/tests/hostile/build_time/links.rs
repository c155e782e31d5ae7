//! Links and other things among a repository's files that lead out of it, or never end.

use std::os::unix::fs::symlink;
use std::path::Path;

use super::mkfifo;
use crate::support::Folder;
use crate::support::images::{build, built, files};

const HELLO: &str = "exports.hi = (req, res) => res.send('hi');";
const SECRET: &str = "what-lies-outside";

/// A folder with a function, and a file outside of it.
fn attacked() -> (Folder, tempfile::TempDir) {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), SECRET).unwrap();
    (Folder::new(&[("index.js", HELLO)]), outside)
}

/// How to get from a folder of `/tmp` to another.
fn up(from: &Path, to: &Path) -> String {
    let depth = from.components().count() - 1;
    format!(
        "{}{}",
        "../".repeat(depth),
        to.strip_prefix("/").unwrap().display()
    )
}

#[test]
fn symlinks_out_of_the_project_are_refused_by_name_however_they_are_chained() {
    type Links<'a> = Vec<(String, &'a str)>;
    let chains: [fn(&Path, &Path) -> Links<'static>; 5] = [
        |_, secret| vec![(secret.display().to_string(), "bad")],
        |root, secret| vec![(up(root, secret), "bad")],
        |_, secret| vec![(secret.parent().unwrap().display().to_string(), "bad")],
        // Each is inside by its text: the folder that `here` is has no folder above it in the code.
        |root, secret| {
            let climb = "here/".repeat(8) + &up(root, secret);
            vec![(".".to_owned(), "here"), (climb, "bad")]
        },
        |_, secret| {
            let folder = secret.parent().unwrap().display().to_string();
            vec![(folder, "bad"), ("bad/secret".to_owned(), "other")]
        },
    ];
    for chain in chains {
        let (folder, outside) = attacked();
        let root = folder.path().canonicalize().unwrap();
        let secret = outside.path().canonicalize().unwrap().join("secret");
        for (to, at) in chain(&root, &secret) {
            symlink(&to, root.join(at)).unwrap();
        }
        let (exit, _, stderr) = build(&folder, &[], &[]);
        assert_eq!(exit, 64, "{stderr}");
        assert!(stderr.contains("bad links to"), "{stderr}");
        assert!(stderr.contains("outside of the project"), "{stderr}");
    }
}

#[test]
fn circular_symlinks_and_special_files_do_not_block_a_build() {
    let (folder, _outside) = attacked();
    let root = folder.path();
    symlink("round", root.join("round")).unwrap();
    symlink("b", root.join("a")).unwrap();
    symlink("a", root.join("b")).unwrap();
    mkfifo(&root.join("pipe.js"));
    mkfifo(&root.join(".gitignore"));
    mkfifo(&root.join(".fnlocalignore"));
    std::fs::create_dir(root.join("lib")).unwrap();
    mkfifo(&root.join("lib/.gitignore"));
    let image = built(&folder, &[]);
    let code = files(&folder, &image, "code");
    let names: Vec<&str> = code.keys().map(String::as_str).collect();
    assert_eq!(names, ["app/", "app/index.js"]);
}

#[test]
fn settings_and_lock_files_that_are_symlinks_to_the_outside_are_not_read() {
    let manifest = r#"{"name":"a","dependencies":{"ws":"8.18.0"}}"#;
    for name in [
        "package.json",
        "package-lock.json",
        ".npmrc",
        ".env",
        "fnlocal.toml",
    ] {
        let (folder, outside) = attacked();
        if name != "package.json" {
            folder.write("package.json", manifest);
        }
        symlink(outside.path().join("secret"), folder.path().join(name)).unwrap();
        let (exit, _, stderr) = build(&folder, &[], &[]);
        assert_ne!(exit, 0, "{name}: {stderr}");
        assert!(stderr.contains(name), "{name}: {stderr}");
        assert!(stderr.contains("outside of"), "{name}: {stderr}");
        assert!(!stderr.contains(SECRET), "{name}: {stderr}");
    }
}

#[test]
fn settings_files_that_are_pipes_are_refused_without_blocking() {
    for name in ["package.json", "fnlocal.toml", ".env"] {
        let (folder, _outside) = attacked();
        mkfifo(&folder.path().join(name));
        let (exit, _, stderr) = build(&folder, &[], &[]);
        assert_ne!(exit, 0, "{name}: {stderr}");
        assert!(
            stderr.contains(name) && stderr.contains("not a file"),
            "{name}: {stderr}"
        );
    }
}
