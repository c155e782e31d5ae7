//! The open connections of a port, and which of them make room when there is none.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::activity::Activity;
use fnlocal_logs::Logs;

/// The part of all connections that is closed at once when there is no room: looking for the
/// longest idle ones takes time, and is done once for many.
const RECLAIMED_PART: usize = 64;
/// The time after which idle connections are looked for again while there is no room.
const RECLAIM_INTERVAL: Duration = Duration::from_millis(250);
/// How often a lack of room is logged at most.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// All connections of a port.
pub struct Connections {
    places: Arc<Semaphore>,
    maximum: usize,
    open: RefCell<BTreeMap<u64, Arc<Activity>>>,
    next: Cell<u64>,
    warned: Cell<Option<Instant>>,
    logs: Logs,
}

/// A connection's entry, until dropped.
pub struct Listed {
    connections: Rc<Connections>,
    number: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.connections.open.borrow_mut().remove(&self.number);
    }
}

impl Connections {
    /// At most `maximum` connections.
    pub fn new(maximum: usize, logs: &Logs) -> Rc<Self> {
        Rc::new(Self {
            places: Arc::new(Semaphore::new(maximum)),
            maximum,
            open: RefCell::default(),
            next: Cell::new(0),
            warned: Cell::new(None),
            logs: logs.clone(),
        })
    }

    /// Waits for room for one more connection. Closes the longest idle ones when there is none.
    pub async fn place(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if self.places.available_permits() == 0 {
                self.reclaim();
            }
            let place = Arc::clone(&self.places).acquire_owned();
            if let Ok(place) = tokio::time::timeout(RECLAIM_INTERVAL, place).await {
                // Closed by nothing.
                return place.ok();
            }
        }
    }

    /// Lists a connection until the entry is dropped.
    pub fn list(self: &Rc<Self>, activity: &Arc<Activity>) -> Listed {
        let number = self.next.get();
        self.next.set(number + 1);
        self.open.borrow_mut().insert(number, Arc::clone(activity));
        Listed {
            connections: Rc::clone(self),
            number,
        }
    }

    fn reclaim(&self) {
        let mut open = self.open.borrow_mut();
        let ranked = open.iter().filter_map(|(number, activity)| {
            let rank = activity.rank()?;
            Some((rank, *number))
        });
        let mut ranked: Vec<_> = ranked.collect();
        let count = (self.maximum / RECLAIMED_PART).clamp(1, ranked.len().max(1));
        if count < ranked.len() {
            ranked.select_nth_unstable(count);
            ranked.truncate(count);
        }
        for (_, number) in &ranked {
            if let Some(activity) = open.remove(number) {
                activity.reclaim();
            }
        }
        self.warn(ranked.len());
    }

    fn warn(&self, closed: usize) {
        let now = Instant::now();
        let lately = |at: Instant| now.duration_since(at) < WARN_INTERVAL;
        if self.warned.get().is_some_and(lately) {
            return;
        }
        self.warned.set(Some(now));
        let maximum = self.maximum;
        let what = if closed == 0 {
            "all of them wait for functions, and new ones wait until one ends".to_owned()
        } else {
            format!("the {closed} that were idle for longest are closed for new ones")
        };
        self.logs.warn(format!(
            "{maximum} connections are open, the maximum that the limit of open files allows: {what}"
        ));
    }
}
