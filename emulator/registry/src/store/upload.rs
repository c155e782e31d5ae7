//! Content on its way in: hashed while it is written, served only once it is whole.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::str::FromStr;
use std::time::SystemTime;

use fnlocal_files::OwnPath;

use super::Store;
use super::files::{self, Temporary};
use crate::digest::{Algorithm, Digest, DigestHasher};
use crate::error::{StoreError, io};
use crate::name::RepositoryName;

/// Content the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// Content being written. Dropped before [`BlobWriter::commit`], it leaves nothing behind.
///
/// Not buffered: give it pieces of some kilobytes at least.
#[derive(Debug)]
pub struct BlobWriter {
    store: Store,
    temporary: Temporary,
    hasher: DigestHasher,
    size: u64,
}

/// The hash of the bytes so far, so that going on need not read them again.
#[derive(Clone, Debug)]
pub struct HashProgress {
    hasher: DigestHasher,
    /// The file as it was then; another process may have changed it since.
    size: u64,
    changed: SystemTime,
}

/// Names an upload that goes on over several requests; nobody can guess it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UploadId(u128);

impl Store {
    /// Begins to write content.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the file cannot be made.
    pub fn writer(&self) -> Result<BlobWriter, StoreError> {
        let _held = self.adding()?;
        let temporary = Temporary::new(self.temporary())?;
        lock(&temporary)?;
        Ok(BlobWriter {
            store: self.clone(),
            temporary,
            hasher: DigestHasher::new(Algorithm::Sha256),
            size: 0,
        })
    }

    /// Begins an upload to `repository` that later requests go on with, in this process or the
    /// next.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the file cannot be made.
    pub fn begin_upload(&self, repository: &RepositoryName) -> Result<UploadId, StoreError> {
        let id = UploadId::random();
        let path = self.upload_path(repository, &id);
        Temporary::new(path)?.keep(true);
        Ok(id)
    }

    /// Goes on with an upload. Without what is known of its hash, it is read again. Dropped, the
    /// writer leaves what it wrote.
    ///
    /// # Errors
    /// [`StoreError::UnknownUpload`], [`StoreError::BusyUpload`], [`StoreError::Io`].
    pub fn resume_upload(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        known: Option<HashProgress>,
    ) -> Result<BlobWriter, StoreError> {
        let path = self.upload_path(repository, id);
        let held = self.adding()?;
        let file = files::present(&path, path.open_to_write())?.ok_or(StoreError::UnknownUpload)?;
        let mut temporary = Temporary::from_open(file, path);
        temporary.keep(true);
        lock(&temporary)?;
        drop(held);
        let failed = |error| io(&temporary.path)(error);
        let metadata = temporary.file.metadata().map_err(failed)?;
        let size = metadata.len();
        let changed = metadata.modified().map_err(failed)?;
        let hasher = match known {
            Some(known) if known.size == size && known.changed == changed => known.hasher,
            _ => {
                let mut hasher = DigestHasher::new(Algorithm::Sha256);
                hasher.read(&temporary.file).map_err(failed)?;
                hasher
            }
        };
        let mut file = &temporary.file;
        file.seek(SeekFrom::Start(size)).map_err(failed)?;
        Ok(BlobWriter {
            store: self.clone(),
            temporary,
            hasher,
            size,
        })
    }

    /// Bytes of an upload so far.
    ///
    /// # Errors
    /// [`StoreError::UnknownUpload`], [`StoreError::Io`].
    pub fn upload_size(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<u64, StoreError> {
        let path = self.upload_path(repository, id);
        let found = files::present(&path, path.metadata())?;
        Ok(found.ok_or(StoreError::UnknownUpload)?.len)
    }

    /// Gives an upload up.
    ///
    /// # Errors
    /// [`StoreError::UnknownUpload`], [`StoreError::Io`].
    pub fn cancel_upload(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<(), StoreError> {
        match files::remove(&self.upload_path(repository, id))? {
            true => Ok(()),
            false => Err(StoreError::UnknownUpload),
        }
    }

    /// A path for a file on its way in.
    pub(super) fn temporary(&self) -> OwnPath {
        self.layout.uploads().join(UploadId::random().to_string())
    }

    /// The repository is in the name, so that an upload is found only where it was begun.
    fn upload_path(&self, repository: &RepositoryName, id: &UploadId) -> OwnPath {
        let place = Digest::sha256(repository.as_str().as_bytes());
        let name = format!("{id}-{}", &place.hex()[..16]);
        self.layout.uploads().join(name)
    }
}

impl BlobWriter {
    /// Bytes written so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The file it is written to.
    pub(crate) fn path(&self) -> &OwnPath {
        &self.temporary.path
    }

    /// Makes the content part of `repository`, once it has reached the disk.
    ///
    /// # Errors
    /// [`StoreError::DigestMismatch`] when it is not what was `expected`, [`StoreError::Io`]; the
    /// content is gone then.
    pub fn commit(
        mut self,
        repository: &RepositoryName,
        expected: Option<&Digest>,
    ) -> Result<Blob, StoreError> {
        self.temporary.keep(false);
        let digest = self.digest(expected)?;
        if let Some(expected) = expected
            && *expected != digest
        {
            return Err(StoreError::DigestMismatch {
                expected: expected.clone(),
                found: digest,
            });
        }
        self.temporary.sync()?;
        let _held = self.store.adding()?;
        // Also over content that is there: it may have gone bad unnoticed.
        self.temporary.rename(&self.store.layout.content(&digest))?;
        self.store.link_blob(repository, &digest)?;
        Ok(Blob {
            digest,
            size: self.size,
        })
    }

    /// By the hash the client uses. Another one than usual is only known from the file.
    fn digest(&mut self, expected: Option<&Digest>) -> Result<Digest, StoreError> {
        let algorithm = expected.map_or(Algorithm::Sha256, Digest::algorithm);
        if algorithm == self.hasher.algorithm() {
            return Ok(self.hasher.clone().finish());
        }
        let mut hasher = DigestHasher::new(algorithm);
        let mut file = &self.temporary.file;
        let read = file
            .rewind()
            .and_then(|()| hasher.read(file.take(self.size)));
        read.map_err(io(&self.temporary.path))?;
        Ok(hasher.finish())
    }

    /// Leaves an upload to be gone on with. Returns what need not be read again then, if that is
    /// known.
    #[must_use]
    pub fn pause(self) -> Option<HashProgress> {
        let metadata = self.temporary.file.metadata().ok()?;
        Some(HashProgress {
            hasher: self.hasher,
            size: self.size,
            changed: metadata.modified().ok()?,
        })
    }

    /// Gives the upload up.
    pub fn cancel(mut self) {
        self.temporary.keep(false);
    }

    /// Forgets what was written beyond `size` bytes. The next to go on reads the rest again.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn cut(self, size: u64) -> Result<(), StoreError> {
        let cut = self.temporary.file.set_len(size);
        cut.map_err(io(&self.temporary.path))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.temporary.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Held until the file is closed, so that nobody else writes and no collection removes it.
fn lock(temporary: &Temporary) -> Result<(), StoreError> {
    match temporary.file.try_lock() {
        Ok(()) => Ok(()),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::BusyUpload),
        Err(std::fs::TryLockError::Error(error)) => Err(io(&temporary.path)(error)),
    }
}

impl UploadId {
    /// A UUID of version 4, which is random but for six bits.
    fn random() -> Self {
        let random: u128 = rand::random();
        Self(random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62)
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let [a, b, c, d, e] = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}

impl FromStr for UploadId {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let digits: String = text.split('-').collect();
        let number = u128::from_str_radix(&digits, 16).map(Self);
        // Written another way, it would name another file.
        let exact = number.ok().filter(|id| id.to_string() == text);
        exact.ok_or(StoreError::UnknownUpload)
    }
}
