//! W3C trace context: <https://www.w3.org/TR/trace-context/>.

use http::{HeaderName, HeaderValue};

/// The header that carries it.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A request's place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: u128,
    /// The span of the sender; `None` if the trace begins here.
    pub parent: Option<u64>,
    /// The span of the request.
    pub request: u64,
    /// The span of the handler, below it: what the function takes for its parent.
    pub handler: u64,
    /// `true` if the trace is recorded.
    pub sampled: bool,
}

impl TraceContext {
    /// A trace that begins here.
    #[must_use]
    pub fn begin() -> Self {
        Self {
            trace: rand::random::<u128>() | 1,
            parent: None,
            request: rand::random::<u64>() | 1,
            handler: rand::random::<u64>() | 1,
            sampled: true,
        }
    }

    /// Continues the trace that a client sent; `None` if that is not well-formed, and then a trace
    /// begins here.
    #[must_use]
    pub fn parse(header: &HeaderValue) -> Option<Self> {
        let text = header.to_str().ok()?;
        let mut parts = text.split('-');
        let (version, trace, parent, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // A later version may have more to say behind this; the first one may not.
        let known = version != "00" || parts.next().is_none();
        let hex = |text: &str, length: usize| {
            let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            text.len() == length && text.bytes().all(lower)
        };
        let formed = hex(version, 2) && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
        if version == "ff" || !known || !formed {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|&id| id != 0)?;
        let parent = u64::from_str_radix(parent, 16).ok().filter(|&id| id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self {
            trace,
            parent: Some(parent),
            sampled: flags & 1 == 1,
            ..Self::begin()
        })
    }

    /// Returns the header for the function.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        // Without the formatter's machinery: this runs for every request.
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let written = hex::encode_to_slice(self.trace.to_be_bytes(), &mut text[3..35]).and(
            hex::encode_to_slice(self.handler.to_be_bytes(), &mut text[36..52]),
        );
        written.expect("the places are twice as long as the numbers");
        text[54] |= u8::from(self.sampled);
        HeaderValue::from_bytes(&text).expect("hexadecimal digits and dashes")
    }

    /// The trace, as 32 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{:032x}", self.trace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_continues_with_a_new_span_id() {
        let sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = TraceContext::parse(&HeaderValue::from_static(sent)).unwrap();
        assert_eq!(trace.parent, Some(0x00f0_67aa_0ba9_02b7));
        assert!(trace.sampled);
        let header = trace.header();
        let text = header.to_str().unwrap();
        assert!(
            text.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"),
            "{text}"
        );
        assert!(
            text.ends_with("-01") && text.len() == 55 && !text.contains("00f067aa"),
            "{text}"
        );
        assert!(TraceContext::parse(&header).is_some());
    }

    #[test]
    fn a_malformed_traceparent_is_ignored() {
        for sent in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(
                TraceContext::parse(&HeaderValue::from_static(sent)),
                None,
                "{sent}"
            );
        }
    }
}
