//! Results of earlier builds, so that this one need not ask again: small JSON files. A missing or
//! unreadable one only costs time.
//!
//! They decide what is built upon, and lie in a folder that may have come with a cloned repository.
//! So each is sealed with a key of this person's own, which lies outside of every project; one whose
//! seal does not fit is as good as none.

mod seal;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fnlocal_files::OwnPath;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use seal::SealKey;

/// Bytes of a record; the largest describe a package with many functions.
const MAX_RECORD_BYTES: u64 = 16 << 20;

/// Records in a folder.
#[derive(Clone, Debug)]
pub(super) struct BuildRecords {
    folder: PathBuf,
    key: Arc<SealKey>,
}

/// A record's file.
#[derive(Deserialize, Serialize)]
struct Sealed {
    seal: String,
    value: String,
}

impl BuildRecords {
    pub fn new(folder: PathBuf) -> Self {
        let key = SealKey::of_person();
        Self { folder, key }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn get<T: DeserializeOwned>(&self, kind: &str, key: &str) -> Option<T> {
        self.read(&name(kind, key))
    }

    /// All of a kind that can be read.
    pub fn all<T: DeserializeOwned>(&self, kind: &str) -> Vec<T> {
        let prefix = format!("{kind}-");
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names
            .filter(|name| name.starts_with(&prefix))
            .filter_map(|name| self.read(&name))
            .collect()
    }

    pub fn put<T: Serialize>(&self, kind: &str, key: &str, value: &T) {
        let name = name(kind, key);
        let write = || -> std::io::Result<()> {
            let value = serde_json::to_string(value)?;
            let seal = self.key.seal(&name, &value);
            let folder = OwnPath::new(&self.folder);
            folder.make_folder()?;
            folder
                .join(&name)
                .write(&serde_json::to_vec(&Sealed { seal, value })?)
        };
        let _asked_again_next_time = write();
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let file = fnlocal_project::open_within(&self.folder, Path::new(name)).ok()?;
        let mut bytes = Vec::new();
        file.take(MAX_RECORD_BYTES).read_to_end(&mut bytes).ok()?;
        let Sealed { seal, value } = serde_json::from_slice(&bytes).ok()?;
        let ours = self.key.fits(&seal, name, &value);
        ours.then(|| serde_json::from_str(&value).ok())?
    }
}

fn name(kind: &str, key: &str) -> String {
    format!("{kind}-{key}.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_record_sealed_with_another_key_or_for_another_name_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let records = |key: SealKey| BuildRecords {
            folder: folder.path().to_owned(),
            key: Arc::new(key),
        };
        let (ours, theirs) = (records(SealKey::random()), records(SealKey::random()));
        ours.put("base", "a", &1);
        assert_eq!(ours.get("base", "a"), Some(1));
        assert_eq!(ours.all::<i32>("base"), [1]);
        assert_eq!(theirs.get::<i32>("base", "a"), None);
        assert_eq!(theirs.all::<i32>("base"), [0; 0]);
        std::fs::copy(
            folder.path().join("base-a.json"),
            folder.path().join("base-b.json"),
        )
        .unwrap();
        assert_eq!(ours.get::<i32>("base", "b"), None);
        std::fs::write(folder.path().join("base-c.json"), "1").unwrap();
        assert_eq!(ours.get::<i32>("base", "c"), None);
    }

    #[test]
    fn a_build_record_that_is_a_symlink_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let records = BuildRecords::new(folder.path().to_owned());
        records.put("base", "a", &1);
        let to = folder.path().join("base-a.json");
        std::fs::rename(&to, folder.path().join("real")).unwrap();
        std::os::unix::fs::symlink("real", &to).unwrap();
        assert_eq!(records.get::<i32>("base", "a"), None);
    }
}
