//! One thread writes the queue's file. What is asked of it meanwhile goes into its next commit, so
//! that a hundred acceptances cost one sync, and nobody else waits for a disk.

use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::store::{Change, Changed, Snapshot, Store, StoreError};

/// Changes in one commit at the most.
const GROUP: usize = 256;
/// Changes that may wait: whoever has more waits itself.
const WAITING: usize = 1024;

type Answer = oneshot::Sender<Result<Changed, StoreError>>;

enum Asked {
    Change(Box<Change>, Answer),
    /// Nothing more is to be written.
    Close,
}

/// Where changes are asked for. Cheap to clone.
#[derive(Clone)]
pub struct Keeper {
    store: Store,
    asked: mpsc::Sender<Asked>,
}

/// The thread. What was answered is on disk, so nothing is lost when it is not closed.
pub struct Writer {
    asked: mpsc::Sender<Asked>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(store: Store, clock: Clock) -> std::io::Result<(Self, Writer)> {
        let (asked, asks) = mpsc::channel(WAITING);
        let written = store.clone();
        let thread = std::thread::Builder::new()
            .name("queue".to_owned())
            .spawn(move || write(&written, &clock, asks))?;
        let writer = Writer {
            asked: asked.clone(),
            thread,
        };
        Ok((Self { store, asked }, writer))
    }

    /// Makes a change, which is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; then it was not made.
    pub async fn change(&self, change: Change) -> Result<Changed, StoreError> {
        let (answer, answered) = oneshot::channel();
        let asked = self
            .asked
            .send(Asked::Change(Box::new(change), answer))
            .await;
        asked.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Reads on a thread of the runtime's own for what blocks.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Snapshot) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.store.clone();
        let reading = tokio::task::spawn_blocking(move || read(&store.snapshot()?));
        reading.await.map_err(|_| StoreError::Closed)?
    }
}

impl Writer {
    /// Ends the thread after what was asked of it.
    pub async fn close(self) {
        // It may have ended by itself.
        let _ended = self.asked.send(Asked::Close).await;
        let joining = tokio::task::spawn_blocking(move || self.thread.join());
        // A panic of it was told by then.
        let _joined = joining.await;
    }
}

fn write(store: &Store, clock: &Clock, mut asks: mpsc::Receiver<Asked>) {
    let mut open = true;
    while open && let Some(mut asked) = asks.blocking_recv() {
        let (mut changes, mut answers) = (Vec::new(), Vec::new());
        loop {
            match asked {
                Asked::Change(change, answer) => {
                    changes.push(*change);
                    answers.push(answer);
                }
                Asked::Close => open = false,
            }
            if !open || changes.len() >= GROUP {
                break;
            }
            match asks.try_recv() {
                Ok(next) => asked = next,
                Err(_) => break,
            }
        }
        if changes.is_empty() {
            continue;
        }
        match store.commit(changes, clock.now_ms()) {
            Ok(made) => {
                for (answer, made) in answers.into_iter().zip(made) {
                    // Whoever asked may have gone away.
                    let _gone = answer.send(Ok(made));
                }
            }
            Err(error) => refuse(answers, error),
        }
    }
}

/// Tells the reason to the first, and to the others that there was one.
fn refuse(answers: Vec<Answer>, error: StoreError) {
    let text = error.to_string();
    let mut first = Some(error);
    for answer in answers {
        let error = first.take().unwrap_or_else(|| {
            StoreError::Use(Box::new(redb::Error::Io(std::io::Error::other(
                text.clone(),
            ))))
        });
        let _gone = answer.send(Err(error));
    }
}
