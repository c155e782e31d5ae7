//! The things that `fnlocal clean` removes, and those it leaves alone.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::process::Command;

use crate::support::{Dev, Folder, containers_of, fnlocal};
use serde_json::Value;

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "docker {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn clean(folder: &Folder, more: &[&str]) -> Value {
    let path = folder.path().to_str().unwrap();
    let args: Vec<&str> = ["clean", path, "--json"]
        .iter()
        .chain(more)
        .copied()
        .collect();
    let (code, stdout, stderr) = fnlocal(&args);
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    serde_json::from_str(&stdout).unwrap()
}

fn images_of(project: &str) -> String {
    let label = format!("label=dev.fnlocal.project={project}");
    docker(&["images", "--quiet", "--filter", &label])
}

#[test]
fn clean_removes_a_projects_containers_images_and_state_only() {
    let name = format!("cleaned-{}", std::process::id());
    let code = "exports.hi = (req, res) => res.send('hi');";
    let config = format!("name = \"{name}\"\n");
    let files = [("index.js", code), ("fnlocal.toml", &config)];
    let (folder, other) = (Folder::new(&files), Folder::new(&[("index.js", code)]));
    let mut up = Dev::up(&folder);
    // A crash leaves containers behind; one that ended halfway elsewhere keeps an image.
    up.kill();
    let image = images_of(&name);
    let image = image.lines().next().unwrap();
    let stopped = docker(&[
        "run",
        "--detach",
        "--label",
        "fnlocal.kind=instance",
        "--entrypoint",
        "node",
        image,
        "--version",
    ]);
    docker(&["wait", &stopped]);
    let _other = Dev::start(&other);
    let others = containers_of(&other);
    assert!(!images_of(&name).is_empty() && !others.is_empty());

    let listed = clean(&folder, &["--dry-run"]);
    assert!(!images_of(&name).is_empty());
    let kinds: std::collections::BTreeSet<&str> = listed["removed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["kind"].as_str().unwrap())
        .collect();
    assert!(
        kinds.contains("image") && kinds.contains("files"),
        "{listed}"
    );

    clean(&folder, &[]);
    assert_eq!(images_of(&name), "");
    assert!(containers_of(&folder).is_empty());
    let all = docker(&["ps", "--all", "--quiet", "--no-trunc"]);
    assert!(!all.contains(&stopped), "{all}");
    let left = std::fs::read_dir(folder.path().join(".fnlocal")).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [".gitignore", "build.lock", "lock"]);
    assert!(folder.path().join("index.js").is_file());
    // Another project's are as they were, and there is nothing more to remove.
    for container in &others {
        assert!(containers_of(&other).contains(container));
    }
    assert_eq!(clean(&folder, &[])["removed"], Value::Array(Vec::new()));
}

#[test]
fn a_project_in_use_is_not_cleaned() {
    let folder = Folder::new(&[("index.js", "exports.hi = (req, res) => res.send('hi');")]);
    let dev = Dev::start_with(&folder, &["--runtime", "process"]);
    let (code, _, stderr) = fnlocal(&["clean", folder.path().to_str().unwrap()]);
    assert_eq!(code, 75, "{stderr}");
    assert!(stderr.contains(&dev.pid().to_string()), "{stderr}");
}
