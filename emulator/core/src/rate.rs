//! A token bucket: so many a second, with a burst of one second's worth.

use crate::time::{Duration, Instant};

/// Micro-tokens that one request takes.
const TOKEN: u64 = 1_000_000;

/// Integer arithmetic only, so that replays agree: a rate of `r` fills `r` micro-tokens a
/// microsecond.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: u64,
    level: u64,
    at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(rate: u32, now: Instant) -> Self {
        let rate = u64::from(rate.max(1));
        Self {
            rate,
            level: rate * TOKEN,
            at: now,
        }
    }

    /// How long until a token is there; zero when one is.
    pub(crate) fn wait(&mut self, now: Instant) -> Duration {
        let passed = u64::try_from(now.since(self.at).as_micros()).unwrap_or(u64::MAX);
        let filled = passed.saturating_mul(self.rate);
        self.level = self.level.saturating_add(filled).min(self.rate * TOKEN);
        self.at = self.at.max(now);
        Duration::from_micros(TOKEN.saturating_sub(self.level).div_ceil(self.rate))
    }

    /// Takes a token that [`Bucket::wait`] said is there.
    pub(crate) fn take(&mut self) {
        self.level = self.level.saturating_sub(TOKEN);
    }

    /// Changes the rate and keeps what has been used up.
    pub(crate) fn set_rate(&mut self, rate: u32, now: Instant) {
        self.wait(now);
        self.rate = u64::from(rate.max(1));
        self.level = self.level.min(self.rate * TOKEN);
    }

    /// A bucket for a bound that may have come, gone or changed.
    pub(crate) fn update(bucket: &mut Option<Self>, rate: Option<u32>, now: Instant) {
        match (bucket.as_mut(), rate) {
            (Some(bucket), Some(rate)) => bucket.set_rate(rate, now),
            (_, rate) => *bucket = rate.map(|rate| Self::new(rate, now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bucket_lasts_for_one_seconds_worth() {
        let mut bucket = Bucket::new(3, Instant::START);
        for _ in 0..3 {
            assert!(bucket.wait(Instant::START).is_zero());
            bucket.take();
        }
        assert_eq!(bucket.wait(Instant::START), Duration::from_micros(333_334));
        assert!(bucket.wait(Instant::from_micros(333_334)).is_zero());
    }
}
