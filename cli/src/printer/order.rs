//! Records in the order of their times.
//!
//! An instance tells what a function printed some milliseconds later than the gateway tells of the
//! request's end, and several instances tell each for itself. So each record waits a moment for
//! those that belong before it.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use fnlocal_logs::Record;

/// How long a record waits for earlier ones: longer than an instance gathers what it tells.
const HOLD: Duration = Duration::from_millis(120);
/// Records that are held at most; beyond it they are given in the order in which they came.
const MAX_HELD: usize = 10_000;

/// A record with when it was.
pub struct TimedRecord {
    pub at: SystemTime,
    pub record: Record,
    came: Instant,
}

#[cfg(test)]
impl TimedRecord {
    /// A record of now.
    pub fn now(record: Record) -> Self {
        let (at, came) = (SystemTime::now(), Instant::now());
        Self { at, record, came }
    }
}

/// Records that wait for earlier ones.
#[derive(Default)]
pub struct RecordOrder {
    /// By their time.
    held: VecDeque<TimedRecord>,
}

impl RecordOrder {
    /// Takes a record that comes now.
    pub fn add(&mut self, record: Record, came: Instant, now: SystemTime) {
        let at = time_of(&record).unwrap_or(now);
        let place = self.held.partition_point(|one| one.at <= at);
        let one = TimedRecord { at, record, came };
        self.held.insert(place, one);
    }

    /// Gives what has waited long enough, with all that was before it.
    pub fn due(&mut self, now: Instant) -> impl Iterator<Item = TimedRecord> {
        let is_over = |one: &TimedRecord| now.saturating_duration_since(one.came) >= HOLD;
        let over = self
            .held
            .iter()
            .rposition(is_over)
            .map_or(0, |last| last + 1);
        let count = over.max(self.held.len().saturating_sub(MAX_HELD));
        self.held.drain(..count)
    }

    /// Gives everything.
    pub fn rest(&mut self) -> impl Iterator<Item = TimedRecord> {
        self.held.drain(..)
    }

    /// The time until something is due; `None` if nothing is held.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        let first = self.held.iter().map(|one| one.came).min()?;
        Some((first + HOLD).saturating_duration_since(now))
    }
}

/// Returns a record's time, for a request that of its end. `None` if only its arrival is known.
fn time_of(record: &Record) -> Option<SystemTime> {
    match record {
        Record::Request(request) => request.at.checked_add(request.total),
        Record::Line { at, .. } => *at,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    use fnlocal_core::InstanceId;

    use super::*;

    fn line(at: Option<u64>, text: &str) -> Record {
        Record::Line {
            at: at.map(|ms| UNIX_EPOCH + Duration::from_millis(ms)),
            function: None,
            instance: InstanceId(1),
            node: Arc::from("local"),
            request: None,
            stderr: false,
            line: text.to_owned(),
        }
    }

    fn texts(given: impl Iterator<Item = TimedRecord>) -> Vec<String> {
        let text = |one: TimedRecord| match one.record {
            Record::Line { line, .. } => line,
            other => panic!("{other:?}"),
        };
        given.map(text).collect()
    }

    #[test]
    fn records_that_arrive_late_are_printed_in_the_order_of_their_times() {
        let mut order = RecordOrder::default();
        let begin = Instant::now();
        let mut come = |after: u64, at: Option<u64>, text: &str| {
            let now = UNIX_EPOCH + Duration::from_millis(1000 + after);
            let came = begin + Duration::from_millis(after);
            order.add(line(at, text), came, now);
            texts(order.due(came))
        };
        assert_eq!(come(0, Some(1000), "b"), [""; 0]);
        assert_eq!(come(40, Some(990), "a"), [""; 0]);
        assert_eq!(come(60, None, "d, which came then"), [""; 0]);
        assert_eq!(come(90, Some(1000), "c, as b was before it"), [""; 0]);
        assert_eq!(come(130, Some(1100), "e"), ["a", "b"]);
        assert_eq!(
            come(185, Some(1010), "late"),
            ["c, as b was before it", "late", "d, which came then"]
        );
        assert_eq!(
            order.wait(begin + Duration::from_millis(185)),
            Some(Duration::from_millis(65))
        );
        assert_eq!(texts(order.rest()), ["e"]);
        assert_eq!(order.wait(begin), None);
    }

    #[test]
    fn records_beyond_the_buffer_limit_are_printed_immediately() {
        let mut order = RecordOrder::default();
        let now = Instant::now();
        for number in 0..MAX_HELD as u64 + 3 {
            order.add(line(Some(number), "x"), now, UNIX_EPOCH);
        }
        assert_eq!(order.due(now).count(), 3);
    }
}
