//! The engine's refusals, in our words.

use bollard::errors::Error;

use crate::runtime::RuntimeError;

/// Which call failed, and how.
pub(crate) fn refused(what: &'static str) -> impl Fn(Error) -> RuntimeError {
    move |error| match error {
        Error::DockerResponseServerError { message, .. } => match image_gone(&message) {
            Some(image) => RuntimeError::ImageGone { what, image },
            None => RuntimeError::Refused { what, why: message },
        },
        Error::DockerStreamError { error } => RuntimeError::Refused { what, why: error },
        Error::RequestTimeoutError => {
            RuntimeError::Unreachable(format!("{what}: no answer in time"))
        }
        other => RuntimeError::Unreachable(chain(&other)),
    }
}

/// The image an engine does not have, where that is what it says.
fn image_gone(message: &str) -> Option<String> {
    let image = message.strip_prefix("No such image: ")?;
    Some(image.trim().to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_somebody_removed_is_told_from_other_refusals() {
        let said = |message: &str| {
            let error = Error::DockerResponseServerError {
                status_code: 404,
                message: message.to_owned(),
            };
            refused("creating a container")(error)
        };
        let gone = said("No such image: sha256:e807");
        assert_eq!(
            gone.to_string(),
            "creating a container: the image sha256:e807 is not in the engine any more"
        );
        assert!(gone.hint().unwrap().contains("start fnlocal again"));
        let other = said("No such container: e807");
        assert!(matches!(other, RuntimeError::Refused { .. }));
    }
}
