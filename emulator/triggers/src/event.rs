//! CloudEvents 1.0 over HTTP, as they are sent to functions: binary mode.
//!
//! Events of clients pass through as they came, in binary or structured mode; whoever runs the
//! function reads them. So all that is needed here is to write six headers, which is less than a
//! library for it wants as dependencies.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// The characters that an HTTP header must encode: CloudEvents HTTP binding, 3.1.3.2. Characters
/// beyond ASCII are always encoded.
const HEADER: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceEvent {
    /// Unique within its source.
    pub id: String,
    /// Where it happened, as a URI reference.
    pub source: String,
    /// The event's type, such as `com.example.bid`.
    pub kind: String,
    /// The event's subject, if that is more than the source.
    pub subject: Option<String>,
    /// When, in milliseconds since 1970.
    pub time_ms: Option<u64>,
    /// The media type of the data.
    pub content_type: String,
    /// The event's data.
    pub data: Bytes,
}

impl SourceEvent {
    /// The headers of a request that carries it in binary mode.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![
            ("content-type".to_owned(), self.content_type.clone()),
            ("ce-specversion".to_owned(), "1.0".to_owned()),
        ];
        let time = self.time_ms.and_then(rfc3339);
        let all = [
            ("ce-id", Some(self.id.as_str())),
            ("ce-source", Some(self.source.as_str())),
            ("ce-type", Some(self.kind.as_str())),
            ("ce-subject", self.subject.as_deref()),
            ("ce-time", time.as_deref()),
        ];
        for (name, value) in all {
            if let Some(value) = value {
                let value = utf8_percent_encode(value, HEADER).to_string();
                headers.push((name.to_owned(), value));
            }
        }
        headers
    }
}

/// A moment as RFC 3339 in UTC; none for what is beyond all calendars.
#[must_use]
pub fn rfc3339(ms: u64) -> Option<String> {
    let at = DateTime::from_timestamp_millis(i64::try_from(ms).ok()?)?;
    Some(at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Returns the milliseconds since 1970 of a moment in RFC 3339. `None` if it is none, or before
/// 1970.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let at = DateTime::parse_from_rfc3339(text).ok()?;
    u64::try_from(at.timestamp_millis()).ok()
}

/// The media type of data whose sender did not say: JSON if it reads as JSON, else text, else bytes.
#[must_use]
pub fn content_type(data: &[u8]) -> &'static str {
    if serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok() {
        "application/json"
    } else if std::str::from_utf8(data).is_ok() {
        "text/plain; charset=utf-8"
    } else {
        "application/octet-stream"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_attributes_invalid_in_headers_are_percent_encoded() {
        let event = SourceEvent {
            id: "a b".into(),
            source: "/Straße".into(),
            kind: "t\n".into(),
            subject: None,
            time_ms: Some(0),
            content_type: "application/json".into(),
            data: Bytes::from_static(b"{}"),
        };
        let headers = event.headers();
        let of = |name: &str| {
            let found = headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(of("ce-id"), Some("a%20b"));
        assert_eq!(of("ce-source"), Some("/Stra%C3%9Fe"));
        assert_eq!(of("ce-type"), Some("t%0A"));
        assert_eq!(of("ce-time"), Some("1970-01-01T00:00:00.000Z"));
        assert_eq!(of("ce-subject"), None);
    }

    #[test]
    fn event_data_without_a_content_type_gets_the_most_specific_one() {
        assert_eq!(content_type(b"{\"a\": 1}"), "application/json");
        assert_eq!(content_type(b"hello"), "text/plain; charset=utf-8");
        assert_eq!(content_type(&[0xff, 0xfe]), "application/octet-stream");
    }
}
