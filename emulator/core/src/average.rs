//! Moving averages of how long things take.

use crate::time::Duration;

/// An exponentially weighted moving average with a weight of 1/8, that of TCP's smoothed
/// round-trip time (RFC 6298): quick enough for a changed function, calm about one slow request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Average(Option<u64>);

impl Average {
    /// An average that begins with a guess.
    pub(crate) const fn guess(span: Duration) -> Self {
        Self(Some(span.as_micros() as u64))
    }

    /// Takes in one more measurement.
    pub(crate) fn add(&mut self, span: Duration) {
        let new = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        self.0 = Some(match self.0 {
            None => new,
            Some(old) => old - old / 8 + new / 8,
        });
    }

    /// The average in microseconds, if anything is known.
    pub(crate) const fn micros(self) -> Option<u64> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_moves_by_an_eighth_of_the_difference() {
        let mut average = Average::guess(Duration::from_millis(80));
        average.add(Duration::from_millis(160));
        assert_eq!(average.micros(), Some(90_000));
    }
}
