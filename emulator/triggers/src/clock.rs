//! The time, given by whoever composes: live it is the system's, in tests it is set.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

type Millis = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Tells the time of day, and how much time passes. Cheap to clone.
#[derive(Clone)]
pub struct Clock {
    day: Millis,
    /// Milliseconds from some moment on, which goes on evenly when the time of day is set.
    steady: Millis,
}

impl Clock {
    /// A clock that tells what `now` does, in milliseconds since 1970, and is never set.
    #[must_use]
    pub fn new(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        let now: Millis = Arc::new(now);
        Self {
            day: Arc::clone(&now),
            steady: now,
        }
    }

    /// A clock whose time of day may be set, while `steady` goes on: both in milliseconds, the first
    /// since 1970.
    #[must_use]
    pub fn that_is_set(
        day: impl Fn() -> u64 + Send + Sync + 'static,
        steady: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self {
            day: Arc::new(day),
            steady: Arc::new(steady),
        }
    }

    /// The system's.
    #[must_use]
    pub fn system() -> Self {
        let day = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.map_or(0, |since| {
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            })
        };
        // The time a laptop sleeps passes, too.
        #[cfg(target_os = "linux")]
        const STEADY: ClockId = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        const STEADY: ClockId = ClockId::Monotonic;
        let steady = || {
            let since = clock_gettime(STEADY);
            let seconds = u64::try_from(since.tv_sec).unwrap_or_default();
            let millis = u64::try_from(since.tv_nsec).unwrap_or_default() / 1_000_000;
            seconds.saturating_mul(1000).saturating_add(millis)
        };
        Self::that_is_set(day, steady)
    }

    /// Milliseconds since 1970, by the time of day.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        (self.day)()
    }

    /// How far the time of day is from the time that passes: another value each time it is set.
    #[must_use]
    pub fn set_by(&self) -> i64 {
        let (day, steady) = (self.now_ms(), (self.steady)());
        i64::try_from(i128::from(day) - i128::from(steady)).unwrap_or_default()
    }

    /// A clock that goes on from now, or from `least` if that is later, and is never set.
    #[must_use]
    pub fn going_on(&self, least: u64) -> Self {
        let begin = self.now_ms().max(least);
        let (steady, from) = (Arc::clone(&self.steady), (self.steady)());
        Self::new(move || {
            let passed = i128::from(steady()) - i128::from(from);
            u64::try_from(i128::from(begin) + passed).unwrap_or_default()
        })
    }
}
