//! The senders of bodies that are arriving, and which of them makes room when there is none.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use fnlocal_driver::spool::SpoolError;

/// The time in which a sender is not judged.
const LEAST_AGE: Duration = Duration::from_secs(2);
/// The rate in bytes per second from which on a sender is never the one that makes room.
const KEPT_RATE: f64 = 65_536.0;
/// The time after which what a sender sent counts for a third: an early burst does not pay for a
/// trickle.
const MEMORY: Duration = Duration::from_secs(5);

/// The sender of one body that is arriving.
pub struct Sender {
    began: Instant,
    /// Bytes, of which older ones count for less, as of `at`.
    weighed: Cell<f64>,
    at: Cell<Instant>,
    is_evicted: Cell<bool>,
    evicted: Notify,
}

impl Sender {
    /// A sender that begins `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            began: now,
            weighed: Cell::new(0.0),
            at: Cell::new(now),
            is_evicted: Cell::new(false),
            evicted: Notify::new(),
        }
    }

    /// Counts bytes that came.
    pub(crate) fn came(&self, bytes: u64, now: Instant) {
        #[allow(clippy::cast_precision_loss, reason = "a rate need not be exact")]
        self.weighed.set(self.weighed_at(now) + bytes as f64);
        self.at.set(now);
    }

    /// Bytes per second, lately.
    pub(crate) fn rate(&self, now: Instant) -> f64 {
        let whole = MEMORY.as_secs_f64() * (1.0 - decay(self.began, now));
        if whole > 0.0 {
            self.weighed_at(now) / whole
        } else {
            f64::INFINITY
        }
    }

    fn weighed_at(&self, now: Instant) -> f64 {
        self.weighed.get() * decay(self.at.get(), now)
    }

    /// Returns the rate of a sender that may be evicted for one of `rate`; `None` if it may not.
    fn evictable(&self, rate: f64, now: Instant) -> Option<f64> {
        let own = self.rate(now);
        let judged = !self.is_evicted.get() && now.duration_since(self.began) >= LEAST_AGE;
        (judged && own < rate.min(KEPT_RATE)).then_some(own)
    }

    /// Ends [`Sender::unless_evicted`].
    fn evict(&self) {
        self.is_evicted.set(true);
        self.evicted.notify_one();
    }

    /// Waits for the body.
    ///
    /// # Errors
    /// [`SpoolError::Evicted`], and those of `arriving`.
    pub(crate) async fn unless_evicted<T>(
        &self,
        arriving: impl Future<Output = Result<T, SpoolError>>,
    ) -> Result<T, SpoolError> {
        tokio::select! {
            biased;
            () = self.evicted.notified() => Err(SpoolError::Evicted),
            arrived = arriving => arrived,
        }
    }
}

/// The bodies that are arriving, and what each of them takes.
pub struct Arrivals<T> {
    all: RefCell<BTreeMap<u64, Rc<T>>>,
    next: Cell<u64>,
}

impl<T> Default for Arrivals<T> {
    fn default() -> Self {
        Self {
            all: RefCell::default(),
            next: Cell::new(0),
        }
    }
}

impl<T: AsRef<Sender>> Arrivals<T> {
    /// Lists a body until the entry is dropped.
    pub(crate) fn list(self: &Rc<Self>, one: T) -> Arriving<T> {
        let number = self.next.get();
        self.next.set(number + 1);
        let one = Rc::new(one);
        self.all.borrow_mut().insert(number, Rc::clone(&one));
        Arriving {
            arrivals: Rc::clone(self),
            number,
            one,
        }
    }

    /// Evicts the slowest `holding` sender that may be evicted for one of `rate`, and returns what it
    /// took; `None` if there is none.
    pub(crate) fn evict_slowest(
        &self,
        holding: impl Fn(&T) -> bool,
        rate: f64,
        now: Instant,
    ) -> Option<Rc<T>> {
        let all = self.all.borrow();
        let holding = all.values().filter(|one| holding(one));
        let evictable = holding.filter_map(|one| {
            let sender: &Sender = (**one).as_ref();
            Some((sender.evictable(rate, now)?, sender, one))
        });
        let (_, sender, slowest) = evictable.min_by(|(a, ..), (b, ..)| a.total_cmp(b))?;
        sender.evict();
        Some(Rc::clone(slowest))
    }
}

/// An entry of [`Arrivals`], until dropped.
pub struct Arriving<T> {
    arrivals: Rc<Arrivals<T>>,
    number: u64,
    pub(crate) one: Rc<T>,
}

impl<T> Drop for Arriving<T> {
    fn drop(&mut self) {
        self.arrivals.all.borrow_mut().remove(&self.number);
    }
}

impl AsRef<Sender> for Sender {
    fn as_ref(&self) -> &Sender {
        self
    }
}

fn decay(from: Instant, to: Instant) -> f64 {
    (-to.duration_since(from).div_duration_f64(MEMORY)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_slowest_sender_is_evicted_but_never_a_new_one() {
        let began = Instant::now();
        let arrivals = Rc::new(Arrivals::default());
        let listed = [9000, 600, 3000].map(|bytes| {
            let listed = arrivals.list(Sender::new(began));
            listed.one.came(bytes, began);
            listed
        });
        let evict = |rate, now| {
            let evicted = arrivals.evict_slowest(|_| true, rate, now)?;
            listed.iter().position(|one| Rc::ptr_eq(&one.one, &evicted))
        };
        assert_eq!(evict(f64::INFINITY, began), None, "all are new");
        let later = began + Duration::from_secs(3);
        assert_eq!(evict(0.0, later), None, "none makes room for a slower one");
        assert_eq!(evict(f64::INFINITY, later), Some(1));
        assert_eq!(evict(f64::INFINITY, later), Some(2));
        let never = std::future::pending::<Result<(), _>>();
        let evicted = listed[1].one.unless_evicted(never).await;
        assert!(matches!(evicted, Err(SpoolError::Evicted)));
        drop(listed);
        assert!(arrivals.all.borrow().is_empty());
    }

    #[test]
    fn a_steady_sender_is_not_evicted_and_a_burst_protects_for_seconds_only() {
        let mut now = Instant::now();
        let [steady, burst] = [Sender::new(now), Sender::new(now)];
        burst.came(6_000_000, now);
        for _ in 0..60 {
            now += Duration::from_secs(1);
            steady.came(100_000, now);
        }
        assert_eq!(steady.evictable(f64::INFINITY, now), None);
        assert!(burst.evictable(f64::INFINITY, now).is_some());
    }
}
