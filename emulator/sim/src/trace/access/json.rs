//! A line of JSON: Caddy's, nginx's in whatever keys it was told to write, ALB's and CloudFront's by
//! way of a collector, an API gateway's.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::line::{common_time, target_of};
use super::{LoggedRequest, Odd, path_of};

/// Keys for the time, in the order in which they are looked for.
const TIMES: [&str; 14] = [
    "ts",
    "@timestamp",
    "timestamp",
    "time_iso8601",
    "time_local",
    "msec",
    "time",
    "startutc",
    "start_time",
    "requesttime",
    "datetime",
    "date",
    "at",
    "t",
];
/// Keys for the path or the URL.
const PATHS: [&str; 9] = [
    "request_uri",
    "uri",
    "cs-uri-stem",
    "requestpath",
    "requesturl",
    "request_url",
    "path",
    "url",
    "target",
];
/// Keys for the request's line, or for a table with the path.
const REQUESTS: [&str; 4] = ["request", "httprequest", "request_line", "http"];

/// Reads an object.
pub(super) fn request(value: &Value) -> Result<LoggedRequest<'_>, Odd> {
    let fields = value.as_object().ok_or(Odd::NoRequest)?;
    let time = date_and_time(fields).or_else(|| {
        let mut found = TIMES.iter().filter_map(|key| field(fields, key));
        found.find_map(time_of)
    });
    let time = time.ok_or(Odd::NoTime)?;
    let target = target(fields).ok_or(Odd::NoRequest)?;
    let path = path_of(target)?;
    Ok(LoggedRequest { time, path })
}

/// A field whatever the case of its key.
fn field<'a>(fields: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    let mut all = fields.iter();
    all.find_map(|(known, value)| known.eq_ignore_ascii_case(key).then_some(value))
}

/// CloudFront's day and time of day, which are two fields.
fn date_and_time(fields: &Map<String, Value>) -> Option<i64> {
    let text = |key| field(fields, key)?.as_str();
    super::w3c::moment(text("date")?, text("time")?)
}

fn target(fields: &Map<String, Value>) -> Option<&str> {
    for key in REQUESTS {
        let found = match field(fields, key) {
            Some(Value::String(text)) => target_of(text),
            Some(Value::Object(inner)) => path(inner),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    path(fields)
}

fn path(fields: &Map<String, Value>) -> Option<&str> {
    PATHS.iter().find_map(|key| field(fields, key)?.as_str())
}

fn time_of(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => since_1970(number.as_f64()?),
        Value::String(text) => {
            let moment = text.parse::<Timestamp>().ok().map(|at| at.as_second());
            let moment = moment.or_else(|| common_time(text));
            moment.or_else(|| since_1970(text.parse().ok()?))
        }
        _ => None,
    }
}

/// Seconds of a number of seconds, milliseconds, microseconds or nanoseconds: of the four, one is of
/// this century.
fn since_1970(number: f64) -> Option<i64> {
    let seconds = match number {
        1e8..1e11 => number,
        1e11..1e14 => number / 1e3,
        1e14..1e17 => number / 1e6,
        1e17..1e20 => number / 1e9,
        _ => return None,
    };
    Some(seconds as i64)
}
