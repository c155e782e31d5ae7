//! The engine's refusals, in our words.

use bollard::errors::Error;
pub use fnlocal_api::chain;

/// Why a container engine did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine does not answer.
    #[error("the Docker engine does not answer: {0}")]
    Unreachable(String),
    /// The engine refused.
    #[error("{what}: {why}")]
    Refused {
        /// The attempted call.
        what: &'static str,
        /// The engine's message.
        why: String,
    },
    /// The image was there when fnlocal started.
    #[error("{what}: the image {image} is not in the engine any more")]
    ImageGone {
        /// The attempted call.
        what: &'static str,
        /// The image.
        image: String,
    },
}

fnlocal_api::user_error!(EngineError: Unreachable {
    Self::Unreachable(_) => "start Docker, or run without it: --runtime process";
    Self::Refused { .. } => "the engine's own log tells more; `fnlocal doctor` checks it";
    Self::ImageGone { .. } => "somebody removed it, perhaps by `docker image prune -a`; start fnlocal \
        again, which makes or fetches what is missing";
});

/// Returns a function that wraps the error of a named call.
pub fn refused(what: &'static str) -> impl Fn(Error) -> EngineError {
    move |error| match error {
        Error::DockerResponseServerError { message, .. } => match image_gone(&message) {
            Some(image) => EngineError::ImageGone { what, image },
            None => EngineError::Refused { what, why: message },
        },
        Error::DockerStreamError { error } => EngineError::Refused { what, why: error },
        Error::RequestTimeoutError => {
            EngineError::Unreachable(format!("{what}: no answer in time"))
        }
        other => EngineError::Unreachable(chain(&other)),
    }
}

/// The image an engine does not have, where that is what it says.
fn image_gone(message: &str) -> Option<String> {
    let image = message.strip_prefix("No such image: ")?;
    Some(image.trim().to_owned())
}

/// Returns whether the thing is in the wanted state already, or gone.
pub fn already(error: &Error) -> bool {
    matches!(
        error,
        Error::DockerResponseServerError {
            status_code: 304 | 404 | 409,
            ..
        }
    )
}

#[cfg(test)]
mod tests {
    use fnlocal_api::UserError;

    use super::*;

    #[test]
    fn a_missing_image_has_an_error_of_its_own() {
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
        assert!(matches!(other, EngineError::Refused { .. }));
    }
}
