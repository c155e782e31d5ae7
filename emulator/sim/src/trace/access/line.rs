//! A line of text with its time and its request in it: common, combined, and what servers add
//! before or behind; ALB's.

use jiff::Timestamp;
use jiff::fmt::strtime;

use super::{LoggedRequest, Odd, path_of};

/// The time of the common format.
const TIME: &str = "%d/%b/%Y:%H:%M:%S %z";

/// Reads a line.
pub(super) fn request(text: &str) -> Result<LoggedRequest<'_>, Odd> {
    let time = bracketed(text).or_else(|| plain(text)).ok_or(Odd::NoTime)?;
    let mut odd = Odd::NoRequest;
    for quoted in Quoted(text) {
        match target_of(quoted) {
            Some(target) => match path_of(target) {
                Ok(path) => return Ok(LoggedRequest { time, path }),
                Err(why) => odd = why,
            },
            None => continue,
        }
    }
    Err(odd)
}

/// A time of the common format, in seconds since 1970.
pub(super) fn common_time(text: &str) -> Option<i64> {
    let parsed = strtime::parse(TIME, text).ok()?;
    Some(parsed.to_timestamp().ok()?.as_second())
}

/// The first time in brackets: an address or a process may be in some, too.
fn bracketed(text: &str) -> Option<i64> {
    let mut places = text.match_indices('[');
    places.find_map(|(at, _)| {
        let (inner, _) = text[at + 1..].split_once(']')?;
        common_time(inner)
    })
}

/// The first word that is a time as RFC 3339 has it, before the request.
fn plain(text: &str) -> Option<i64> {
    let before = text.split('"').next().unwrap_or_default();
    let mut words = before.split_whitespace();
    words.find_map(|word| Some(word.parse::<Timestamp>().ok()?.as_second()))
}

/// The target of `GET /path HTTP/1.1`, or of `GET /path`.
pub(super) fn target_of(request: &str) -> Option<&str> {
    let mut words = request.split(' ');
    let method = words.next()?;
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    let target = words.next().filter(|target| !target.is_empty())?;
    is_method.then_some(target)
}

/// The texts in quotes; `\"` does not end one.
struct Quoted<'a>(&'a str);

impl<'a> Iterator for Quoted<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (_, inner) = self.0.split_once('"')?;
        let mut is_escaped = false;
        let end = inner.bytes().position(|byte| {
            let ends = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            ends
        })?;
        self.0 = &inner[end + 1..];
        Some(&inner[..end])
    }
}
