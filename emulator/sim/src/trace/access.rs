//! The common and the combined log format.

use jiff::fmt::strtime;

use super::{FunctionNumbers, RequestTrace, SlotCount, TraceError, hole};

const TIME: &str = "%d/%b/%Y:%H:%M:%S %z";
const HINT: &str = "a line of the common log format begins like: \
                    127.0.0.1 - - [10/Oct/2025:13:55:36 +0000] \"GET /hello HTTP/1.1\" 200 12";

/// Reads a log.
pub(super) fn read(text: &str) -> Result<RequestTrace, TraceError> {
    let mut names = FunctionNumbers::default();
    let mut counts: Vec<SlotCount> = Vec::new();
    let mut warnings = Vec::new();
    let (mut first, mut last): (Option<i64>, i64) = (None, 0);
    for (at, text) in text.lines().enumerate() {
        let line = at + 1;
        if text.trim().is_empty() {
            continue;
        }
        let fail = |what: &str, hint| TraceError {
            line,
            what: what.to_owned(),
            hint,
        };
        let time = time_of(text).ok_or_else(|| fail("it has no time", HINT))?;
        let path = path_of(text).ok_or_else(|| fail("it has no request", HINT))?;
        if first.is_some() && time < last {
            let hint = "sort the log by time: servers write a line when a request ends";
            return Err(fail("its time is before that of the line above", hint));
        }
        let passed = |from: i64| u64::try_from(time - from).unwrap_or(0);
        if first.is_some() {
            warnings.extend(hole(line, passed(last)));
        }
        last = time;
        let slot = u32::try_from(passed(*first.get_or_insert(time))).unwrap_or(u32::MAX);
        let function = names.number(function_of(path));
        match counts.last_mut() {
            Some(one) if (one.slot, one.function) == (slot, function) => one.count += 1,
            _ => counts.push(SlotCount {
                slot,
                function,
                count: 1,
            }),
        }
    }
    if counts.is_empty() {
        return Err(TraceError {
            line: 1,
            what: "there is no request in the whole file".to_owned(),
            hint: HINT,
        });
    }
    Ok(RequestTrace {
        functions: names.names,
        warnings,
        width: 1,
        counts,
    })
}

/// Seconds since 1970.
fn time_of(line: &str) -> Option<i64> {
    let (_, rest) = line.split_once('[')?;
    let (time, _) = rest.split_once(']')?;
    let parsed = strtime::parse(TIME, time).ok()?;
    Some(parsed.to_timestamp().ok()?.as_second())
}

fn path_of(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once('"')?;
    let mut words = rest.split(' ');
    let _method = words.next()?;
    words.next().filter(|path| path.starts_with('/'))
}

/// The first part of a path names the function.
fn function_of(path: &str) -> &str {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    match path[1..].split('/').next() {
        Some("") | None => "/",
        Some(name) => name,
    }
}
