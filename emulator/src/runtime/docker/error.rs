//! The engine's refusals, in our words.

use bollard::errors::Error;

use crate::runtime::RuntimeError;

/// Which call failed, and how.
pub(crate) fn refused(what: &'static str) -> impl Fn(Error) -> RuntimeError {
    move |error| match error {
        Error::DockerResponseServerError { message, .. } => {
            RuntimeError::Refused { what, why: message }
        }
        Error::DockerStreamError { error } => RuntimeError::Refused { what, why: error },
        Error::RequestTimeoutError => {
            RuntimeError::Unreachable(format!("{what}: no answer in time"))
        }
        other => RuntimeError::Unreachable(chain(&other)),
    }
}

/// Whether the thing asked for is in the wished state already, or gone.
pub(crate) fn already(error: &Error) -> bool {
    matches!(
        error,
        Error::DockerResponseServerError {
            status_code: 304 | 404 | 409,
            ..
        }
    )
}

/// An error and its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(layer) = cause {
        let more = layer.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = layer.source();
    }
    text
}
