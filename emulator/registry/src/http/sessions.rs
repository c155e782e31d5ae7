//! Uploads that several requests go on with, one request at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turns, OwnedMutexGuard, watch};

use crate::store::{HashProgress, UploadId};

/// Uploads whose hash is remembered between requests. Another's file is read again, which is slow
/// but right.
const REMEMBERED: usize = 1024;

/// Uploads that have been seen.
#[derive(Default)]
pub struct Sessions {
    seen: Mutex<BTreeMap<UploadId, Arc<UploadSession>>>,
}

#[derive(Default)]
struct UploadSession {
    progress: Arc<Turns<Option<HashProgress>>>,
    /// Changes when another request comes.
    newest: watch::Sender<u64>,
}

/// One request's turn with an upload.
pub struct Turn {
    progress: OwnedMutexGuard<Option<HashProgress>>,
    newest: watch::Receiver<u64>,
}

impl Sessions {
    /// Takes the turn from whoever has it: a client that comes again has given up the connection
    /// it used before, whether or not we heard of it.
    pub async fn turn(&self, id: &UploadId) -> Turn {
        let session = self.session(id);
        session.newest.send_modify(|newest| *newest += 1);
        let newest = session.newest.subscribe();
        let progress = Arc::clone(&session.progress).lock_owned().await;
        Turn { progress, newest }
    }

    /// Forgets an upload that is over.
    pub fn forget(&self, id: &UploadId) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(id);
    }

    fn session(&self, id: &UploadId) -> Arc<UploadSession> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED && !seen.contains_key(id) {
            // Ids are random, so this is any of them; one in use is kept by its user.
            seen.pop_first();
        }
        Arc::clone(seen.entry(id.clone()).or_default())
    }
}

impl Turn {
    /// The turn of an upload nobody else knows of.
    pub fn alone() -> Self {
        let progress = Arc::new(Turns::new(None));
        let progress = progress.try_lock_owned().expect("nobody else has it");
        let (_, newest) = watch::channel(0);
        Self { progress, newest }
    }

    /// Ends when another request wants the turn.
    pub async fn is_over(&mut self) {
        if self.newest.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Returns the progress of the upload's hash.
    pub fn take(&mut self) -> Option<HashProgress> {
        self.progress.take()
    }

    /// Remembers it for the next.
    pub fn keep(&mut self, progress: Option<HashProgress>) {
        *self.progress = progress;
    }
}
