//! The body that is sent.

use std::io::Read;
use std::path::Path;

use http::HeaderValue;
use serde::de::IgnoredAny;

use super::InvokeError;
use crate::invoke::InvokeArgs;

/// A body, and what it looks like.
pub struct InvokeBody {
    /// The bytes to send.
    pub bytes: Vec<u8>,
}

impl InvokeBody {
    /// Reads the given body. `None` if no body was given.
    pub fn read(args: &InvokeArgs) -> Result<Option<Self>, InvokeError> {
        if let Some(text) = &args.data {
            let bytes = text.clone().into_bytes();
            return Ok(Some(Self { bytes }));
        }
        let Some(path) = args.file.as_ref().or(args.event.as_ref()) else {
            return Ok(None);
        };
        let read = if path == Path::new("-") {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
        } else {
            std::fs::read(path)
        };
        match read {
            Ok(bytes) if args.event.is_some() => match serde_json::from_slice::<IgnoredAny>(&bytes)
            {
                Ok(_) => Ok(Some(Self { bytes })),
                Err(source) => Err(InvokeError::Event {
                    from: path.display().to_string(),
                    source,
                }),
            },
            Ok(bytes) => Ok(Some(Self { bytes })),
            Err(source) => Err(InvokeError::Body {
                from: path.display().to_string(),
                source,
            }),
        }
    }

    /// Returns the most likely media type.
    pub fn kind(&self) -> HeaderValue {
        let kind = if serde_json::from_slice::<IgnoredAny>(&self.bytes).is_ok() {
            "application/json"
        } else if std::str::from_utf8(&self.bytes).is_ok() {
            "text/plain; charset=utf-8"
        } else {
            "application/octet-stream"
        };
        HeaderValue::from_static(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(bytes: &[u8]) -> HeaderValue {
        let bytes = bytes.to_vec();
        InvokeBody { bytes }.kind()
    }

    #[test]
    fn the_content_type_is_detected_from_the_body() {
        assert_eq!(kind(br#"{"amount": 10}"#), "application/json");
        assert_eq!(kind(b"amount=10"), "text/plain; charset=utf-8");
        assert_eq!(kind(&[0xff, 0xfe]), "application/octet-stream");
    }
}
