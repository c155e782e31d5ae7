//! Errors as one line of text.

use std::error::Error;

/// Returns an error and its causes on one line, without causes that are named already.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(layer) = cause {
        let more = layer.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = layer.source();
    }
    text
}
