//! Requests nobody waits for: `x-fnlocal-invoke: async` is answered 202 once the request is on
//! disk, and run from the queue.

use std::rc::Rc;

use fnlocal_triggers::job::{Accepted, NewJob, Trigger};
use fnlocal_triggers::queue::{AcceptError, millis};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::answer::Entry;
use super::body::ResponseBody;
use super::client_body::ClientBody;
use super::{Gateway, Peer, Problem, drain, headers};
use crate::driver::Function;
use crate::triggers::Triggers;

/// Asks for it.
const INVOKE: HeaderName = HeaderName::from_static("x-fnlocal-invoke");
/// Requests of one key run one after the other.
const ORDER: HeaderName = HeaderName::from_static("x-fnlocal-order-key");
/// A second request of the same key is the first one.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Longest key, in bytes.
const KEY_BYTES: usize = 256;
/// When trying again makes sense while the queue is full.
const FULL: std::time::Duration = std::time::Duration::from_secs(5);

/// Whether a request is one nobody waits for.
pub(super) fn is_deferred(request: &Request<ClientBody>) -> bool {
    request.headers().contains_key(INVOKE)
}

impl Gateway {
    /// Accepts a request into the queue.
    pub(super) async fn defer(
        self: &Rc<Self>,
        request: Request<ClientBody>,
        peer: &Peer,
        function: Rc<Function>,
        mut entry: Entry,
    ) -> Response<ResponseBody> {
        entry.function(function.name.clone());
        let Some(triggers) = self.triggers.clone() else {
            let what = "there is no queue here";
            let problem = Problem::new(StatusCode::NOT_IMPLEMENTED, "no_queue", what);
            return self.turn_away(request, entry, &problem.function(&function.name));
        };
        let asked = match Asked::read(&request) {
            Ok(asked) => asked,
            Err(problem) => {
                return self.turn_away(request, entry, &problem.function(&function.name));
            }
        };
        match self
            .accept(&triggers, asked, request, peer, &function)
            .await
        {
            Ok(accepted) => self.accepted(&accepted, &function, entry),
            Err(problem) => self.refuse(entry, &problem.function(&function.name)),
        }
    }

    async fn accept(
        &self,
        triggers: &Triggers,
        asked: Asked,
        request: Request<ClientBody>,
        peer: &Peer,
        function: &Function,
    ) -> Result<Accepted, Problem> {
        let (mut parts, body) = request.into_parts();
        let limit = function.settings.body_limit;
        let room = usize::try_from(limit).unwrap_or(usize::MAX);
        let holds_back = drain::holds_back(&parts.headers);
        if http_body::Body::size_hint(&body).lower() > limit {
            if !holds_back {
                drain::drain(body);
            }
            return Err(too_large(limit));
        }
        let patience = self.options.idle_timeout;
        let read = tokio::time::timeout(patience, Limited::new(body, room).collect()).await;
        let body = match read {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large(limit)),
            Ok(Err(_)) | Err(_) => {
                let what = "the request's body did not arrive whole";
                return Err(Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "request_body",
                    what,
                ));
            }
        };
        headers::to_instance(&mut parts.headers, &HeaderValue::from_static("-"), peer);
        let path = parts.uri.path_and_query();
        let delivery = &function.settings.triggers.delivery;
        let job = NewJob {
            function: function.name.to_string(),
            trigger: Trigger::Async,
            path: path.map_or_else(|| format!("/{}", function.name), ToString::to_string),
            headers: texts(&parts.headers)?,
            body,
            order: asked.order,
            key: asked.key,
            keep_key_ms: millis(delivery.keep_keys),
            max_age_ms: millis(delivery.max_age),
            dead: None,
        };
        triggers.accept(job).await.map_err(|error| {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let mut problem = Problem::new(status, "queue_unavailable", error.to_string());
            match error {
                AcceptError::Full => problem.retry_after = Some(FULL),
                AcceptError::Store(error) => problem = problem.hint(error.hint()),
            }
            problem
        })
    }

    fn accepted(
        &self,
        accepted: &Accepted,
        function: &Function,
        mut entry: Entry,
    ) -> Response<ResponseBody> {
        let id = accepted.id().to_string();
        let body = serde_json::json!({
            "id": id,
            "function": &*function.name,
            "duplicate": matches!(accepted, Accepted::Known(_)),
        });
        let mut response = Response::new(ResponseBody::full(format!("{body}\n")));
        *response.status_mut() = StatusCode::ACCEPTED;
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if let Ok(id) = HeaderValue::from_str(&id) {
            headers::to_refused(response.headers_mut(), &id, &self.node);
        }
        entry.head(StatusCode::ACCEPTED, None);
        entry.write(None);
        response
    }
}

/// What a request says of how it is to be run.
struct Asked {
    order: Option<String>,
    key: Option<String>,
}

impl Asked {
    fn read(request: &Request<ClientBody>) -> Result<Self, Problem> {
        let given = request.headers().get(INVOKE);
        if given.is_none_or(|word| word != "async") {
            let what = "x-fnlocal-invoke may say `async` only";
            return Err(bad(what).hint("leave it out to wait for the answer"));
        }
        if request.method() != Method::POST {
            let what = "only POST requests can be run later";
            return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", what));
        }
        let key = |name: HeaderName| {
            let Some(value) = request.headers().get(&name) else {
                return Ok(None);
            };
            let text = value.to_str().ok();
            let text = text.filter(|text| (1..=KEY_BYTES).contains(&text.len()));
            let what = format!("{name} must have 1 to {KEY_BYTES} printable characters");
            text.map(|text| Some(text.to_owned()))
                .ok_or_else(|| bad(&what))
        };
        Ok(Self {
            order: key(ORDER)?,
            key: key(KEY)?,
        })
    }
}

/// Headers as they are kept; which speak of this connection, or will be set anew, are not.
fn texts(headers: &HeaderMap) -> Result<Vec<(String, String)>, Problem> {
    let anew = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TE,
        super::headers::REQUEST_ID,
    ];
    let kept = headers.iter().filter(|(name, _)| !anew.contains(*name));
    kept.map(|(name, value)| {
        let text = std::str::from_utf8(value.as_bytes());
        let text = text.map_err(|_| bad(&format!("the header {name} is not UTF-8")))?;
        Ok((name.to_string(), text.to_owned()))
    })
    .collect()
}

fn bad(what: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_invoke", what)
}

pub(super) fn too_large(limit: u64) -> Problem {
    let what = format!("the body is larger than {limit} bytes");
    let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", what);
    problem.hint("raise `body_limit`, or send a link to what is large")
}
