//! Access logs: common and combined format, JSON lines, those of ALB, and the W3C's of CloudFront.
//! Each line tells which it is.
//!
//! Servers write a line when a request ends, so lines are not in the order of their times. Lines
//! that are no requests for a function are in every log: clients that hung up, TLS sent to a port
//! without it, `OPTIONS *`. Both are taken as they come, as far as they are not the rule.

mod json;
mod line;
mod w3c;

use std::collections::BTreeMap;

use super::{FunctionNumbers, RequestTrace, SlotCount, TraceError, hole};
use w3c::Columns;

const HINT: &str = "known are the common and combined log formats, JSON lines with a time and a path, and \
                    the formats of ALB and CloudFront; a line of the common format is like: 127.0.0.1 - - \
                    [10/Oct/2025:13:55:36 +0000] \"GET /hello HTTP/1.1\" 200 12";
const SORT_HINT: &str = "sort the log by time: the oldest line comes first";
/// How much earlier than a line above it a line may be, in seconds: as long as a request may take.
const REORDERED: i64 = 3600;

/// The request of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LoggedRequest<'a> {
    /// Seconds since 1970.
    time: i64,
    /// From its first slash.
    path: &'a str,
}

/// Why a line cannot be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Odd {
    NoTime,
    NoRequest,
    /// Its request is for no path.
    NoPath,
    TooLate,
}

impl Odd {
    fn what(self) -> &'static str {
        match self {
            Self::NoTime => "it has no time",
            Self::NoRequest => "it has no request",
            Self::NoPath => "its request is for no path",
            Self::TooLate => "its time is more than an hour before that of a line above",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::TooLate => SORT_HINT,
            Self::NoTime | Self::NoRequest | Self::NoPath => HINT,
        }
    }
}

/// Requests of one second.
struct LoggedSecond {
    /// The first line of it.
    line: usize,
    functions: BTreeMap<u32, u32>,
}

#[derive(Default)]
struct LogReader {
    names: FunctionNumbers,
    seconds: BTreeMap<i64, LoggedSecond>,
    latest: Option<i64>,
    columns: Columns,
    lines: usize,
    /// Lines that were left out, and the first of them.
    odd: usize,
    first_odd: Option<(usize, Odd)>,
}

/// Reads a log.
pub(super) fn read(text: &str) -> Result<RequestTrace, TraceError> {
    let mut reader = LogReader::default();
    for (number, text) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let text = text.trim();
        if text.is_empty() || reader.columns.take(text) {
            continue;
        }
        reader.lines += 1;
        if let Err(odd) = reader.line(number, text) {
            reader.odd += 1;
            reader.first_odd.get_or_insert((number, odd));
        }
    }
    reader.finish()
}

impl LogReader {
    fn line(&mut self, number: usize, text: &str) -> Result<(), Odd> {
        if text.starts_with('{') {
            return match serde_json::from_str(text) {
                Ok(value) => self.add(number, json::request(&value)?),
                Err(_) => Err(Odd::NoRequest),
            };
        }
        match self.columns.request(text) {
            Some(found) => self.add(number, found?),
            None => self.add(number, line::request(text)?),
        }
    }

    fn add(&mut self, number: usize, request: LoggedRequest<'_>) -> Result<(), Odd> {
        let LoggedRequest { time, path } = request;
        let latest = self.latest.map_or(time, |latest| latest.max(time));
        if time < latest.saturating_sub(REORDERED) {
            return Err(Odd::TooLate);
        }
        self.latest = Some(latest);
        let function = self.names.number(function_of(path));
        let second = self.seconds.entry(time).or_insert_with(|| LoggedSecond {
            line: number,
            functions: BTreeMap::new(),
        });
        *second.functions.entry(function).or_default() += 1;
        Ok(())
    }

    fn finish(self) -> Result<RequestTrace, TraceError> {
        let (odd, lines) = (self.odd, self.lines);
        let mut warnings = Vec::new();
        if let Some((line, why)) = self.first_odd {
            let what = why.what();
            // A log of which most is left out is another load than the one that was recorded.
            if odd > lines - odd {
                let what = format!("{what}; of {lines} lines {odd} cannot be replayed");
                let hint = why.hint();
                return Err(TraceError { line, what, hint });
            }
            warnings.push(format!(
                "of {lines} lines {odd} are left out; the first is line {line}: {what}"
            ));
        }
        let Some((&first, _)) = self.seconds.first_key_value() else {
            return Err(TraceError {
                line: 1,
                what: "there is no request in the whole file".to_owned(),
                hint: HINT,
            });
        };
        let passed = |from: i64, to: i64| u64::try_from(i128::from(to) - i128::from(from));
        let mut counts = Vec::new();
        let mut before = first;
        for (time, second) in self.seconds {
            warnings.extend(hole(second.line, passed(before, time).unwrap_or(0)));
            before = time;
            let slot = passed(first, time).unwrap_or(0);
            let slot = u32::try_from(slot).unwrap_or(u32::MAX);
            counts.extend(
                second
                    .functions
                    .into_iter()
                    .map(|(function, count)| SlotCount {
                        slot,
                        function,
                        count,
                    }),
            );
        }
        Ok(RequestTrace {
            functions: self.names.names,
            warnings,
            width: 1,
            counts,
        })
    }
}

/// The path a request's target is for: the target itself, or what follows the host of a URL.
fn path_of(target: &str) -> Result<&str, Odd> {
    if target.starts_with('/') {
        return Ok(target);
    }
    let (scheme, rest) = target.split_once("://").ok_or(Odd::NoPath)?;
    let is_scheme = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !is_scheme {
        return Err(Odd::NoPath);
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    Ok(Some(&rest[end..])
        .filter(|path| path.starts_with('/'))
        .unwrap_or("/"))
}

/// The first part of a path names the function.
fn function_of(path: &str) -> &str {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    match path[1..].split('/').next() {
        Some("") | None => "/",
        Some(name) => name,
    }
}
