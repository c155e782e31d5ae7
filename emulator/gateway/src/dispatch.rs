//! Where a request goes: to the platform, the queue, another node, or an instance.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use axum::extract::ConnectInfo;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tower::ServiceExt;

use super::access_log::AccessRecord;
use super::async_invoke;
use super::body::ResponseBody;
use super::client_body::ClientBody;
use super::head::{SentTarget, head_bytes};
use super::name::request_name;
use super::origin::{Platform, is_worker_over_all, on_functions_port};
use super::outgoing::OutgoingRequest;
use super::path::{PathTarget, route};
use super::peers;
use super::platform::{self, HEALTH_PATH};
use super::refused_head::{HeadBounds, too_large};
use super::relay::Elsewhere;
use super::routes::InstanceHeaders;
use super::{Gateway, Peer, Problem, asks_locally, comes_from_no_other_site, drain, headers};
use crate::triggers;
use fnlocal_driver::Function;

impl Gateway {
    /// Answers one request: every path through here ends in exactly one response.
    pub(super) async fn respond(
        self: &Rc<Self>,
        request: Request<ClientBody>,
        peer: &Peer,
    ) -> Response<ResponseBody> {
        let by_node = self.named_by_node(&request);
        let id = by_node.clone();
        let id = id.unwrap_or_else(request_name);
        let named = (self.driver.node(), Arc::clone(&id));
        let (logs, counts) = (self.driver.logs(), self.driver.counts());
        let mut record = AccessRecord::begin(logs, counts, named, &request);
        // The first node that a request comes to looks at its head.
        let refused = by_node.is_none().then(|| self.refuse_head(&request));
        if let Some(problem) = refused.flatten().or_else(|| refuse_shape(&request)) {
            return self.turn_away(request, record, &problem);
        }
        let found = match route(request.uri().path()) {
            PathTarget::Platform => return self.platform(request, peer.address, record).await,
            PathTarget::Refused(why) => Err(Problem::new(StatusCode::BAD_REQUEST, "bad_path", why)),
            PathTarget::Named(name) if is_worker_over_all(&request) => self
                .no_worker(name)
                .map(|function| (function, InstanceHeaders::default())),
            PathTarget::Named(name) => self.target(&request, name),
        };
        let (function, mut told) = match found {
            Ok(found) => found,
            Err(problem) => return self.turn_away(request, record, &problem),
        };
        told.0.extend(self.event_word(&request, by_node.is_some()));
        let mut request = request;
        if !told.0.is_empty() {
            request.extensions_mut().insert(told);
        }
        record.function(function.name.clone());
        if by_node.is_some() {
            let id = header(&id);
            if let Some(target) = request.headers().get(headers::TARGET).cloned() {
                request.extensions_mut().insert(SentTarget(target));
            }
            let prepare = |headers: &mut _| headers::from_node(headers, &id);
            let outgoing = OutgoingRequest::new(request, prepare);
            self.forward(outgoing, id, function, record).await
        } else if async_invoke::is_deferred(&request) {
            self.defer(request, peer, function, record).await
        } else {
            self.from_client(request, peer, &id, function, record).await
        }
    }

    fn refuse_head(&self, request: &Request<ClientBody>) -> Option<Problem> {
        let max_bytes = self.options.max_header_size;
        (head_bytes(request) > max_bytes).then(|| too_large(HeadBounds { max_bytes }))
    }

    async fn from_client(
        self: &Rc<Self>,
        request: Request<ClientBody>,
        peer: &Peer,
        id: &str,
        function: Rc<Function>,
        mut record: AccessRecord,
    ) -> Response<ResponseBody> {
        let id = header(id);
        let proxies = &self.options.trusted_proxies;
        let prepare = |headers: &mut _| headers::to_instance(headers, &id, peer, proxies);
        let mut outgoing = OutgoingRequest::new(request, prepare);
        if let Some(peers) = &self.peers {
            let entered = self.elsewhere(&**peers, &function, outgoing, record);
            match entered.await {
                Elsewhere::Answered(response) => return response,
                Elsewhere::Here(back) => (outgoing, record) = *back,
            }
        }
        self.forward(outgoing, id, function, record).await
    }

    /// The name another node gave a request it sends here. A sender without the key is a client.
    fn named_by_node(&self, request: &Request<ClientBody>) -> Option<Arc<str>> {
        let peers = self.peers.as_ref()?;
        let headers = request.headers();
        if !peers::proves(peers.token(), headers.get(peers::FORWARDED)?) {
            return None;
        }
        let id = headers.get(headers::REQUEST_ID)?.to_str().ok()?;
        Some(id.into())
    }

    /// Refuses a request whose body was not read.
    pub(super) fn turn_away(
        &self,
        request: Request<ClientBody>,
        record: AccessRecord,
        problem: &Problem,
    ) -> Response<ResponseBody> {
        if !drain::holds_back(request.headers()) {
            drain::drain(request.into_body());
        }
        self.refuse(record, problem)
    }

    /// The platform's own answer, with the headers every answer has.
    pub(super) fn refuse(
        &self,
        mut record: AccessRecord,
        problem: &Problem,
    ) -> Response<ResponseBody> {
        let mut response = problem.response(record.id());
        if let Ok(id) = HeaderValue::from_str(record.id()) {
            headers::to_refused(response.headers_mut(), &id, &self.node);
        }
        record.head(problem.status, None);
        record.write(Some(problem.reason));
        response
    }

    async fn platform(
        &self,
        request: Request<ClientBody>,
        peer: SocketAddr,
        mut record: AccessRecord,
    ) -> Response<ResponseBody> {
        let allowed = if self.options.open_platform {
            comes_from_no_other_site(&request)
        } else {
            asks_locally(&request, peer)
        };
        if let Err(problem) = allowed {
            return self.refuse(record, &problem);
        }
        record.forget();
        if let Some(other) = on_functions_port(&request, &self.token, self.platform_port) {
            return other;
        }
        self.own(request, peer).await
    }

    /// Answers a path of the platform.
    async fn own(
        &self,
        mut request: Request<ClientBody>,
        peer: SocketAddr,
    ) -> Response<ResponseBody> {
        if let Some(triggers) = &self.triggers
            && request.uri().path().starts_with(triggers::PATH)
        {
            return triggers.admin(request, &self.token).await;
        }
        // The nodes of one process share the queue, and none of them is to blame for it.
        if self.peers.is_none()
            && request.uri().path() == HEALTH_PATH
            && let Some(fault) = self.triggers.as_ref().and_then(|one| one.fault())
        {
            return platform::health_with(Some(fault)).map(ResponseBody::Platform);
        }
        request.extensions_mut().insert(ConnectInfo(peer));
        match self.platform.clone().oneshot(request).await {
            Ok(response) => response.map(ResponseBody::Platform),
            Err(never) => match never {},
        }
    }
}

impl Platform for Gateway {
    async fn answer_platform(
        self: Rc<Self>,
        request: Request<ClientBody>,
        peer: Rc<Peer>,
    ) -> Response<ResponseBody> {
        self.own(request, peer.address).await
    }
}

fn header(id: &str) -> HeaderValue {
    HeaderValue::from_str(id).expect("hexadecimal digits, or read from a header")
}

/// Requests that no proxy should pass on.
fn refuse_shape(request: &Request<ClientBody>) -> Option<Problem> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Some(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "CONNECT and TRACE are not passed to functions",
        ));
    }
    None
}
