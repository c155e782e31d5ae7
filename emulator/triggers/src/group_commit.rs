//! One thread writes the queue's file. Requests that arrive meanwhile go into its next commit, so
//! that a hundred acceptances cost one sync, and no other thread waits for a disk.
//!
//! When the file breaks, what is asked is refused with the reason until it could be opened again,
//! which is tried later and later.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::store::{Bodies, Changed, QueueChange, QueueStore, QueueStoreError, StoreSnapshot};

/// The maximum number of changes in one commit.
const GROUP: usize = 256;
/// Changes that may wait: whoever has more waits itself.
const WAITING: usize = 1024;
/// After this time without a change, free space is given back, and the file is looked for.
const CALM: Duration = Duration::from_secs(1);
/// The pause before a broken file is opened again; it doubles until a commit succeeds.
const REOPEN_BACKOFF: Duration = Duration::from_millis(100);
/// The longest such pause.
const MAX_REOPEN_BACKOFF: Duration = Duration::from_secs(5);

type CommitReply = oneshot::Sender<Result<Changed, QueueStoreError>>;
/// Why the file cannot be used; `None` if it can.
type StoreFault = Option<Arc<str>>;

enum CommitRequest {
    Change(Box<QueueChange>, CommitReply),
    /// A reader found it broken.
    Broken(Arc<str>),
    /// Nothing more is to be written.
    Close,
}

/// Where changes are asked for. Cheap to clone.
#[derive(Clone)]
pub struct Keeper {
    store: QueueStore,
    asked: mpsc::Sender<CommitRequest>,
    fault: watch::Receiver<StoreFault>,
}

/// The thread. Answered changes are on disk, so nothing is lost without a close.
pub struct CommitWriter {
    asked: mpsc::Sender<CommitRequest>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(store: QueueStore, clock: Clock) -> std::io::Result<(Self, CommitWriter)> {
        let (asked, asks) = mpsc::channel(WAITING);
        let (faults, fault) = watch::channel(None);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let writing = CommitLoop {
            store: store.clone(),
            clock,
            faults,
            backoff: REOPEN_BACKOFF,
            reopen_at: None,
        };
        let thread = std::thread::Builder::new()
            .name("queue".to_owned())
            .spawn(move || runtime.block_on(writing.run(asks)))?;
        let writer = CommitWriter {
            asked: asked.clone(),
            thread,
        };
        let keeper = Self {
            store,
            asked,
            fault,
        };
        Ok((keeper, writer))
    }

    /// Makes a change, which is on disk when this returns.
    ///
    /// # Errors
    /// [`QueueStoreError`]; then it was not made.
    pub async fn change(&self, change: QueueChange) -> Result<Changed, QueueStoreError> {
        let (answer, answered) = oneshot::channel();
        let asked = self
            .asked
            .send(CommitRequest::Change(Box::new(change), answer))
            .await;
        asked.map_err(|_| QueueStoreError::Closed)?;
        answered.await.map_err(|_| QueueStoreError::Closed)?
    }

    /// Reads on a thread of the runtime's own for what blocks.
    ///
    /// # Errors
    /// [`QueueStoreError`]
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&StoreSnapshot) -> Result<T, QueueStoreError> + Send + 'static,
    ) -> Result<T, QueueStoreError> {
        let store = self.store.clone();
        let reading = tokio::task::spawn_blocking(move || read(&store.snapshot()?));
        let read = reading.await.map_err(|_| QueueStoreError::Closed)?;
        if let Err(error @ QueueStoreError::Use(_)) = &read {
            // The writer may have no place for it now; it finds out by itself then.
            let _full = self
                .asked
                .try_send(CommitRequest::Broken(error.chain().into()));
        }
        read
    }

    /// Where bodies are that have files of their own.
    #[must_use]
    pub fn bodies(&self) -> Bodies {
        self.store.bodies()
    }

    /// Returns why nothing can be read or written now; `None` if all is well.
    #[must_use]
    pub fn fault(&self) -> Option<Arc<str>> {
        self.fault.borrow().clone()
    }

    /// Returns when all is well, or when it never will be.
    pub async fn well(&self) {
        let mut fault = self.fault.clone();
        // The thread has ended.
        let _closed = fault.wait_for(Option::is_none).await;
    }
}

impl CommitWriter {
    /// Ends the thread after what was asked of it.
    pub async fn close(self) {
        // The thread may have ended by itself.
        let _ended = self.asked.send(CommitRequest::Close).await;
        let joining = tokio::task::spawn_blocking(move || self.thread.join());
        // A panic of it was told by then.
        let _joined = joining.await;
    }
}

/// The thread's loop.
struct CommitLoop {
    store: QueueStore,
    clock: Clock,
    faults: watch::Sender<StoreFault>,
    backoff: Duration,
    /// When the broken file is opened again; `None` while it is well.
    reopen_at: Option<Instant>,
}

impl CommitLoop {
    async fn run(mut self, mut asks: mpsc::Receiver<CommitRequest>) {
        loop {
            let wait = self
                .reopen_at
                .map_or(CALM, |at| at.saturating_duration_since(Instant::now()));
            match timeout(wait, asks.recv()).await {
                Ok(Some(asked)) => {
                    if !self.group(asked, &mut asks) {
                        return;
                    }
                }
                Ok(None) => return,
                Err(_) if self.reopen_at.is_none() => self.calm(),
                Err(_) => {}
            }
            if self.reopen_at.is_some_and(|at| at <= Instant::now()) {
                self.reopen();
            }
        }
    }

    /// Writes what is asked for in one commit. Returns whether more may come.
    fn group(
        &mut self,
        mut asked: CommitRequest,
        asks: &mut mpsc::Receiver<CommitRequest>,
    ) -> bool {
        let (mut changes, mut answers, mut open) = (Vec::new(), Vec::new(), true);
        loop {
            match asked {
                CommitRequest::Change(change, answer) => {
                    changes.push(*change);
                    answers.push(answer);
                }
                CommitRequest::Broken(why) => self.broke(why),
                CommitRequest::Close => open = false,
            }
            if !open || changes.len() >= GROUP {
                break;
            }
            match asks.try_recv() {
                Ok(next) => asked = next,
                Err(_) => break,
            }
        }
        if !changes.is_empty() {
            self.write(changes, answers);
        }
        open
    }

    fn write(&mut self, changes: Vec<QueueChange>, answers: Vec<CommitReply>) {
        if let Some(why) = self.faults.borrow().clone() {
            return refuse(answers, QueueStoreError::Down(why));
        }
        let purges = changes
            .iter()
            .any(|change| matches!(change, QueueChange::Purge(_)));
        match self.store.commit(changes, self.clock.now_ms()) {
            Ok(made) => {
                self.backoff = REOPEN_BACKOFF;
                if purges {
                    self.give_back();
                }
                for (answer, made) in answers.into_iter().zip(made) {
                    // The sender of the request may have gone away.
                    let _gone = answer.send(Ok(made));
                }
            }
            Err(error) => {
                if error.breaks_store() {
                    self.broke(error.chain().into());
                }
                refuse(answers, error);
            }
        }
    }

    /// Nothing was asked for a while.
    fn calm(&mut self) {
        self.give_back();
        if let Err(error) = self.store.look() {
            self.broke(error.chain().into());
        }
    }

    fn give_back(&mut self) {
        if let Err(error) = self.store.give_back() {
            self.broke(error.chain().into());
        }
    }

    fn broke(&mut self, why: Arc<str>) {
        if self.reopen_at.is_none() {
            self.reopen_at = Some(Instant::now() + self.backoff);
            self.faults.send_replace(Some(why));
        }
    }

    fn reopen(&mut self) {
        self.backoff = (self.backoff * 2).min(MAX_REOPEN_BACKOFF);
        match self.store.reopen() {
            Ok(()) => {
                self.reopen_at = None;
                self.faults.send_replace(None);
            }
            Err(error) => {
                self.reopen_at = Some(Instant::now() + self.backoff);
                self.faults.send_replace(Some(error.chain().into()));
            }
        }
    }
}

/// Tells the reason to the first, and to the others that there was one.
fn refuse(answers: Vec<CommitReply>, error: QueueStoreError) {
    let why: Arc<str> = error.chain().into();
    let mut first = Some(error);
    for answer in answers {
        let error = first.take();
        let error = error.unwrap_or_else(|| QueueStoreError::Down(Arc::clone(&why)));
        let _gone = answer.send(Err(error));
    }
}

#[cfg(test)]
mod tests;
