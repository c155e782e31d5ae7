//! Projects: configuration, discovery, variables, code versions.
#![allow(clippy::unwrap_used, reason = "a test that cannot set up has failed")]

#[path = "project/code.rs"]
mod code;
#[path = "project/config.rs"]
mod config;
#[path = "project/discover.rs"]
mod discover;
#[path = "project/env.rs"]
mod env;
#[path = "project/env_file.rs"]
mod env_file;
#[path = "project/generated/mod.rs"]
mod generated;
#[path = "project/local.rs"]
mod local;
#[path = "project/settle.rs"]
mod settle;
#[path = "project/state.rs"]
mod state;
#[path = "project/typescript.rs"]
mod typescript;

use std::fs;
use std::path::{Path, PathBuf};

use fnlocal_project::Project;
use tempfile::TempDir;

/// A folder that is removed at the end.
struct Folder {
    _temp: TempDir,
    path: PathBuf,
}

impl Folder {
    /// Makes a folder with these files.
    fn with(files: &[(&str, &str)]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(temp.path()).unwrap().join("shop");
        fs::create_dir(&path).unwrap();
        let folder = Self { _temp: temp, path };
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path.join(name)).unwrap();
    }

    fn link(&self, name: &str, target: impl AsRef<Path>) {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    }

    fn open(&self) -> Project {
        Project::open(&self.path, None).unwrap()
    }
}
