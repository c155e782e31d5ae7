//! What earlier builds found out, so that this one need not ask again: small JSON files. One that
//! is missing or cannot be read only costs time.
//!
//! A record says which layers an image is made of, and a repository can bring records along. So each
//! bears a seal by a key of this user's, and one without it counts as missing.

mod seal;

use std::path::{Path, PathBuf};

use fnlocal_files::OwnPath;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Records in a folder.
#[derive(Clone, Debug)]
pub(super) struct Records {
    folder: OwnPath,
}

impl Records {
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder: OwnPath::new(&folder),
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn get<T: DeserializeOwned>(&self, kind: &str, key: &str) -> Option<T> {
        read(&self.file(kind, key))
    }

    /// All of a kind that can be read.
    pub fn all<T: DeserializeOwned>(&self, kind: &str) -> Vec<T> {
        let prefix = format!("{kind}-");
        let names = self.folder.names().unwrap_or_default().into_iter();
        names
            .filter(|name| name.to_str().is_some_and(|name| name.starts_with(&prefix)))
            .filter_map(|name| read(&self.folder.join(name)))
            .collect()
    }

    pub fn put<T: Serialize>(&self, kind: &str, key: &str, value: &T) {
        let file = self.file(kind, key);
        let write = || -> std::io::Result<()> {
            self.folder.make_folder()?;
            file.write(&seal::seal(
                file.name().unwrap_or_default(),
                &serde_json::to_vec(value)?,
            ))
        };
        let _asked_again_next_time = write();
    }

    fn file(&self, kind: &str, key: &str) -> OwnPath {
        self.folder.join(format!("{kind}-{key}.json"))
    }
}

fn read<T: DeserializeOwned>(file: &OwnPath) -> Option<T> {
    let sealed = file.read().ok()?;
    serde_json::from_slice(seal::open(file.name()?, &sealed)?).ok()
}
