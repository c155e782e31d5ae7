//! Requests recorded elsewhere: access logs of many servers, and counts per function and minute as Azure published
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
    /// One request a line, in one of the formats that servers write.
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
    /// The first line that is wrong: of an access log, one of many that cannot be replayed; else one
    /// that lacks counts.
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
    fn a_log_that_spans_more_than_2_to_the_32_seconds_has_a_capped_duration() {
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
    fn log_lines_that_are_not_requests_are_counted_and_skipped() {
        let odd = [
            r#"203.0.113.9 - - [10/Oct/2025:13:55:37 +0000] "-" 408 0 "-" "-""#,
            r#"203.0.113.9 - - [10/Oct/2025:13:55:37 +0000] "\x16\x03\x01\x02\x00\x01" 400 157"#,
            "203.0.113.9 - - [10/Oct/2025:13:55:37 +0000] \"\u{fffd}\u{1}\u{0}\" 400 157",
            r#"::1 - - [10/Oct/2025:13:55:37 +0000] "OPTIONS * HTTP/1.0" 200 126"#,
            r#"::1 - - [10/Oct/2025:13:55:37 +0000] "CONNECT example.org:443 HTTP/1.1" 405 0"#,
            r#"::1 - - [10/Oct/2025:13:55:37 +0000] "" 400 0"#,
            "something else",
        ];
        for line in odd {
            let trace = RequestTrace::read(&format!("{LOG}{line}\n")).unwrap();
            assert_eq!(trace.requests(), 3, "{line}");
            let warning = trace.warnings.join("");
            assert!(
                warning.starts_with("of 4 lines 1 are left out; the first is line 4"),
                "{warning}"
            );
        }
        // Half of a log may be such lines, and no more.
        let half = format!("{LOG}{}", odd[..3].join("\n"));
        assert_eq!(RequestTrace::read(&half).unwrap().requests(), 3);
        let error = RequestTrace::read(&format!("{LOG}{}", odd[..4].join("\n"))).unwrap_err();
        assert_eq!(error.line, 4);
        assert!(error.what.contains("of 7 lines 4"), "{error}");
        assert!(error.hint.contains("GET /hello"), "{}", error.hint);
    }

    #[test]
    fn slightly_unordered_log_lines_are_sorted() {
        let earlier = "::1 - - [10/Oct/2025:13:55:01 +0000] \"GET /slow HTTP/1.1\" 200 1\n";
        let trace = RequestTrace::read(&format!("{LOG}{earlier}")).unwrap();
        assert_eq!(trace.warnings, Vec::<String>::new());
        assert_eq!(trace.duration(), 38.0);
        assert_eq!(arrivals(&trace)[0], (0, "slow"));
        assert_eq!(arrivals(&trace)[3], (37, "/"));
    }

    #[test]
    fn a_log_in_reverse_order_is_refused_with_a_hint_to_sort() {
        let line = |hour: u32| {
            format!("::1 - - [10/Oct/2025:{hour}:00:00 +0000] \"GET /a HTTP/1.1\" 200 1\n")
        };
        let newest_first: String = (10..20)
            .rev()
            .map(|hour| line(hour) + &line(hour))
            .collect();
        let error = RequestTrace::read(&newest_first).unwrap_err();
        assert_eq!(error.line, 5, "an hour before is not too much");
        assert!(
            error.what.contains("before") && error.hint.contains("sort"),
            "{error}"
        );
    }

    #[test]
    fn log_formats_are_detected_line_by_line() {
        let clf =
            r#"127.0.0.1 - - [10/Oct/2025:13:55:36 +0000] "GET /hello?a=1 HTTP/1.1" 200 2326"#;
        let combined = r#"::1 - u [10/Oct/2025:13:55:36 +0000] "POST /hello/x HTTP/2.0" 200 1 "-" "a \"b\" c""#;
        let forms = [
            clf,
            combined,
            // A name of the host before, a syslog's head, and an address in brackets.
            r#"shop.example.org:443 127.0.0.1 - - [10/Oct/2025:15:55:36 +0200] "GET /hello HTTP/1.1" 200 5"#,
            r#"Oct 10 13:55:36 web nginx[123]: [::1] - - [10/Oct/2025:13:55:36 +0000] "GET /hello HTTP/1.1" 200 5"#,
            r#"::1 - - [10/Oct/2025:13:55:36 +0000] "GET http://shop.example.org/hello HTTP/1.1" 200 5"#,
            r#"http 2025-10-10T13:55:36.186641Z app/lb/50dc6c 192.0.2.1:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 "GET http://www.example.org:80/hello HTTP/1.1" "curl/7.46.0" - - arn:aws "Root=1-58337262" "-" "-" 0 2025-10-10T13:55:35.364000Z "forward" "-" "-""#,
            r#"wss 2025-10-10T13:55:36.186641Z app/lb/50dc6c 192.0.2.1:2817 10.0.0.1:80 0.000 0.001 0.000 101 101 34 366 "GET wss://www.example.org:443/hello/ws HTTP/1.1" "-" ECDHE TLSv1.2 arn"#,
            r#"{"level":"info","ts":1760104536.52,"logger":"http.log.access","request":{"remote_ip":"::1","method":"GET","host":"localhost","uri":"/hello?x","headers":{"User-Agent":["curl"]}},"duration":0.0009,"status":200}"#,
            r#"{"time_local":"10/Oct/2025:13:55:36 +0000","request":"GET /hello HTTP/1.1","status":"200","request_time":"0.002"}"#,
            r#"{"time_iso8601":"2025-10-10T15:55:36+02:00","request_uri":"/hello","request_method":"GET"}"#,
            r#"{"msec":"1760104536.123","uri":"/hello"}"#,
            r#"{"@timestamp":"2025-10-10T13:55:36.000Z","url":"https://example.org/hello"}"#,
            r#"{"timestamp":1760104536000,"path":"/hello"}"#,
            r#"{"StartUTC":"2025-10-10T13:55:36.12Z","RequestPath":"/hello","time":"2025-10-10T13:55:36Z"}"#,
            r#"{"timestamp":"2025-10-10T13:55:36Z","httpRequest":{"requestUrl":"https://example.org/hello"}}"#,
            r#"{"requestTime":"10/Oct/2025:13:55:36 +0000","path":"/hello"}"#,
            r#"{"date":"2025-10-10","time":"13:55:36","cs-uri-stem":"/hello"}"#,
        ];
        let read =
            |text: &str| RequestTrace::read(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let anchor = "::1 - - [10/Oct/2025:13:55:30 +0000] \"GET /first HTTP/1.1\" 200 1\n";
        for form in forms {
            let trace = read(&format!("{anchor}{form}\r\n"));
            assert_eq!(trace.warnings, Vec::<String>::new(), "{form}");
            assert_eq!(arrivals(&trace), [(0, "first"), (6, "hello")], "{form}");
        }
        assert_eq!(read(&forms.join("\n")).requests(), forms.len() as u64);
        let cloudfront = "#Version: 1.0\n\
            #Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status\n\
            2025-10-10\t13:55:36\tFRA2\t2390\t192.0.2.1\tGET\td111.cloudfront.net\t/hello\t200\n\
            2025-10-10\t13:55:35\tFRA2\t2390\t192.0.2.1\tGET\td111.cloudfront.net\t/\t200\n";
        assert_eq!(arrivals(&read(cloudfront)), [(0, "/"), (1, "hello")]);
        let iis = "#Software: IIS\n#Fields: date time s-ip cs-method cs-uri-stem\n\
            2025-10-10 13:55:36 ::1 GET /hello\n";
        assert_eq!(arrivals(&read(iis)), [(0, "hello")]);
    }

    #[test]
    fn a_gap_in_a_log_is_reported() {
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
    fn counts_per_minute_are_distributed_over_the_minute() {
        let trace = RequestTrace::read(AZURE).unwrap();
        assert_eq!((trace.requests(), trace.duration()), (6, 180.0));
        let all: Vec<Arrival> = trace.arrivals(stream(1, Use::Arrivals)).collect();
        assert!(all.is_sorted_by_key(|one| one.at));
        let minutes: Vec<u64> = all.iter().map(|one| one.at / 60_000_000).collect();
        assert_eq!(minutes, [0, 0, 2, 2, 2, 2]);
        assert_eq!(trace.functions.len(), 2);
    }

    #[test]
    fn a_missing_or_invalid_count_is_refused_with_its_minute() {
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
