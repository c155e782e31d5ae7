//! A request whose head was refused before there was a request: the client's answer, and the
//! record in the log.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fnlocal_logs::{Record, RequestRecord};
use http::{Method, StatusCode};

use super::Problem;
use super::head::RequestHead;
use super::headers::REQUEST_ID;
use super::name::request_name;
use super::problem::PROBLEM_TYPE;

/// The bounds of a head.
#[derive(Clone, Copy, Debug)]
pub struct HeadBounds {
    /// The maximum size of a head in bytes.
    pub max_bytes: usize,
}

/// The maximum number of headers of a request over HTTP/1.1: hyper's own.
const MAX_HEADERS: usize = 100;

/// A head that was refused.
pub struct RefusedHead {
    id: Arc<str>,
    method: Method,
    target: String,
    problem: Problem,
}

impl RefusedHead {
    /// A head that was refused with a status.
    pub fn new(status: StatusCode, head: &RequestHead, bounds: HeadBounds) -> Self {
        let problem = match status {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => too_large(bounds),
            StatusCode::URI_TOO_LONG => {
                let what = "the request's target has more than 65,534 bytes";
                Problem::new(status, "target_too_long", what).hint("send long values in the body")
            }
            _ if head.is_tls() => {
                let what = "the request is encrypted, and this port speaks HTTP without TLS";
                Problem::new(status, "bad_head", what).hint("ask for http://, not https://")
            }
            _ => {
                let what = "the request's head is not valid HTTP/1.1";
                let hint = "check its first line and its headers for spaces and control characters";
                Problem::new(status, "bad_head", what).hint(hint)
            }
        };
        Self {
            id: request_name(),
            method: head.method(),
            target: head.target(),
            problem,
        }
    }

    /// Writes the answer.
    pub fn write(&self, to: &mut Vec<u8>) {
        let Problem { status, .. } = self.problem;
        let body = self.problem.text(&self.id);
        let head = format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: {PROBLEM_TYPE}\r\n\
             content-length: {}\r\n{REQUEST_ID}: {}\r\n\r\n",
            body.len(),
            self.id,
        );
        to.extend_from_slice(head.as_bytes());
        if self.method != Method::HEAD {
            to.extend_from_slice(body.as_bytes());
        }
    }

    /// The record for the log.
    pub fn record(self, node: &str) -> Record {
        Record::Request(Arc::new(RequestRecord {
            at: SystemTime::now(),
            id: self.id,
            function: None,
            method: self.method,
            path: RequestRecord::path_of(&self.target),
            node: node.into(),
            status: self.problem.status.as_u16(),
            start: None,
            served: None,
            trace: None,
            first_byte: Duration::ZERO,
            total: Duration::ZERO,
            problem: Some(self.problem.reason),
        }))
    }
}

/// The problem of a head that is too large.
pub fn too_large(bounds: HeadBounds) -> Problem {
    let what = format!(
        "the request's head has more than {} bytes, or more than {MAX_HEADERS} headers",
        bounds.max_bytes
    );
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    Problem::new(status, "headers_too_large", what)
        .hint("send fewer cookies and headers, or raise `max_header_size` in [limits]")
}
