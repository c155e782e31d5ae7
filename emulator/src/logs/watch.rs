//! Waits for a log to grow, whoever writes it.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};

/// For file systems that tell nothing: as often it is looked at anyway.
const LOOK: Duration = Duration::from_millis(500);

/// Waits for changes in a folder.
pub struct Growth {
    _watcher: Option<notify::RecommendedWatcher>,
    changes: Receiver<()>,
}

impl Growth {
    /// Watches a folder, which must be there.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let (changed, changes) = channel();
        let told = move |_| {
            // Whoever waited may be gone.
            let _gone = changed.send(());
        };
        let watcher = notify::recommended_watcher(told).and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        Self {
            _watcher: watcher.ok(),
            changes,
        }
    }

    /// Waits until something may have changed since the last time, half a second at the most.
    pub fn wait(&self) {
        if self.changes.recv_timeout(LOOK).is_ok() {
            while self.changes.try_recv().is_ok() {}
        }
    }
}
