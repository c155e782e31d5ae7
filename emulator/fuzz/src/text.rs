//! Text of logs, clients and scenarios.

use fnlocal_loadtest::template::{Template, Values};
use fnlocal_registry::fuzzing;
use fnlocal_sim::trace::RequestTrace;

use crate::safe::{Bytes, deceives, json, lines, one_line};

/// A size in eight bytes, and a range of that.
pub fn ranges(data: &[u8]) {
    if let Some((size, text)) = data.split_first_chunk() {
        let text = String::from_utf8_lossy(text);
        fuzzing::ranges(&text, u64::from_le_bytes(*size));
    }
}

/// A trace to replay.
pub fn traces(text: &str) {
    if let Ok(trace) = RequestTrace::read(text) {
        assert!(trace.requests() > 0 && trace.duration() > 0.0);
    }
}

/// A template of a scenario.
pub fn template(text: &str) {
    if let Ok(template) = Template::parse(text) {
        let _filled = template.fill(Values {
            seq: u64::MAX,
            user: 1,
        });
    }
}

/// Anything that is printed: what comes out is safe, and the same when it is made safe again.
pub fn terminal(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let safe = lines(&text, Some(80));
    assert!(plain(&safe).all(|c| matches!(c, '\n' | '\t') || !deceives(c)));
    assert_eq!(lines(&safe, None), safe);
    assert!(!one_line(&text).chars().any(deceives));
    let value = serde_json::json!(text);
    let written = value.to_string();
    let read: serde_json::Value = serde_json::from_str(&json(&written)).expect("still JSON");
    assert_eq!(read, value);
    let half = data.len() / 2;
    let mut bytes = Bytes::default();
    let shown = bytes.next(&data[..half]) + &bytes.next(&data[half..]) + &bytes.end();
    assert!(
        shown
            .chars()
            .all(|c| matches!(c, '\n' | '\t') || !deceives(c))
    );
}

/// All characters that are not of a colour.
fn plain(text: &str) -> impl Iterator<Item = char> {
    let mut in_colour = false;
    text.chars().filter(move |&c| {
        let shown = !in_colour && c != '\x1b';
        in_colour = (in_colour && c != 'm') || c == '\x1b';
        shown
    })
}
