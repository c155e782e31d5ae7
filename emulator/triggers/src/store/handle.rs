//! The queue's file while it is open, and what is done when it breaks.
//!
//! redb refuses everything after one failed read or write, so the file is closed and opened again.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use redb::backends::FileBackend;
use redb::{Database, DatabaseError};
use rustix::fs::OFlags;

use super::apply::{self, Committed};
use super::bodies::{Bodies, BodyFile};
use super::{Changed, FILE, QueueChange, QueueStoreError, StoreSnapshot, tables};

/// Memory for pages of the file, in bytes.
const CACHE_BYTES: usize = 16 << 20;
/// The file is made smaller if it is larger than this, in bytes, and three quarters of it are free.
const COMPACT_FROM_BYTES: u64 = 16 << 20;

/// A file that broke is not opened again while the disk has fewer bytes than this.
const MIN_FREE_BYTES: u64 = 1 << 20;

/// Opens the file at a path, and makes it if it is not there.
pub(crate) type OpenDatabase = dyn Fn(&Path) -> Result<Database, DatabaseError> + Send + Sync;

/// The queue's file, open. Cheap to clone.
#[derive(Clone)]
pub struct QueueStore(Arc<Inner>);

struct Inner {
    path: PathBuf,
    open: Box<OpenDatabase>,
    state: RwLock<OpenState>,
    /// A lock of its own: it is wanted where nothing may wait for a disk.
    bodies: Mutex<Bodies>,
    /// Bytes of the file that are in use, about.
    live_bytes: AtomicU64,
}

struct OpenState {
    /// `None` while it cannot be opened.
    db: Option<Database>,
    /// The file, to see whether it is there, and to restore it if it is not.
    file: File,
    /// Why it was not open when it was last tried.
    why: Arc<str>,
}

impl QueueStore {
    /// Opens the file of a folder, and makes it if it is not there. Links are not followed.
    ///
    /// # Errors
    /// [`QueueStoreError::Taken`] when another process has it, [`QueueStoreError::Open`].
    pub fn open(folder: &Path) -> Result<Self, QueueStoreError> {
        Self::open_by(folder, Box::new(open_file))
    }

    pub(crate) fn open_by(folder: &Path, open: Box<OpenDatabase>) -> Result<Self, QueueStoreError> {
        let path = folder.join(FILE);
        let (db, file, live_bytes) = open_whole(&path, &*open)?;
        let bodies = Bodies::open(folder).map_err(|error| failed(&path, error))?;
        let store = Self(Arc::new(Inner {
            path,
            open,
            state: RwLock::new(OpenState {
                db: Some(db),
                file,
                why: Arc::default(),
            }),
            bodies: Mutex::new(bodies),
            live_bytes: AtomicU64::new(live_bytes),
        }));
        store.remove_orphans()?;
        Ok(store)
    }

    /// Makes changes in one commit, which is on disk when this returns. `now` is in milliseconds
    /// since 1970.
    ///
    /// # Errors
    /// [`QueueStoreError`]; then none of them was made.
    pub fn commit(
        &self,
        changes: Vec<QueueChange>,
        now: u64,
    ) -> Result<Vec<Changed>, QueueStoreError> {
        let files: Vec<Arc<BodyFile>> = changes.iter().filter_map(file_of).collect();
        let committing = || {
            let state = self.state();
            let db = state.db()?;
            self.check(&state)?;
            apply::commit(db, changes, now)
        };
        let committed = not_panicking(committing).inspect_err(|_| {
            // The next open shows whether the change is on disk after all.
            files.iter().for_each(|file| file.keep());
        })?;
        let Committed {
            live_bytes,
            changed,
            over,
            taken,
        } = committed;
        self.0.live_bytes.store(live_bytes, Ordering::Release);
        taken.iter().for_each(|file| file.keep());
        let bodies = self.bodies();
        over.iter().for_each(|name| bodies.remove(name));
        Ok(changed)
    }

    /// Returns the present contents; later commits do not change them.
    ///
    /// # Errors
    /// [`QueueStoreError::Use`], [`QueueStoreError::Down`]
    pub fn snapshot(&self) -> Result<StoreSnapshot, QueueStoreError> {
        StoreSnapshot::begin(self.state().db()?, self.bodies())
    }

    /// Where bodies are that have files of their own. Waits for no disk.
    #[must_use]
    pub fn bodies(&self) -> Bodies {
        let bodies = self.0.bodies.lock();
        bodies.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether the file and the folder of bodies are where they were opened.
    ///
    /// # Errors
    /// [`QueueStoreError::Removed`], [`QueueStoreError::Down`]
    pub(crate) fn look(&self) -> Result<(), QueueStoreError> {
        let state = self.state();
        state.db()?;
        self.check(&state)
    }

    /// Closes the file, and opens it again. One that was removed meanwhile is restored.
    ///
    /// # Errors
    /// [`QueueStoreError`]; then all fails with [`QueueStoreError::Down`] until this is done again.
    pub(crate) fn reopen(&self) -> Result<(), QueueStoreError> {
        let reopened = self.reopen_whole();
        if let Err(error) = &reopened {
            let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
            state.db = None;
            state.why = error.chain().into();
        }
        reopened
    }

    fn reopen_whole(&self) -> Result<(), QueueStoreError> {
        let Inner { path, open, .. } = &*self.0;
        let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(db) = state.db.take() {
            // Unwritten changes are lost; acknowledged ones were on disk before.
            let _closed = catch_unwind(AssertUnwindSafe(|| drop(db)));
        }
        if std::fs::symlink_metadata(path).is_err() {
            restore(&state.file, path).map_err(|error| failed(path, error))?;
        }
        check_free(path)?;
        let (db, file, live_bytes) = open_whole(path, &**open)?;
        state.db = Some(db);
        state.file = file;
        drop(state);
        self.0.live_bytes.store(live_bytes, Ordering::Release);
        if !self.bodies().is_there() {
            let folder = path.parent().unwrap_or(Path::new("."));
            let bodies = Bodies::open(folder).map_err(|error| failed(path, error))?;
            *self.0.bodies.lock().unwrap_or_else(PoisonError::into_inner) = bodies;
        }
        self.remove_orphans()
    }

    /// Gives back what of the file is free, if that is most of a large file. Nothing is read or
    /// written meanwhile.
    ///
    /// # Errors
    /// [`QueueStoreError`]
    pub(crate) fn give_back(&self) -> Result<(), QueueStoreError> {
        let bytes = self.state().file.metadata().map_or(0, |file| file.len());
        let live = self.0.live_bytes.load(Ordering::Acquire);
        if bytes < COMPACT_FROM_BYTES || live > bytes / 4 {
            return Ok(());
        }
        not_panicking(|| {
            let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
            let why = Arc::clone(&state.why);
            let db = state.db.as_mut().ok_or(QueueStoreError::Down(why))?;
            match db.compact() {
                Ok(_) => Ok(()),
                Err(redb::CompactionError::Storage(error)) => Err(error.into()),
                // A reader is active; the compaction is tried again later.
                Err(_) => Ok(()),
            }
        })
    }

    fn state(&self) -> RwLockReadGuard<'_, OpenState> {
        let state = self.0.state.read();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, state: &OpenState) -> Result<(), QueueStoreError> {
        let path = &self.0.path;
        let same = match (std::fs::symlink_metadata(path), state.file.metadata()) {
            (Ok(there), Ok(open)) => (there.dev(), there.ino()) == (open.dev(), open.ino()),
            _ => false,
        };
        if same && self.bodies().is_there() {
            return Ok(());
        }
        Err(QueueStoreError::Removed(path.clone()))
    }

    fn remove_orphans(&self) -> Result<(), QueueStoreError> {
        let kept = self.snapshot()?.files()?;
        let removed = self.bodies().remove_orphans(&kept);
        removed.map_err(|error| failed(&self.0.path, error))
    }
}

impl OpenState {
    fn db(&self) -> Result<&Database, QueueStoreError> {
        let down = || QueueStoreError::Down(Arc::clone(&self.why));
        self.db.as_ref().ok_or_else(down)
    }
}

fn file_of(change: &QueueChange) -> Option<Arc<BodyFile>> {
    match change {
        QueueChange::Accept { file, .. } | QueueChange::Adopt { file, .. } => file.clone(),
        _ => None,
    }
}

/// Opens the file for this user only, and without following a link in its place.
fn open_file(path: &Path) -> Result<Database, DatabaseError> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)?;
    // One of an older version may be readable to others.
    file.set_permissions(PermissionsExt::from_mode(0o600))?;
    Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(FileBackend::new(file)?)
}

/// The file with its tables, a second handle of it, and how many of its bytes are in use.
fn open_whole(path: &Path, open: &OpenDatabase) -> Result<(Database, File, u64), QueueStoreError> {
    let opening = || {
        let db = match open(path) {
            Ok(db) => db,
            Err(DatabaseError::DatabaseAlreadyOpen) => {
                return Err(QueueStoreError::Taken(path.to_owned()));
            }
            Err(source) => {
                return Err(QueueStoreError::Open {
                    path: path.to_owned(),
                    source: Box::new(source),
                });
            }
        };
        let totals = tables::make(&db)?;
        let file = File::open(path).map_err(|error| failed(path, error))?;
        Ok((db, file, totals.live()))
    };
    not_panicking(opening)
}

/// Writes a file that was removed while it was open to where it was.
fn restore(mut file: &File, path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent()
        && !folder.exists()
    {
        std::fs::DirBuilder::new().mode(0o700).create(folder)?;
    }
    let new = path.with_extension("new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut copy = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.rewind()?;
    io::copy(&mut file, &mut copy)?;
    copy.sync_all()?;
    std::fs::rename(&new, path)
}

/// A disk that is full may take one more page, and then refuse the next job.
fn check_free(path: &Path) -> Result<(), QueueStoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    match rustix::fs::statvfs(folder) {
        Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < MIN_FREE_BYTES => {
            let what = io::Error::new(io::ErrorKind::StorageFull, "the disk is full");
            Err(failed(path, what))
        }
        _ => Ok(()),
    }
}

fn failed(path: &Path, error: io::Error) -> QueueStoreError {
    QueueStoreError::Open {
        path: path.to_owned(),
        source: Box::new(redb::StorageError::Io(error).into()),
    }
}

/// A file that was changed by others may have redb panic, which must not end what uses it.
fn not_panicking<T>(
    work: impl FnOnce() -> Result<T, QueueStoreError>,
) -> Result<T, QueueStoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("it is damaged").to_owned();
        let error = io::Error::new(io::ErrorKind::InvalidData, text);
        Err(QueueStoreError::Use(Box::new(redb::Error::Io(error))))
    })
}
