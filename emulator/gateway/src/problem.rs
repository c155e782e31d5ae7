//! The platform's own error answers: `application/problem+json` (RFC 9457).

use std::time::Duration;

use fnlocal_api::{IntoHint, RefuseReason};
use http::{HeaderValue, Response, StatusCode, header};

use super::body::ResponseBody;

/// The reason of answers to requests whose handling in the platform panicked.
pub const INTERNAL_ERROR: &str = "internal_error";

/// The media type of a problem.
pub(super) const PROBLEM_TYPE: &str = "application/problem+json";

/// An answer the platform gives in a function's stead.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Its status.
    pub status: StatusCode,
    /// A word for machines.
    pub reason: &'static str,
    /// A description for people.
    pub detail: String,
    /// One action that helps.
    pub hint: Option<String>,
    /// The function.
    pub function: Option<String>,
    /// When trying again makes sense.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// A problem without function or hint.
    #[must_use]
    pub fn new(status: StatusCode, reason: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            detail: detail.into(),
            hint: None,
            function: None,
            retry_after: None,
        }
    }

    /// A client broke off while it sent its body, or sent too slowly.
    #[must_use]
    pub fn body_broke() -> Self {
        let what = "the request's body did not arrive whole";
        let problem = Self::new(StatusCode::REQUEST_TIMEOUT, "request_body", what);
        let least = super::client_body::LEAST_RATE;
        problem.hint(format!(
            "send at least {least} bytes a second, without pauses"
        ))
    }

    /// The problem of a request whose handling in the platform panicked.
    #[must_use]
    pub fn internal_error() -> Self {
        let what = "fnlocal itself failed while it handled the request";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_ERROR, what)
            .hint("this is a fault of fnlocal; report it with the lines it printed")
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl IntoHint) -> Self {
        self.hint = hint.into_hint();
        self
    }

    /// With the function it is about.
    #[must_use]
    pub fn function(mut self, name: &str) -> Self {
        self.function = Some(name.to_owned());
        self
    }

    /// The problem for a request the core refused.
    #[must_use]
    pub fn refused(reason: RefuseReason, retry_after: Option<Duration>) -> Self {
        let status = StatusCode::from_u16(reason.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut problem = Self::new(status, reason.word(), reason.detail());
        problem.retry_after = retry_after;
        problem.hint = reason.hint().map(str::to_owned);
        problem
    }

    /// The answer, named by the request's id.
    #[must_use]
    pub fn response(&self, request_id: &str) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::full(self.text(request_id)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static(PROBLEM_TYPE);
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(after) = self.retry_after {
            // Whole seconds, rounded up: RFC 9110, 10.2.3.
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(after.as_secs_f64().ceil() as u64),
            );
        }
        response
    }

    /// Returns the body of the answer.
    pub(super) fn text(&self, request_id: &str) -> String {
        let body = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "reason": self.reason,
            "detail": self.detail,
            "function": self.function,
            "request_id": request_id,
            "hint": self.hint,
        });
        let mut text = body.to_string();
        text.push('\n');
        text
    }
}
