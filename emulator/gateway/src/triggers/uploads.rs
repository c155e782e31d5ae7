//! Places for large bodies of jobs that arrive at once.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::{Arrivals, Arriving, Sender};

/// The maximum number of large bodies of jobs that arrive at once; more wait.
const MAX_UPLOADS: usize = 24;
/// The maximum time a large body waits before it may arrive.
const UPLOAD_WAIT: Duration = Duration::from_secs(30);
/// The time after which a body that waits has another slow sender evicted.
const EVICT_INTERVAL: Duration = Duration::from_millis(250);

/// The places.
pub(super) struct Uploads {
    places: Arc<Semaphore>,
    arriving: Rc<Arrivals<Sender>>,
}

/// A place, until dropped.
pub struct Upload {
    arriving: Arriving<Sender>,
    _place: OwnedSemaphorePermit,
}

impl Upload {
    /// The sender that has the place.
    pub(crate) fn sender(&self) -> &Sender {
        &self.arriving.one
    }
}

impl Uploads {
    pub(super) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(MAX_UPLOADS)),
            arriving: Rc::default(),
        }
    }

    /// Waits for a place, and evicts the slowest senders meanwhile; `None` if there is none in time.
    pub(super) async fn place(&self) -> Option<Upload> {
        let waiting = Arc::clone(&self.places).acquire_owned();
        let evicting = async {
            loop {
                if self.places.available_permits() == 0 {
                    // A waiting sender has sent nothing yet, so its rate is not known.
                    let _none =
                        self.arriving
                            .evict_slowest(|_| true, f64::INFINITY, Instant::now());
                }
                tokio::time::sleep(EVICT_INTERVAL).await;
            }
        };
        let place = timeout(UPLOAD_WAIT, async {
            tokio::select! {
                biased;
                place = waiting => place.ok(),
                never = evicting => never,
            }
        });
        Some(Upload {
            _place: place.await.ok()??,
            arriving: self.arriving.list(Sender::new(Instant::now())),
        })
    }
}
