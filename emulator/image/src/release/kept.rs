//! The releases a project keeps.

use std::io;
use std::path::{Path, PathBuf};

use fnlocal_core::release::{Release, ReleaseError};
use fnlocal_files::OwnPath;
use fnlocal_registry::Digest;

/// The folder's name in a project's `.fnlocal`.
const FOLDER: &str = "releases";
/// Digits of a digest that people are shown, and at least have to give.
const SHORT: usize = 12;
const FEWEST: usize = 4;

/// A release with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRelease {
    /// The hash of its bytes.
    pub digest: Digest,
    /// The release.
    pub release: Release,
}

impl NamedRelease {
    /// Names a release by what it says.
    ///
    /// # Errors
    /// [`ReleaseStoreError::Invalid`] when it makes no sense.
    pub fn new(release: Release) -> Result<Self, ReleaseStoreError> {
        let release = release
            .validate()
            .map_err(|source| ReleaseStoreError::Invalid {
                what: "what was built".to_owned(),
                source,
            })?;
        let digest = Digest::sha256(&bytes(&release));
        Ok(Self { digest, release })
    }

    /// Enough of its name for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.digest.hex()[..SHORT]
    }
}

/// The same release always gives the same bytes: fields stand in their order, and there are no maps.
fn bytes(release: &Release) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(release).expect("plain data can be written as JSON");
    bytes.push(b'\n');
    bytes
}

/// A project's releases.
#[derive(Clone, Debug)]
pub struct Releases {
    folder: OwnPath,
}

impl Releases {
    /// Those in a project's `.fnlocal`. Makes nothing.
    #[must_use]
    pub fn in_state(state: &Path) -> Self {
        Self {
            folder: OwnPath::new(&state.join(FOLDER)),
        }
    }

    /// Keeps a release; one that says the same is there already.
    ///
    /// # Errors
    /// [`ReleaseStoreError::Io`] when it cannot be written.
    pub fn put(&self, kept: &NamedRelease) -> Result<PathBuf, ReleaseStoreError> {
        let file = self.file(kept);
        let path = file.path().to_owned();
        let bytes = bytes(&kept.release);
        if file.read().is_ok_and(|there| there == bytes) {
            return Ok(path);
        }
        let written = self.folder.make_folder().and_then(|()| file.write(&bytes));
        match written {
            Ok(()) => Ok(path),
            Err(source) => Err(ReleaseStoreError::Io { path, source }),
        }
    }

    fn file(&self, kept: &NamedRelease) -> OwnPath {
        self.folder.join(format!("{}.json", kept.digest.hex()))
    }

    /// All that are kept, the newest first. Files that are no whole release are left out.
    ///
    /// # Errors
    /// [`ReleaseStoreError::Io`] when the folder cannot be read.
    pub fn list(&self) -> Result<Vec<NamedRelease>, ReleaseStoreError> {
        let fail = |source| ReleaseStoreError::Io {
            path: self.folder.path().to_owned(),
            source,
        };
        let names = match self.folder.names() {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fail(error)),
        };
        let mut all = Vec::new();
        for name in names {
            let file = self.folder.join(name);
            let digest = file.name().and_then(|name| name.strip_suffix(".json"));
            let kept = file
                .read()
                .ok()
                .and_then(|bytes| parse(file.path(), &bytes).ok());
            // Another name than its digest: not one that was kept here.
            all.extend(kept.filter(|kept| digest == Some(kept.digest.hex())));
        }
        all.sort_by(|one, other| {
            let newest = other.release.created.cmp(&one.release.created);
            newest.then_with(|| one.digest.cmp(&other.digest))
        });
        Ok(all)
    }

    /// Forgets a release. One that is gone already is no mistake.
    ///
    /// # Errors
    /// [`ReleaseStoreError::Io`] when its file cannot be removed.
    pub fn remove(&self, kept: &NamedRelease) -> Result<(), ReleaseStoreError> {
        let file = self.file(kept);
        match file.remove() {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                let path = file.path().to_owned();
                Err(ReleaseStoreError::Io { path, source })
            }
            _ => Ok(()),
        }
    }

    /// The release somebody means: a file, or the beginning of a kept one's digest.
    ///
    /// # Errors
    /// [`ReleaseStoreError`] when there is none, or more than one.
    pub fn find(&self, said: &str) -> Result<NamedRelease, ReleaseStoreError> {
        let path = Path::new(said);
        if path.is_file() {
            return read(path);
        }
        let digits = said.strip_prefix("sha256:").unwrap_or(said);
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if digits.len() < FEWEST || !is_hex {
            return Err(ReleaseStoreError::Unknown(said.to_owned()));
        }
        let mut found = self
            .list()?
            .into_iter()
            .filter(|kept| kept.digest.hex().starts_with(digits));
        match (found.next(), found.next()) {
            (Some(kept), None) => Ok(kept),
            (None, _) => Err(ReleaseStoreError::Unknown(said.to_owned())),
            (Some(_), Some(_)) => Err(ReleaseStoreError::Ambiguous(said.to_owned())),
        }
    }
}

fn read(path: &Path) -> Result<NamedRelease, ReleaseStoreError> {
    let bytes = std::fs::read(path).map_err(|source| ReleaseStoreError::Io {
        path: path.to_owned(),
        source,
    })?;
    parse(path, &bytes)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<NamedRelease, ReleaseStoreError> {
    let release: Release =
        serde_json::from_slice(bytes).map_err(|source| ReleaseStoreError::Format {
            path: path.to_owned(),
            source,
        })?;
    NamedRelease::new(release).map_err(|error| match error {
        ReleaseStoreError::Invalid { source, .. } => ReleaseStoreError::Invalid {
            what: path.display().to_string(),
            source,
        },
        other => other,
    })
}

/// Why a release cannot be had or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseStoreError {
    /// None is meant.
    #[error("there is no release `{0}`")]
    Unknown(String),
    /// Several are.
    #[error("more than one release begins with `{0}`")]
    Ambiguous(String),
    /// A file is no release.
    #[error("{} is not a release", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        source: serde_json::Error,
    },
    /// The contents make no sense.
    #[error("{what} cannot be a release")]
    Invalid {
        /// A file, or what was built.
        what: String,
        source: ReleaseError,
    },
    /// The file cannot be read or written.
    #[error("could not read or write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        source: io::Error,
    },
}

fnlocal_api::user_error!(ReleaseStoreError {
    Self::Unknown(_) => "`fnlocal release list` shows those that are kept; a file's path will do too";
    Self::Ambiguous(_) => "give more of its digits";
    Self::Format { .. } | Self::Invalid { .. } => "make a new one with `fnlocal build`";
    Self::Io { source, .. } => fnlocal_files::hint(source);
});

#[cfg(test)]
mod tests {
    use fnlocal_api::UserError;

    use super::*;
    use fnlocal_core::release::ReleaseLimits;

    fn kept(created: &str) -> NamedRelease {
        NamedRelease::new(Release {
            schema: 1,
            project: "auction".into(),
            created: created.into(),
            fnlocal: "0.1.0".into(),
            commit: None,
            default: None,
            routes: Vec::new(),
            limits: ReleaseLimits::default(),
            packages: Vec::new(),
        })
        .unwrap()
    }

    #[test]
    fn stored_releases_are_found_by_digest_prefix_and_listed_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let releases = Releases::in_state(folder.path());
        assert!(releases.list().unwrap().is_empty());
        let (old, new) = (kept("2026-01-01T00:00:00Z"), kept("2026-02-01T00:00:00Z"));
        releases.put(&new).unwrap();
        let path = releases.put(&old).unwrap();
        assert_eq!(releases.put(&old).unwrap(), path);
        assert_eq!(releases.list().unwrap(), [new.clone(), old.clone()]);
        assert_eq!(releases.find(new.short()).unwrap(), new);
        assert_eq!(releases.find(&old.digest.to_string()).unwrap(), old);
        assert_eq!(releases.find(path.to_str().unwrap()).unwrap(), old);
        let unknown = releases.find("0000000000").unwrap_err();
        assert!(unknown.to_string().contains("0000000000"));
    }

    #[test]
    fn an_unreadable_release_file_is_an_error_and_is_left_out_of_the_list() {
        let folder = tempfile::tempdir().unwrap();
        let releases = Releases::in_state(folder.path());
        let path = releases.put(&kept("2026-01-01T00:00:00Z")).unwrap();
        std::fs::write(&path, "{\"schema\": 1").unwrap();
        assert!(releases.list().unwrap().is_empty());
        let error = releases.find(path.to_str().unwrap()).unwrap_err();
        assert!(matches!(error, ReleaseStoreError::Format { .. }));
        assert!(error.hint().is_some());
    }
}
