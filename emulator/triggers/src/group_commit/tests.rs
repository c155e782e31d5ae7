#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, StorageBackend};

use super::*;
use crate::job::{Accepted, JobId, NewJob, Trigger};
use crate::store::FILE;

/// How long anything may take before a test gives up on it.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A disk that fails until the test ends the fault.
#[derive(Debug)]
struct Faulty {
    file: FileBackend,
    broken: Arc<AtomicBool>,
}

impl Faulty {
    fn check(&self) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl StorageBackend for Faulty {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.check()?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

struct Bench {
    folder: tempfile::TempDir,
    broken: Arc<AtomicBool>,
    keeper: Keeper,
    writer: CommitWriter,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broken = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&broken);
        let open = move |path: &Path| open(path, &told);
        let store = QueueStore::open_by(folder.path(), Box::new(open)).unwrap();
        let (keeper, writer) = Keeper::start(store, Clock::system()).unwrap();
        Self {
            folder,
            broken,
            keeper,
            writer,
        }
    }

    async fn accept(&self, body: &str) -> Result<JobId, QueueStoreError> {
        let accept = QueueChange::Accept {
            jobs: vec![job(body)],
            notes: Vec::new(),
            file: None,
        };
        match self.keeper.change(accept).await? {
            Changed::Accepted(accepted) => Ok(accepted.iter().map(Accepted::id).next().unwrap()),
            other => panic!("{other:?}"),
        }
    }

    async fn ids(&self) -> Vec<JobId> {
        let mut ids = Vec::new();
        let reading = self.keeper.read(move |snapshot| {
            snapshot.alive(None, |head| {
                ids.push(head.id);
                true
            })?;
            Ok(ids)
        });
        reading.await.unwrap()
    }

    async fn well(&self) {
        let waited = tokio::time::timeout(TEST_TIMEOUT, self.keeper.well()).await;
        waited.unwrap_or_else(|_| panic!("{:?}", self.keeper.fault()));
    }
}

fn open(path: &Path, broken: &Arc<AtomicBool>) -> Result<Database, DatabaseError> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let file: File = options.open(path)?;
    let backend = Faulty {
        file: FileBackend::new(file)?,
        broken: Arc::clone(broken),
    };
    Database::builder().create_with_backend(backend)
}

fn job(body: &str) -> NewJob {
    NewJob {
        function: "work".to_owned(),
        trigger: Trigger::Async,
        path: "/work".to_owned(),
        headers: Vec::new(),
        body: Bytes::from(body.to_owned()),
        order: None,
        key: None,
        keep_key_ms: 60_000,
        max_age_ms: 6 * 3_600_000,
        dead: None,
    }
}

#[tokio::test]
async fn a_failed_write_is_refused_with_its_reason_and_later_writes_succeed() {
    let bench = Bench::new();
    let before = bench.accept("before").await.unwrap();
    bench.broken.store(true, Ordering::SeqCst);
    let refused = bench.accept("lost").await.unwrap_err();
    assert!(refused.breaks_store(), "{refused:?}");
    let fault = bench.keeper.fault().expect("is told");
    assert!(!fault.is_empty());
    // Also later, and while it is being opened again.
    assert!(bench.accept("lost, too").await.is_err());
    assert!(bench.keeper.fault().is_some());

    bench.broken.store(false, Ordering::SeqCst);
    bench.well().await;
    let after = bench.accept("after").await.unwrap();
    assert_eq!(bench.ids().await, [before, after]);
    bench.writer.close().await;
}

#[tokio::test]
async fn a_removed_queue_file_is_restored_with_all_acknowledged_jobs() {
    let bench = Bench::new();
    let before = bench.accept("before").await.unwrap();
    let path = bench.folder.path().join(FILE);
    std::fs::remove_file(&path).unwrap();
    // Acknowledged or refused, but never lost.
    let mut known = vec![before];
    known.extend(bench.accept("meanwhile").await.ok());
    bench.well().await;
    known.push(bench.accept("after").await.unwrap());
    assert!(path.exists());
    assert_eq!(bench.ids().await, known);
    bench.writer.close().await;
    let store = QueueStore::open(bench.folder.path()).unwrap();
    assert!(store.snapshot().unwrap().head(before).unwrap().is_some());
}

#[tokio::test]
async fn a_removed_queue_file_is_restored_even_without_writes() {
    let bench = Bench::new();
    let path = bench.folder.path().join(FILE);
    std::fs::remove_file(&path).unwrap();
    let restored = async {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, restored).await.unwrap();
    bench.well().await;
    bench.writer.close().await;
}

#[tokio::test]
async fn a_purge_shrinks_the_queue_file() {
    let bench = Bench::new();
    let body = "x".repeat(1 << 20);
    let mut ids = Vec::new();
    for _ in 0..40 {
        ids.push(bench.accept(&body).await.unwrap());
    }
    let path = bench.folder.path().join(FILE);
    let bytes = || std::fs::metadata(&path).unwrap().len();
    let full = bytes();
    assert!(full > 40 << 20, "{full}");
    bench.keeper.change(QueueChange::Purge(ids)).await.unwrap();
    let left = bytes();
    assert!(left < 8 << 20, "{left} of {full} bytes");
    bench.accept("after").await.unwrap();
    bench.writer.close().await;
}

#[tokio::test]
async fn a_body_file_survives_a_restart_and_is_removed_with_its_job() {
    let folder = tempfile::tempdir().unwrap();
    let store = QueueStore::open(folder.path()).unwrap();
    let body = store.bodies().reserve();
    let mut file = body.create().unwrap();
    io::Write::write_all(&mut file, &[7; 100_000]).unwrap();
    body.sync(&file).unwrap();
    let accept = QueueChange::Accept {
        jobs: vec![job("")],
        notes: Vec::new(),
        file: Some(body),
    };
    let accepted = store.commit(vec![accept], 1).unwrap();
    let Changed::Accepted(accepted) = &accepted[0] else {
        panic!("{accepted:?}");
    };
    let id = accepted[0].id();
    drop(store);

    let store = QueueStore::open(folder.path()).unwrap();
    let job = store.snapshot().unwrap().job(id).unwrap().unwrap();
    assert_eq!(job.head.size, 100_000);
    let bytes = job.file.unwrap().metadata().unwrap().len();
    assert_eq!(bytes, 100_000);
    store.commit(vec![QueueChange::Done(id)], 2).unwrap();
    let left = std::fs::read_dir(folder.path().join("queue-bodies")).unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn dead_letters_are_bounded_and_the_oldest_are_removed_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = QueueStore::open(folder.path()).unwrap();
    let dead = |body: &str| NewJob {
        dead: Some("wrong".to_owned()),
        ..job(body)
    };
    for _ in 0..6 {
        let body = store.bodies().reserve();
        let file = body.create().unwrap();
        file.set_len(64 << 20).unwrap();
        body.sync(&file).unwrap();
        let accept = QueueChange::Accept {
            jobs: vec![dead("")],
            notes: Vec::new(),
            file: Some(body),
        };
        store.commit(vec![accept], 1).unwrap();
    }
    let mut kept = Vec::new();
    let snapshot = store.snapshot().unwrap();
    let mut take = |head: crate::job::JobMeta| {
        kept.push(head.id);
        true
    };
    snapshot.dead(None, &mut take).unwrap();
    assert_eq!(kept.len(), 3);
    assert!(kept.iter().all(|id| *id >= JobId(1003)), "{kept:?}");
    let left = std::fs::read_dir(folder.path().join("queue-bodies")).unwrap();
    assert_eq!(left.count(), 3);
}
