//! Has the release that is wanted loaded, and goes on with the old one while that fails.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::WantedRelease;
use super::error::ReleaseLoadError;
use super::load::Loader;
use fnlocal_engine::error::chain;

/// After a release could not be loaded, until it is tried again: what it needs may have been away.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The longest such pause; each is twice the one before.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Follows what is wanted.
pub(super) struct ReleaseFollower {
    loader: Loader,
    wanted: watch::Receiver<Option<Arc<WantedRelease>>>,
}

impl ReleaseFollower {
    pub fn new(loader: Loader, wanted: watch::Receiver<Option<Arc<WantedRelease>>>) -> Self {
        Self { loader, wanted }
    }

    /// Runs until dropped.
    pub async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let wanted = self.wanted.borrow_and_update().clone();
            let again = match wanted {
                None => None,
                Some(wanted) => tokio::select! {
                    outcome = load(&self.loader, &wanted) => outcome.err().map(|LoadRefused| pause),
                    changed = self.wanted.changed() => {
                        pause = FIRST_PAUSE;
                        changed.err().map(|_| LONGEST_PAUSE)
                    }
                },
            };
            match again {
                Some(span) => {
                    tokio::select! {
                        () = tokio::time::sleep(span) => pause = (pause * 2).min(LONGEST_PAUSE),
                        _changed = next(&mut self.wanted) => pause = FIRST_PAUSE,
                    }
                }
                None => {
                    pause = FIRST_PAUSE;
                    next(&mut self.wanted).await;
                }
            }
        }
    }
}

/// Loads a release and says how that came out.
async fn load(loader: &Loader, wanted: &WantedRelease) -> Result<(), LoadRefused> {
    let state = loader.state();
    state.wanted.replace(Some(wanted.tag.clone()));
    let serves = state.serving().map(|serving| serving.tag.clone());
    if serves.as_ref() == Some(&wanted.tag) {
        state.refused.take();
        return Ok(());
    }
    state.logs.note(format!("loading {}", wanted.tag));
    match loader.load(wanted).await {
        Ok(()) => {
            state.refused.take();
            state.logs.note(format!("{} is served", wanted.tag));
            Ok(())
        }
        Err(error) => {
            state.refused.replace(Some(wanted.tag.clone()));
            state
                .logs
                .warn(refusal(&wanted.tag, serves.as_deref(), &error));
            Err(LoadRefused)
        }
    }
}

/// A release could not be loaded, and that has been said.
struct LoadRefused;

/// Waits until something else is wanted.
async fn next(wanted: &mut watch::Receiver<Option<Arc<WantedRelease>>>) {
    if wanted.changed().await.is_err() {
        // No sender is left, so the wish can no longer change.
        std::future::pending::<()>().await;
    }
}

fn refusal(tag: &str, serves: Option<&str>, error: &ReleaseLoadError) -> String {
    let goes_on = serves.map_or_else(
        || "the node serves nothing".to_owned(),
        |old| format!("{old} goes on"),
    );
    format!("{tag} cannot be served, {goes_on}: {}", chain(error))
}
