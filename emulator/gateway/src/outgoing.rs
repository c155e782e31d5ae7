//! A request on its way to an instance or another node, and whether it may be sent again.

use std::rc::Rc;

use bytes::Bytes;
use fnlocal_core::Retry;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};
use hyper::body::Body;
use hyper::upgrade::OnUpgrade;

use super::client_body::ClientBody;
use super::head::{SentTarget, add_target};
use super::routes::InstanceHeaders;
use super::{BoxError, drain};
use fnlocal_driver::spool::Spooled;
use fnlocal_driver::{Consumed, ExchangeError, Instance, RequestBody, TrackedBody};
use fnlocal_logs::trace::{TRACEPARENT, TraceContext};

/// A request on its way, kept so that it can be sent a second time when that is safe.
pub struct OutgoingRequest {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Option<RequestBody>,
    /// How far its body went; `None` if it has none, or one that leaves with its head.
    pub(super) sent: Option<Rc<Consumed>>,
    /// Its body is sent on while it comes from a client.
    streams: bool,
    /// Sending it twice does no harm: an idempotent method (RFC 9110, 9.2.2) without a body.
    repeatable: bool,
    /// `true` if the request shares its connection with others, each with a window of its own
    /// (HTTP/2).
    pub(super) multiplexed: bool,
    /// The client sends its body only once it is asked for.
    held_back: bool,
    /// `true` if the request was sent once and the exchange broke.
    broke_before: bool,
    pub(super) upgrade: Option<(HeaderValue, OnUpgrade)>,
}

impl OutgoingRequest {
    /// A client's request, whose headers are made ready by `prepare`.
    pub fn new(request: Request<ClientBody>, prepare: impl FnOnce(&mut HeaderMap)) -> Self {
        let (mut parts, body) = request.into_parts();
        let empty = body.is_end_stream();
        // A change of protocol has no body: a request with a body arrives whole like any other.
        let upgrade = empty.then(|| take_upgrade(&mut parts)).flatten();
        if let Some(authority) = parts.uri.authority()
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            // HTTP/2's :authority, or an absolute-form target, which outranks Host: RFC 9112, 3.2.2.
            parts.headers.insert(header::HOST, host);
        }
        let held_back = drain::holds_back(&parts.headers);
        let target = parts.extensions.remove::<SentTarget>();
        let told = parts.extensions.remove::<InstanceHeaders>();
        prepare(&mut parts.headers);
        parts
            .headers
            .extend(told.into_iter().flat_map(|told| told.0));
        add_target(&mut parts.headers, target);
        if !empty && body.size_hint().exact().is_none() {
            // Else hyper sends no body at all with GET and HEAD.
            let chunked = HeaderValue::from_static("chunked");
            parts.headers.insert(header::TRANSFER_ENCODING, chunked);
        }
        if let Some((protocol, _)) = &upgrade {
            let connection = HeaderValue::from_static("upgrade");
            parts.headers.insert(header::CONNECTION, connection);
            parts.headers.insert(header::UPGRADE, protocol.clone());
        }
        let uri = parts
            .uri
            .into_parts()
            .path_and_query
            .map_or_else(|| Uri::from_static("/"), Uri::from);
        let mut request = Self {
            multiplexed: parts.version == Version::HTTP_2,
            held_back,
            broke_before: false,
            sent: None,
            streams: !empty,
            repeatable: empty && parts.method.is_idempotent() && upgrade.is_none(),
            method: parts.method,
            uri,
            headers: parts.headers,
            body: Some(RequestBody::Empty),
            upgrade,
        };
        if !empty {
            request.track(body);
        }
        request
    }

    /// A job's request, whose body is here. Once an instance was sent it, it is not sent again: the
    /// queue decides whether there is another run.
    pub(super) fn from_job(request: Request<Spooled>) -> Self {
        let (parts, body) = request.into_parts();
        let mut request = Self {
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            body: body
                .in_memory()
                .cloned()
                .map(|bytes| RequestBody::Full(Some(bytes))),
            sent: None,
            streams: false,
            repeatable: false,
            multiplexed: false,
            held_back: false,
            broke_before: false,
            upgrade: None,
        };
        if request.body.is_none() {
            request.track(body.body());
        }
        request
    }

    fn track(&mut self, body: impl Body<Data = Bytes, Error = BoxError> + 'static) {
        let consumed = Rc::new(Consumed::default());
        self.sent = Some(Rc::clone(&consumed));
        self.body = Some(RequestBody::Tracked(TrackedBody::new(body, consumed)));
    }

    /// Returns the request's place in a trace, for the function. A request that is not recorded
    /// here keeps what the client sent: its parent is then still the client.
    pub(super) fn trace(&mut self, recorded: bool) -> TraceContext {
        let sent = self.headers.get(TRACEPARENT).and_then(TraceContext::parse);
        let trace = sent.unwrap_or_else(TraceContext::begin);
        if recorded || sent.is_none() {
            self.headers.insert(TRACEPARENT, trace.header());
        }
        trace
    }

    /// The request to send now.
    pub fn request(&mut self) -> Request<RequestBody> {
        let mut request = Request::new(self.body.take().unwrap_or(RequestBody::Empty));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = if self.repeatable {
            self.headers.clone()
        } else {
            std::mem::take(&mut self.headers)
        };
        request
    }

    /// Takes the body, to be put back once it is here.
    pub(super) fn take_body(&mut self) -> Option<RequestBody> {
        if self.upgrade.is_some() {
            return None;
        }
        self.body.take()
    }

    /// Puts a body in the place of the one that was taken.
    pub(super) fn put_body(&mut self, body: impl Body<Data = Bytes, Error = BoxError> + 'static) {
        self.streams = false;
        self.track(body);
    }

    /// How far a body went that is sent on while it comes from a client; `None` for any other.
    pub(super) fn streamed(&self) -> Option<Rc<Consumed>> {
        self.sent.clone().filter(|_| self.streams)
    }

    /// Returns whether the client sends its body only once it is asked for.
    pub(super) fn holds_back(&self) -> bool {
        self.held_back
    }

    /// Reads what the client still sends of a request that is not served, so that it sees its answer.
    pub fn turn_away(self) {
        if let Some(body) = self.body.filter(|_| !self.held_back) {
            drain::drain(body);
        }
    }

    /// Returns whether the body's source broke off, or stopped, while it was sent.
    pub fn client_broke(&self) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.broke())
    }

    /// Takes back what a node was not sent. Returns whether another node may be asked.
    pub fn take_back_from_node(&mut self, error: ExchangeError, header: &HeaderName) -> bool {
        let unsent = self.put_back(error);
        self.headers.remove(header);
        unsent || (self.repeatable && !std::mem::replace(&mut self.broke_before, true))
    }

    fn put_back(&mut self, error: ExchangeError) -> bool {
        let Some(unsent) = error.unsent else {
            return false;
        };
        let (parts, body) = unsent.into_parts();
        self.headers = parts.headers;
        self.body = Some(body);
        true
    }

    /// Takes back what an instance was not sent, and says whether another attempt may be made: one,
    /// whatever broke the first, and as many as the platform itself made necessary.
    pub(super) fn take_back(&mut self, error: ExchangeError, instance: &Instance) -> Retry {
        if self.put_back(error) {
            return Retry::Free;
        }
        if !self.repeatable {
            return Retry::No;
        }
        if instance.ended_by_platform() {
            return Retry::Free;
        }
        if std::mem::replace(&mut self.broke_before, true) {
            return Retry::No;
        }
        Retry::Once
    }
}

/// A request to switch protocols, such as to WebSocket, with the client's end of it.
fn take_upgrade(parts: &mut http::request::Parts) -> Option<(HeaderValue, OnUpgrade)> {
    let protocol = parts.headers.get(header::UPGRADE)?.clone();
    let asked = parts
        .headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    // `Upgrade: h2c` would take the connection out of the gateway's sight.
    if !asked || protocol.as_bytes().eq_ignore_ascii_case(b"h2c") {
        return None;
    }
    Some((protocol, parts.extensions.remove::<OnUpgrade>()?))
}
