//! Waits for a log to grow, whoever writes it.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};

/// For file systems that tell nothing: as often it is looked at anyway.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Waits for changes in a folder.
pub struct Growth {
    _watcher: Option<notify::RecommendedWatcher>,
    changes: Receiver<()>,
}

impl Growth {
    /// Watches a folder, which must be there.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        let (changed, changes) = channel();
        let told = move |event: notify::Result<notify::Event>| {
            // Reading causes events as well: a reader that looks after each event would never rest.
            if event.is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            // The waiting reader may be gone.
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

    /// Waits until something may have changed since the last time, at most half a second. Returns
    /// whether a change was noticed.
    pub fn wait(&self) -> bool {
        let told = self.changes.recv_timeout(POLL_INTERVAL).is_ok();
        while self.changes.try_recv().is_ok() {}
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_folder_watch_reports_writes_and_not_reads() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("00000001.jsonl");
        std::fs::write(&file, "{}\n").unwrap();
        let growth = Growth::in_folder(folder.path());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::read_to_string(&file).unwrap();
        assert!(!growth.wait());
        std::fs::write(&file, "{}\n{}\n").unwrap();
        assert!(growth.wait());
    }
}
