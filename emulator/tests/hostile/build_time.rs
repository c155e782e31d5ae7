//! Code, install scripts, links and settings of a repository while its images are built: none of it
//! runs on this machine, reads what is not its own, or takes more than its share.

mod import;
mod install;
mod links;
mod repository;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Folder, containers_of};

/// The real `node`s there are: the one in `PATH`, and newer ones in the checkout's tools.
fn nodes() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap();
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/node/bin");
    let folders = std::env::split_paths(&path).chain([tools]);
    let mut nodes: Vec<PathBuf> = Vec::new();
    for node in folders.map(|folder| folder.join("node")) {
        if let Ok(node) = node.canonicalize()
            && !nodes.contains(&node)
        {
            nodes.push(node);
        }
    }
    assert!(!nodes.is_empty());
    nodes
}

/// `PATH` with a folder before everything else.
fn path_with(first: &Path) -> String {
    format!("{}:{}", first.display(), std::env::var("PATH").unwrap())
}

/// Nothing of a build is left in the engine, however it ended.
fn assert_clean(folder: &Folder) {
    assert_eq!(containers_of(folder), [""; 0]);
    let filter = format!("label=fnlocal.folder={}", folder.path().display());
    let volumes = Command::new("docker")
        .args(["volume", "ls", "--quiet", "--filter", &filter])
        .output();
    assert_eq!(String::from_utf8(volumes.unwrap().stdout).unwrap(), "");
}

fn mkfifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}
