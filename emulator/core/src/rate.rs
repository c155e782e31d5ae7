//! A token bucket: a rate over a span of time, a burst, and a debt on request.

use crate::limits::OverRate;
use crate::time::{Duration, Instant};

/// Parts of a token: a rate of `r` a second fills `r` parts a microsecond.
const PARTS: i128 = 1_000_000;

/// How fast a bucket fills, and what happens when it is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FillRate {
    /// Tokens in `span`.
    pub(crate) tokens: u32,
    /// In seconds.
    pub(crate) span: u32,
    /// Tokens at once.
    pub(crate) burst: u32,
    /// The treatment of requests without a token.
    pub(crate) over: OverRate,
}

impl FillRate {
    /// Returns a bucket for `rps` requests a second.
    pub(crate) fn per_second(rps: u32, burst: Option<u32>, over: OverRate) -> Self {
        Self {
            tokens: rps.max(1),
            span: 1,
            burst: burst.unwrap_or(rps).max(1),
            over,
        }
    }

    /// Returns a bucket for `starts` starts in ten seconds.
    pub(crate) fn per_ten_seconds(starts: u32) -> Self {
        Self {
            tokens: starts.max(1),
            span: 10,
            burst: starts.max(1),
            over: OverRate::Refuse,
        }
    }

    fn part(self) -> i128 {
        PARTS * i128::from(self.span)
    }

    fn full(self) -> i128 {
        self.part() * i128::from(self.burst)
    }
}

/// Integer arithmetic only, so that replays agree.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    rate: FillRate,
    /// Below zero when tokens were taken in advance.
    level: i128,
    at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(rate: FillRate, now: Instant) -> Self {
        Self {
            level: rate.full(),
            rate,
            at: now,
        }
    }

    /// How long until a token is there; zero when one is.
    pub(crate) fn wait(&mut self, now: Instant) -> Duration {
        let passed = i128::from(now.as_micros().saturating_sub(self.at.as_micros()));
        let filled = passed * i128::from(self.rate.tokens);
        self.level = (self.level + filled).min(self.rate.full());
        self.at = self.at.max(now);
        let lacking = self.rate.part() - self.level;
        if lacking <= 0 {
            return Duration::ZERO;
        }
        let tokens = i128::from(self.rate.tokens);
        let micros = (lacking + tokens - 1) / tokens;
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// Takes a token, in advance if [`TokenBucket::wait`] said it is not there yet.
    pub(crate) fn take(&mut self) {
        self.level -= self.rate.part();
    }

    /// Returns whether a request may take a token in advance and wait for it.
    pub(crate) fn lends(&self) -> bool {
        self.rate.over == OverRate::Queue
    }

    /// Whole tokens that are there.
    pub(crate) fn tokens(&mut self, now: Instant) -> usize {
        self.wait(now);
        usize::try_from(self.level.max(0) / self.rate.part()).unwrap_or(usize::MAX)
    }

    /// A bucket for a bound that may have come, gone or changed; what has been used up stays so.
    pub(crate) fn update(bucket: &mut Option<Self>, rate: Option<FillRate>, now: Instant) {
        match (bucket.as_mut(), rate) {
            (Some(bucket), Some(rate)) => {
                bucket.wait(now);
                let level = bucket.level.min(rate.full());
                (bucket.rate, bucket.level) = (rate, level);
            }
            (_, rate) => *bucket = rate.map(|rate| Self::new(rate, now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(rps: u32, burst: Option<u32>) -> FillRate {
        FillRate::per_second(rps, burst, OverRate::Refuse)
    }

    #[test]
    fn a_full_bucket_holds_one_second_of_tokens() {
        let mut bucket = TokenBucket::new(rate(3, None), Instant::START);
        for _ in 0..3 {
            assert!(bucket.wait(Instant::START).is_zero());
            bucket.take();
        }
        assert_eq!(bucket.wait(Instant::START), Duration::from_micros(333_334));
        assert!(bucket.wait(Instant::from_micros(333_334)).is_zero());
    }

    #[test]
    fn a_burst_may_be_larger_or_smaller_than_the_rate() {
        for (burst, taken) in [(1, 1), (7, 7)] {
            let mut bucket = TokenBucket::new(rate(3, Some(burst)), Instant::START);
            assert_eq!(bucket.tokens(Instant::from_millis(9_000)), taken);
        }
    }

    #[test]
    fn tokens_taken_in_advance_make_the_next_wait_longer() {
        let mut bucket = TokenBucket::new(rate(10, Some(1)), Instant::START);
        for turn in 0..4 {
            let wait = bucket.wait(Instant::START);
            assert_eq!(wait, Duration::from_millis(100 * turn));
            bucket.take();
        }
    }

    #[test]
    fn a_rate_per_ten_seconds_refills_evenly() {
        let mut bucket = TokenBucket::new(FillRate::per_ten_seconds(1000), Instant::START);
        for _ in 0..1000 {
            bucket.take();
        }
        assert_eq!(bucket.wait(Instant::START), Duration::from_millis(10));
        assert_eq!(bucket.tokens(Instant::from_millis(5_000)), 500);
        assert_eq!(bucket.tokens(Instant::from_millis(60_000)), 1000);
    }

    #[test]
    fn a_changed_rate_keeps_the_tokens_already_used() {
        let mut bucket = Some(TokenBucket::new(rate(10, None), Instant::START));
        for _ in 0..10 {
            bucket.as_mut().unwrap().take();
        }
        TokenBucket::update(&mut bucket, Some(rate(100, None)), Instant::START);
        let mut bucket = bucket.unwrap();
        assert_eq!(bucket.tokens(Instant::START), 0);
        assert_eq!(bucket.tokens(Instant::from_millis(100)), 10);
    }
}
