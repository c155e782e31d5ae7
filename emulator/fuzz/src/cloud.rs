//! Events from outside, and recordings.

use fnlocal_sim::replay::replay;
use fnlocal_triggers::event::{SourceEvent, content_type, rfc3339};
use http::{HeaderName, HeaderValue};

/// An event's parts, one a line: each makes a header that can be sent.
pub fn event(text: &str) {
    let mut parts = text.split('\n').map(str::to_owned);
    let mut part = || parts.next().unwrap_or_default();
    let event = SourceEvent {
        id: part(),
        source: part(),
        kind: part(),
        subject: Some(part()),
        time_ms: Some(text.len() as u64 * 0x0101_0101_0101),
        content_type: "application/json".to_owned(),
        data: part().into(),
    };
    for (name, value) in event.headers() {
        HeaderName::try_from(&*name).expect("a header's name");
        HeaderValue::try_from(&*value).expect("a header's value");
    }
    let _kind = content_type(&event.data);
    let _none = rfc3339(u64::MAX - text.len() as u64);
}

/// A recording that `dev --record` wrote, or a forged one.
pub fn recording(data: &[u8]) {
    let _refused = replay(data);
}
