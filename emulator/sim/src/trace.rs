//! Requests recorded elsewhere: access logs, and counts per function and minute as Azure published
//! them.
//!
//! Both formats tell the time coarsely (a second, a minute); within it requests are scattered by
//! chance. Deliberately absent: how long requests took, which neither format says.

mod access;
mod azure;

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;

use crate::workload::{Arrival, scattered};

/// A gap after which a trace is said to have a hole, in seconds.
const HOLE: u64 = 3600;

/// The format of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One request a line, in the common or combined log format of Apache and nginx.
    AccessLog,
    /// One function a line with a count for every minute: the Azure Functions trace of 2019
    /// (Shahrad and others, "Serverless in the Wild", 2020), `invocations_per_function_md.*.csv`.
    AzureMinutes,
}

impl Format {
    /// By a file's first line.
    #[must_use]
    pub fn guess(first: &str) -> Self {
        if first.starts_with("HashOwner,") {
            Self::AzureMinutes
        } else {
            Self::AccessLog
        }
    }
}

/// A trace that cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct TraceError {
    /// Where, from 1.
    pub line: usize,
    /// The error.
    pub what: String,
    /// One action that helps.
    pub hint: &'static str,
}

fnlocal_api::user_error!(TraceError { Self { hint, .. } => *hint; });

/// Requests of a function in one second or minute.
#[derive(Clone, Copy, Debug)]
struct SlotCount {
    slot: u32,
    function: u32,
    count: u32,
}

/// A trace, as counts: it takes room for its seconds, not for its requests.
#[derive(Clone, Debug)]
pub struct RequestTrace {
    /// Functions, by the numbers arrivals use.
    pub functions: Vec<String>,
    /// Warnings that are no reason to stop.
    pub warnings: Vec<String>,
    /// Length of a slot, in seconds.
    width: u32,
    /// In order of their slots.
    counts: Vec<SlotCount>,
}

impl RequestTrace {
    /// Reads a trace.
    ///
    /// # Errors
    /// The first line that is wrong: one that is not of the format, that lies before the line
    /// above it, or that lacks counts.
    pub fn read(text: &str) -> Result<Self, TraceError> {
        match Format::guess(text.lines().next().unwrap_or_default()) {
            Format::AccessLog => access::read(text),
            Format::AzureMinutes => azure::read(text),
        }
    }

    /// How many requests it has.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.counts.iter().map(|one| u64::from(one.count)).sum()
    }

    /// From its first second or minute to the end of its last, in seconds.
    #[must_use]
    pub fn duration(&self) -> f64 {
        let slots = self
            .counts
            .last()
            .map_or(0.0, |last| f64::from(last.slot) + 1.0);
        slots * f64::from(self.width)
    }

    /// Its requests, in order.
    pub(crate) fn arrivals(&self, rng: ChaCha8Rng) -> TraceArrivals<'_> {
        TraceArrivals {
            trace: self,
            rng,
            next: 0,
            ready: Vec::new(),
        }
    }
}

/// The arrivals of a [`RequestTrace`]; those of one slot are held at a time.
pub(crate) struct TraceArrivals<'a> {
    trace: &'a RequestTrace,
    rng: ChaCha8Rng,
    next: usize,
    /// The last is due first.
    ready: Vec<Arrival>,
}

impl Iterator for TraceArrivals<'_> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        if let Some(arrival) = self.ready.pop() {
            return Some(arrival);
        }
        let slot = self.trace.counts.get(self.next)?.slot;
        let width = u64::from(self.trace.width) * 1_000_000;
        while let Some(one) = self
            .trace
            .counts
            .get(self.next)
            .filter(|one| one.slot == slot)
        {
            self.next += 1;
            let from = u64::from(slot) * width;
            let times = scattered(&mut self.rng, from, width, one.count as usize);
            let function = one.function;
            let arrivals = times.into_iter().map(|at| Arrival { at, function });
            self.ready.extend(arrivals);
        }
        self.ready
            .sort_unstable_by_key(|one| std::cmp::Reverse((one.at, one.function)));
        self.ready.pop()
    }
}

/// Gives functions numbers in the order they are first seen.
#[derive(Default)]
struct FunctionNumbers {
    numbers: BTreeMap<String, u32>,
    names: Vec<String>,
}

impl FunctionNumbers {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.numbers.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        number
    }
}

/// Says so when nothing came for long.
fn hole(line: usize, seconds: u64) -> Option<String> {
    let (hours, minutes) = (seconds / 3600, seconds % 3600 / 60);
    let text = format!("line {line}: nothing for {hours} h {minutes} min before it");
    (seconds >= HOLE).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Use, stream};

    const LOG: &str = "\
127.0.0.1 - - [10/Oct/2025:13:55:36 +0000] \"GET /hello HTTP/1.1\" 200 2326
127.0.0.1 - bob [10/Oct/2025:13:55:36 +0000] \"POST /bid/7?x=1 HTTP/1.1\" 200 12 \"-\" \"curl/8\"
127.0.0.1 - - [10/Oct/2025:15:55:38 +0200] \"GET / HTTP/2.0\" 304 0
";

    fn arrivals(trace: &RequestTrace) -> Vec<(u64, &str)> {
        let all = trace.arrivals(stream(1, Use::Arrivals));
        let of = |one: Arrival| {
            (
                one.at / 1_000_000,
                trace.functions[one.function as usize].as_str(),
            )
        };
        all.map(of).collect()
    }

    #[test]
    fn a_log_of_more_seconds_than_there_are_numbers_has_a_length() {
        let log = "127. [10/Oct/-2025:3:55:36 +0000] \"GET /a H\"\n\
                   127. [10/Oct/2025:3:55:36 +0000] \"GET /b H\"";
        let trace = RequestTrace::read(log).unwrap();
        assert_eq!(trace.duration(), 4_294_967_296.0);
    }

    #[test]
    fn an_access_log_is_replayed_by_its_seconds_and_paths() {
        let trace = RequestTrace::read(LOG).unwrap();
        assert_eq!(trace.requests(), 3);
        assert_eq!(trace.duration(), 3.0, "time zones are minded");
        let mut got = arrivals(&trace);
        got.sort_unstable();
        assert_eq!(got, [(0, "bid"), (0, "hello"), (2, "/")]);
    }

    #[test]
    fn a_line_that_is_no_request_is_named() {
        let text = format!("{LOG}something else\n");
        let error = RequestTrace::read(&text).unwrap_err();
        assert_eq!(error.line, 4);
        assert!(error.to_string().starts_with("line 4: "), "{error}");
    }

    #[test]
    fn a_line_from_before_is_named() {
        let earlier = "::1 - - [10/Oct/2025:13:55:01 +0000] \"GET /hello HTTP/1.1\" 200 1\n";
        let error = RequestTrace::read(&format!("{LOG}{earlier}")).unwrap_err();
        assert_eq!(error.line, 4);
        assert!(error.what.contains("before"), "{error}");
        assert!(error.hint.contains("sort"));
    }

    #[test]
    fn a_hole_is_told() {
        let later = "::1 - - [10/Oct/2025:18:00:00 +0000] \"GET /hello HTTP/1.1\" 200 1\n";
        let trace = RequestTrace::read(&format!("{LOG}{later}")).unwrap();
        assert_eq!(trace.warnings, ["line 4: nothing for 4 h 4 min before it"]);
    }

    const AZURE: &str = "\
HashOwner,HashApp,HashFunction,Trigger,1,2,3
o1,a1,abcdef0123456789,http,2,0,1
o1,a1,fedcba9876543210,timer,0,0,3
";

    #[test]
    fn counts_a_minute_are_scattered_over_it() {
        let trace = RequestTrace::read(AZURE).unwrap();
        assert_eq!((trace.requests(), trace.duration()), (6, 180.0));
        let all: Vec<Arrival> = trace.arrivals(stream(1, Use::Arrivals)).collect();
        assert!(all.is_sorted_by_key(|one| one.at));
        let minutes: Vec<u64> = all.iter().map(|one| one.at / 60_000_000).collect();
        assert_eq!(minutes, [0, 0, 2, 2, 2, 2]);
        assert_eq!(trace.functions.len(), 2);
    }

    #[test]
    fn a_missing_or_bad_count_is_named_with_its_minute() {
        for (line, word) in [
            ("o2,a2,f2,http,1,2\n", "minute 3"),
            ("o2,a2,f2,http,1,,2\n", "minute 2"),
            ("o2,a2,f2,http,1,2,x\n", "minute 3"),
            ("o2,a2,f2,http,1,2,3,4\n", "more"),
        ] {
            let error = RequestTrace::read(&format!("{AZURE}{line}")).unwrap_err();
            assert_eq!(error.line, 4, "{line}");
            assert!(error.what.contains(word), "{error}");
        }
    }

    #[test]
    fn an_empty_trace_is_refused() {
        for text in ["", "\n\n", "HashOwner,HashApp,HashFunction,Trigger,1\n"] {
            assert!(
                RequestTrace::read(text)
                    .unwrap_err()
                    .what
                    .contains("no request"),
                "{text:?}"
            );
        }
    }
}
