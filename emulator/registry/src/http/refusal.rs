//! Why a request is not done, in the specification's words.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use fnlocal_api::UserError;
use serde::Serialize;
use serde_json::json;

use crate::digest::DigestError;
use crate::error::StoreError;
use crate::name::NameError;

/// A request that is not done.
#[derive(Debug)]
pub struct RegistryRefusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    headers: HeaderMap,
}

impl RegistryRefusal {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            headers: HeaderMap::new(),
        }
    }

    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub fn method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "UNSUPPORTED",
            "this path does not know the method",
        )
    }

    pub fn unknown_blob() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "BLOB_UNKNOWN",
            "the repository does not have this blob",
        )
    }

    pub fn unknown_manifest() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "MANIFEST_UNKNOWN",
            "the repository does not have this manifest",
        )
    }

    pub fn unknown_repository() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NAME_UNKNOWN",
            "there is no such repository",
        )
    }

    pub fn bug(error: &dyn std::error::Error) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "UNKNOWN",
            error.to_string(),
        )
    }

    pub fn into_response(self) -> Response<Body> {
        let errors = json!({"errors": [{"code": self.code, "message": self.message}]});
        let mut response = Response::new(Body::from(errors.to_string()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        response
    }
}

impl From<StoreError> for RegistryRefusal {
    fn from(error: StoreError) -> Self {
        let (status, code) = match &error {
            StoreError::DigestMismatch { .. } => (StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
            StoreError::Missing { .. } => (StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN"),
            StoreError::InvalidManifest(_) | StoreError::MediaType { .. } => {
                (StatusCode::BAD_REQUEST, "MANIFEST_INVALID")
            }
            StoreError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID"),
            StoreError::UnknownUpload => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
            StoreError::BusyUpload => (StatusCode::CONFLICT, "BLOB_UPLOAD_INVALID"),
            StoreError::Io { .. } if error.is_full() => {
                (StatusCode::INSUFFICIENT_STORAGE, "UNKNOWN")
            }
            StoreError::Io { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
        };
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            message = format!("{message}: {error}");
            source = error.source();
        }
        if let Some(hint) = error.hint() {
            message = format!("{message}; hint: {hint}");
        }
        Self::new(status, code, message)
    }
}

impl From<NameError> for RegistryRefusal {
    fn from(error: NameError) -> Self {
        let code = match error {
            NameError::Repository(_) => "NAME_INVALID",
            NameError::Tag(_) => "MANIFEST_INVALID",
        };
        Self::new(StatusCode::BAD_REQUEST, code, error.to_string())
    }
}

impl From<DigestError> for RegistryRefusal {
    fn from(error: DigestError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", error.to_string())
    }
}

/// A JSON answer.
pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Response<Body>, RegistryRefusal> {
    let text = serde_json::to_vec(value).map_err(|error| RegistryRefusal::bug(&error))?;
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    Ok(response)
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A header's value of what is plain ASCII by construction: digests, names, numbers.
pub fn plain(text: impl ToString) -> HeaderValue {
    HeaderValue::from_str(&text.to_string()).expect("digests, names and numbers are plain ASCII")
}
