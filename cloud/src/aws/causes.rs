//! The causes of an SDK's error, in words that were written for people.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_types::error::ErrorMetadata;

/// Texts of wrappers, which say nothing that their cause does not.
const WRAPPERS: [&str; 5] = [
    "dispatch failure",
    "io error",
    "other",
    "unhandled error",
    "service error",
];
/// The maximum length of one cause in characters.
const MAX_CAUSE_CHARS: usize = 200;

/// Returns the causes on one line, the outermost first. No `Debug` output, which is thousands of
/// characters of the SDK's insides.
pub(crate) fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in chain(error) {
        let text = match cause.downcast_ref::<ErrorMetadata>() {
            // Its own text is `Debug` output.
            Some(service) => first_line(service.message().unwrap_or_default()),
            None => first_line(&cause.to_string()),
        };
        let repeated = said.last().is_some_and(|last| last.contains(&text));
        if !text.is_empty() && !repeated && !WRAPPERS.contains(&text.as_str()) {
            said.push(text);
        }
    }
    if said.is_empty() {
        said.push(first_line(&error.to_string()));
    }
    said.join(": ")
}

/// Returns the failure of the credentials among the causes, if there is one.
pub(crate) fn credentials<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a CredentialsError> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    // The SDK appends its own `Debug` output to errors that it has no type for.
    let line = line.split(": Error {").next().unwrap_or(line).trim();
    match line.char_indices().nth(MAX_CAUSE_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};

    type AnySdkError = SdkError<std::io::Error, ()>;

    #[test]
    fn a_refused_connection_is_described_without_the_insides_of_the_sdk() {
        let refused = std::io::Error::from_raw_os_error(111);
        let error: AnySdkError = SdkError::dispatch_failure(ConnectorError::io(refused.into()));
        assert_eq!(causes(&error), "Connection refused (os error 111)");
    }

    #[test]
    fn missing_credentials_are_found_among_the_causes() {
        let missing = CredentialsError::not_loaded("no providers in chain provided credentials");
        let error: AnySdkError =
            SdkError::dispatch_failure(ConnectorError::other(missing.into(), None));
        let found = credentials(&error);
        assert!(matches!(
            found,
            Some(CredentialsError::CredentialsNotLoaded(_))
        ));
        let text = causes(&error);
        assert!(!text.contains('{') && text.len() < 400, "{text}");
        let other: AnySdkError = SdkError::timeout_error(std::io::Error::other("slow"));
        assert!(credentials(&other).is_none());
    }

    #[test]
    fn debug_output_of_the_sdk_in_a_text_is_cut_off() {
        let text = "unhandled error (AccessDenied): Error { code: \"AccessDenied\" }";
        let error = std::io::Error::other(text);
        assert_eq!(causes(&error), "unhandled error (AccessDenied)");
    }

    #[test]
    fn a_cause_of_many_lines_is_cut_to_its_first() {
        let error = std::io::Error::other(format!("{}\nsecond", "é".repeat(500)));
        let text = causes(&error);
        assert_eq!(text.chars().count(), MAX_CAUSE_CHARS + 1);
        assert!(!text.contains('\n'));
    }
}
