//! The images that a node's engine keeps.

use std::cell::RefCell;
use std::collections::VecDeque;

use tokio::sync::{Mutex, MutexGuard};

/// Releases that served whose images are kept, so that a rollback finds them.
const MAX_KEPT_RELEASES: usize = 3;

/// The images of the last releases that served, of the one that is wanted, and the node's own.
///
/// The check runs for each image at the moment of removal: the release before may take minutes to
/// end, and another one may be wanted meanwhile.
pub(super) struct Needed {
    own: Vec<String>,
    /// The last one is the newest.
    served: RefCell<VecDeque<(String, Vec<String>)>>,
    wanted: RefCell<Vec<String>>,
    engine: Mutex<()>,
}

impl Needed {
    /// Of a node whose own images have these digests.
    pub fn new(own: Vec<String>) -> Self {
        Self {
            own,
            served: RefCell::default(),
            wanted: RefCell::default(),
            engine: Mutex::default(),
        }
    }

    /// A release is to be loaded. Its images are needed from before they are looked for until
    /// another release is wanted: one that could not be loaded is tried again.
    pub fn want(&self, digests: Vec<String>) {
        self.wanted.replace(digests);
    }

    /// A release serves.
    pub fn serve(&self, tag: &str, digests: Vec<String>) {
        let mut served = self.served.borrow_mut();
        served.retain(|(known, _)| known != tag);
        served.push_back((tag.to_owned(), digests));
        while served.len() > MAX_KEPT_RELEASES {
            served.pop_front();
        }
    }

    /// Returns whether an image is needed now.
    pub fn has(&self, digest: &str) -> bool {
        let served = self.served.borrow();
        let digests = served.iter().flat_map(|(_, digests)| digests);
        digests
            .chain(&*self.wanted.borrow())
            .chain(&self.own)
            .any(|known| known == digest)
    }

    /// Waits until nobody else looks for images or removes them: what was found must not be gone
    /// when it is used.
    pub async fn alone(&self) -> MutexGuard<'_, ()> {
        self.engine.lock().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str) -> Vec<String> {
        vec![name.to_owned()]
    }

    #[test]
    fn images_of_the_wanted_release_are_needed_before_it_serves() {
        let needed = Needed::new(image("own"));
        needed.serve("r1", image("one"));
        needed.want(image("two"));
        assert!(["own", "one", "two"].iter().all(|name| needed.has(name)));
        needed.want(image("three"));
        assert!(!needed.has("two"), "it never served, and nobody wants it");
    }

    #[test]
    fn images_of_the_last_served_releases_are_kept_for_a_rollback() {
        let needed = Needed::new(Vec::new());
        for (tag, digest) in [("r1", "one"), ("r2", "two"), ("r3", "three")] {
            needed.serve(tag, image(digest));
        }
        // A rollback is news of an old one.
        needed.serve("r1", image("one"));
        needed.serve("r4", image("four"));
        assert!(["three", "one", "four"].iter().all(|name| needed.has(name)));
        assert!(!needed.has("two"));
    }

    #[tokio::test]
    async fn looking_up_and_removing_images_exclude_each_other() {
        let needed = Needed::new(Vec::new());
        let looking = needed.alone().await;
        assert!(needed.engine.try_lock().is_err());
        drop(looking);
        assert!(needed.engine.try_lock().is_ok());
    }
}
