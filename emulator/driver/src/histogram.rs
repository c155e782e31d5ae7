//! Times, counted by how long they were. A plain array: one request is one addition, without a
//! lock, unlike in the metrics library that writes them out.

use std::time::Duration;

/// Upper bounds of the counted spans, in seconds; longer ones count beyond the last.
pub const BOUNDS: [f64; 16] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0,
];

/// Times by how long they were.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    counts: [u64; BOUNDS.len() + 1],
    sum: f64,
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        let span = BOUNDS.iter().position(|&bound| seconds <= bound);
        self.counts[span.unwrap_or(BOUNDS.len())] += 1;
        self.sum += seconds;
    }

    /// Counts all of another's, too.
    pub fn add_all(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum += other.sum;
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All together, in seconds.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// How many are within each bound and above the one before, the last without a bound.
    #[must_use]
    pub fn spans(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS.into_iter().chain([f64::MAX]);
        bounds.zip(self.counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_counted_in_one_bucket() {
        let mut histogram = Histogram::default();
        for micros in [0, 500, 501, 2_000_000, 3_600_000_000] {
            histogram.add(Duration::from_micros(micros));
        }
        assert_eq!(histogram.count(), 5);
        let filled: Vec<_> = histogram
            .spans()
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(filled, [(0.000_5, 2), (0.001, 1), (2.0, 1), (f64::MAX, 1)]);
    }
}
