//! The layer a binary gave last time, so that one that has not changed is not read again.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fnlocal_files::OwnPath;
use fnlocal_registry::Digest;
use serde::{Deserialize, Serialize};

/// A change of a file shows in its times only when the file system's clock has moved on.
const TICK: Duration = Duration::from_secs(2);

/// The remembered facts of a binary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RememberedBinary {
    binary: PathBuf,
    stamp: BinaryStamp,
    /// Its layer's digest.
    layer: String,
    /// Its layer's bytes.
    size: u64,
}

/// The facts that show, without reading, that a file is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BinaryStamp {
    size: u64,
    /// Seconds and nanoseconds; who sets a file's time of change changes this one.
    changed: (i64, i64),
    modified: (i64, i64),
    inode: (u64, u64),
}

impl RememberedBinary {
    pub fn new(binary: &Path, stamp: BinaryStamp, layer: &Digest, size: u64) -> Self {
        Self {
            binary: binary.to_owned(),
            stamp,
            layer: layer.to_string(),
            size,
        }
    }

    /// Reads a file's facts of a binary. `None` if they are of another binary, or the binary has
    /// changed. A file that cannot be read or understood remembers nothing: the binary is then read.
    pub fn find(file: &Path, binary: &Path, stamp: &BinaryStamp) -> Option<(Digest, u64)> {
        let text = own(file)?.read_to_string().ok()?;
        let known: Self = serde_json::from_str(&text).ok()?;
        let is_same = known.binary == binary && known.stamp == *stamp;
        Some((known.layer.parse().ok().filter(|_| is_same)?, known.size))
    }

    /// Writes it. That it cannot be written costs time next time, and nothing else.
    pub fn keep(&self, file: &Path) {
        let json = serde_json::to_string(self).expect("it is plain data");
        let _unwritten = own(file).map(|file| file.write(json.as_bytes()));
    }
}

/// A file in a folder of this user's; `None` for a path without a name.
fn own(file: &Path) -> Option<OwnPath> {
    Some(OwnPath::new(file.parent()?).join(file.file_name()?))
}

impl BinaryStamp {
    /// Returns the stamp of a file. `None` if a change after `now` might not show.
    pub fn from_metadata(metadata: &Metadata, now: SystemTime) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let changed = u64::try_from(metadata.ctime()).ok()?;
        let since_1970 = Duration::from_secs(changed).checked_add(TICK)?;
        let settled = SystemTime::UNIX_EPOCH.checked_add(since_1970)?;
        (settled < now).then(|| Self {
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            inode: (metadata.dev(), metadata.ino()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remembered_digest_is_ignored_for_a_changed_or_recently_changed_binary() {
        let folder = tempfile::tempdir().unwrap();
        let (binary, file) = (folder.path().join("fnlocal"), folder.path().join("known"));
        std::fs::write(&binary, "one").unwrap();
        let stamp = |now| BinaryStamp::from_metadata(&std::fs::metadata(&binary).unwrap(), now);
        let now = SystemTime::now();
        assert_eq!(stamp(now), None);
        let later = now + TICK * 2;
        let first = stamp(later).unwrap();
        let digest = Digest::sha256(b"layer");
        RememberedBinary::new(&binary, first, &digest, 5).keep(&file);
        assert_eq!(
            RememberedBinary::find(&file, &binary, &first),
            Some((digest, 5))
        );
        std::fs::write(&binary, "another").unwrap();
        let second = stamp(later).unwrap();
        assert_eq!(RememberedBinary::find(&file, &binary, &second), None);
        assert_eq!(
            RememberedBinary::find(&file, Path::new("other"), &first),
            None
        );
    }
}
