//! The identity of two errors.

use sha2::{Digest, Sha256};

use fnlocal_api::Cause;
use fnlocal_api::Failure;

/// Returns the id of an error's group: 12 hexadecimal digits, the same in every run.
pub(super) fn fingerprint(cause: Cause, function: Option<&str>, failure: &Failure) -> String {
    let mut parts = vec![
        cause.word().to_owned(),
        function.unwrap_or_default().to_owned(),
    ];
    // Of a timeout the wrapper and the gateway tell in different words, and neither knows where.
    if cause != Cause::Timeout {
        parts.push(failure.name.clone());
        parts.push(without_numbers(&failure.message));
        let stack = failure.stack.iter().flat_map(|stack| stack.lines());
        let frames = stack.filter_map(fnlocal_language::stack_frame);
        parts.extend(frames.map(str::to_owned));
    }
    hex::encode(&Sha256::digest(parts.join("\0"))[..6])
}

/// A message with `#` for every number, and for every word of hexadecimal digits that is an id.
fn without_numbers(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut word = String::new();
    for c in message.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        let digits = word.chars().filter(char::is_ascii_digit).count();
        let hex = word.len() >= 8 && word.chars().all(|c| c.is_ascii_hexdigit());
        if digits > 0 && (hex || digits == word.len()) {
            text.push('#');
        } else if digits > 0 {
            text.extend(
                word.chars()
                    .map(|c| if c.is_ascii_digit() { '#' } else { c }),
            );
        } else {
            text.push_str(&word);
        }
        word.clear();
        text.push(c);
    }
    text.truncate(text.len() - 1);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ids_do_not_change_the_fingerprint_of_a_message() {
        assert_eq!(without_numbers("user 12 of 3a4f00bc9d"), "user # of #");
        assert_eq!(without_numbers("no 'name' in v2"), "no 'name' in v#");
    }
}
