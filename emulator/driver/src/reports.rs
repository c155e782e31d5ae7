//! Takes in what instances report: log lines, ends of invocations, errors.
//!
//! Reports are the word of other people's code: they are bounded in length, their numbers are
//! checked, and they are believed for the instance's own requests only.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fnlocal_core::time::bounded_millis;

use super::channel::whose;
use super::{Driver, Instance};
use fnlocal_api::{CRASH_PREFIX, MAX_LINE_BYTES, Report, cut};
use fnlocal_logs::Record;

/// The maximum number of lines that one report may say were dropped.
const MAX_DROPPED: u64 = 1_000_000;
/// The maximum length of a report, in bytes. Wrappers cut texts to a fraction of it.
const MAX_REPORT_BYTES: usize = 1 << 20;

/// Cuts the bytes of an events channel into reports. One that is too long is skipped to its end.
#[derive(Default)]
pub struct ReportLines {
    rest: Vec<u8>,
    skipping: bool,
    request: Option<Arc<str>>,
}

impl ReportLines {
    /// Takes more bytes, gives `take` each report they complete, and returns the number of reports
    /// that are too long.
    pub fn push(&mut self, data: &[u8], mut take: impl FnMut(&[u8])) -> u64 {
        let mut too_long = 0;
        for part in data.split_inclusive(|byte| *byte == b'\n') {
            let whole = part.strip_suffix(b"\n");
            if self.skipping {
                self.skipping = whole.is_none();
                continue;
            }
            if self.rest.len() + part.len() > MAX_REPORT_BYTES {
                self.skipping = whole.is_none();
                self.rest = Vec::new();
                too_long += 1;
                continue;
            }
            match whole {
                Some(line) if self.rest.is_empty() => take(line),
                Some(line) => {
                    self.rest.extend_from_slice(line);
                    take(&self.rest);
                    self.rest.clear();
                }
                None => self.rest.extend_from_slice(part),
            }
        }
        too_long
    }
}

impl Driver {
    /// Takes in bytes of an instance's events channel, and returns the number of reports.
    pub(super) fn take_reports(
        &self,
        instance: &Instance,
        lines: &mut ReportLines,
        data: &[u8],
    ) -> usize {
        let mut last = lines.request.take();
        let mut count = 0;
        let too_long = lines.push(data, |line| {
            count += 1;
            if !line.is_empty() && !self.take_report(instance, line, &mut last) {
                self.ignored(instance, 1);
            }
        });
        lines.request = last;
        if too_long > 0 {
            self.ignored(instance, too_long);
            self.logs.warn(format!(
                "{}: a report of more than {} KiB was skipped ({})",
                whose(instance),
                MAX_REPORT_BYTES >> 10,
                instance.id
            ));
        }
        count
    }

    fn ignored(&self, instance: &Instance, count: u64) {
        self.counts
            .ignored(instance.function_name().as_ref(), count);
    }

    /// Takes in one report. `last` is the request of the one before. Returns `false` if the report
    /// is ignored: it is none, or the end of a request that is not the instance's. A line or an error
    /// of such a request is kept without it.
    pub(super) fn take_report(
        &self,
        instance: &Instance,
        line: &[u8],
        last: &mut Option<Arc<str>>,
    ) -> bool {
        let Some(report) = Report::read(line) else {
            return false;
        };
        let function = instance.function_name();
        let record = match report {
            Report::Log {
                request,
                at,
                stderr,
                mut line,
            } => {
                cut(&mut line, MAX_LINE_BYTES);
                Record::Line {
                    at: at.map(|at| bounded_time(at, instance.since())),
                    function,
                    instance: instance.id,
                    node: self.node(),
                    request: own(instance, request, last),
                    stderr,
                    line,
                }
            }
            Report::Done {
                request,
                ms,
                cpu_ms,
                memory,
            } => {
                let (Some(name), Some(since)) = (
                    own(instance, Some(request), last),
                    instance.request_done(request),
                ) else {
                    return false;
                };
                // More than has passed, on every processor, cannot have been used.
                let handler = bounded_millis(ms).min(since);
                let cpu = bounded_millis(cpu_ms).min(since.saturating_mul(crate::cores()));
                let memory = memory.map(|memory| memory.min(instance.max_memory_bytes()));
                self.counts.spent(function.as_ref(), cpu, memory);
                Record::Done {
                    request: name,
                    handler,
                    cpu,
                    memory,
                }
            }
            Report::Error { .. } => {
                self.take_error(instance, report);
                return true;
            }
            Report::Dropped { count } => {
                let count = count.min(MAX_DROPPED);
                Record::Dropped { function, count }
            }
        };
        self.logs.send(record);
        true
    }

    /// Takes in a line of an instance's real stderr if it reports a crash. Returns `false` for
    /// other lines.
    pub(super) fn take_crash(&self, instance: &Instance, line: &str) -> bool {
        let report = line.strip_prefix(CRASH_PREFIX).map(str::as_bytes);
        let report =
            report.filter(|report| matches!(Report::read(report), Some(Report::Error { .. })));
        report.is_some_and(|report| self.take_report(instance, report, &mut None))
    }

    fn take_error(&self, instance: &Instance, report: Report<'_>) {
        let Report::Error {
            request,
            fatal,
            cause,
            nr,
            error: mut failure,
        } = report
        else {
            return;
        };
        // A crash is reported twice: on the events channel, and where it cannot get lost.
        if nr.is_some_and(|nr| !instance.is_news(nr)) {
            return;
        }
        failure.cut();
        if let Some(code) = instance.code() {
            self.localise(instance, code, &mut failure);
        }
        if fatal {
            instance.set_crash(&failure);
        }
        let served = request.filter(|request| instance.serves(request));
        self.logs.send(Record::Error {
            function: instance.function_name(),
            instance: instance.id,
            node: self.node(),
            request: served.map(str::to_owned),
            failure,
            cause,
            fatal,
            code: instance.code_text(),
            before: 0,
        });
    }
}

/// A request's name, if the request is the instance's; without another copy where it is that of the
/// last report.
fn own(
    instance: &Instance,
    request: Option<&str>,
    last: &mut Option<Arc<str>>,
) -> Option<Arc<str>> {
    let request = request.filter(|request| instance.serves(request))?;
    if let Some(last) = last.as_ref().filter(|last| &***last == request) {
        return Some(Arc::clone(last));
    }
    let name: Arc<str> = request.into();
    *last = Some(Arc::clone(&name));
    Some(name)
}

/// A moment an instance told, in milliseconds since 1970: not before the instance was there, and
/// not after now.
fn bounded_time(millis: u64, since: SystemTime) -> SystemTime {
    let now = SystemTime::now();
    let told = UNIX_EPOCH.checked_add(Duration::from_millis(millis));
    told.unwrap_or(now).max(since).min(now)
}

#[cfg(test)]
mod tests;
