//! The W3C's extended format, whose head names its columns: CloudFront's, and that of IIS.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{LoggedRequest, Odd, path_of};

/// The columns that a head named.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// None before a head was seen.
    known: Option<[Option<usize>; 3]>,
}

const NAMES: [&str; 3] = ["date", "time", "cs-uri-stem"];

impl Columns {
    /// Takes a line of the head. Returns whether it is one.
    pub fn take(&mut self, line: &str) -> bool {
        if let Some(fields) = line.strip_prefix("#Fields:") {
            let fields: Vec<&str> = fields.split_whitespace().collect();
            self.known = Some(NAMES.map(|name| fields.iter().position(|field| *field == name)));
        }
        line.starts_with('#')
    }

    /// Reads a line; `None` if no head was seen.
    pub fn request<'a>(&self, line: &'a str) -> Option<Result<LoggedRequest<'a>, Odd>> {
        let columns = self.known?;
        let fields: Vec<&str> = match line.contains('\t') {
            true => line.split('\t').collect(),
            false => line.split_whitespace().collect(),
        };
        let [date, time, path] = columns.map(|at| fields.get(at?).copied());
        let time = date.zip(time).and_then(|(date, time)| moment(date, time));
        let Some(time) = time else {
            return Some(Err(Odd::NoTime));
        };
        let Some(path) = path else {
            return Some(Err(Odd::NoRequest));
        };
        Some(path_of(path).map(|path| LoggedRequest { time, path }))
    }
}

/// Seconds since 1970 of a day and a time of day in UTC.
pub(super) fn moment(date: &str, time: &str) -> Option<i64> {
    let at: DateTime = format!("{date}T{time}").parse().ok()?;
    let at = TimeZone::UTC.to_timestamp(at).ok()?;
    Some(at.as_second())
}
