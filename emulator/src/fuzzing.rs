//! Parsers of strangers' bytes that are not public, for the crate `fnlocal-fuzz`.
//!
//! Each takes whatever a stranger may send, and panics if what comes of it breaks a promise.

use fnlocal_api::headers as api_headers;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::node::handover;
use crate::node::membership::{PeerStatus, PeerTable};
use fnlocal_api::Report;
use fnlocal_driver::reports::ReportLines;
use fnlocal_gateway::head::RequestHead;
use fnlocal_gateway::headers::{by_balancer, from_node, strip_hop_by_hop, to_instance};
use fnlocal_gateway::path::{PathTarget, route};
use fnlocal_gateway::peers::Peers;
use fnlocal_gateway::{Peer, TrustedProxies};
use fnlocal_logs::document::LogDocument;
use fnlocal_logs::query::{grep, since};
use fnlocal_logs::trace::TraceContext;
use fnlocal_logs::{Documents, Record};
use fnlocal_project::env_file::EnvFile;

/// A request's path: the name that is routed is what stands between the first two slashes.
pub fn path(text: &str) {
    if let PathTarget::Named(name) = route(text) {
        assert!(text[1..].starts_with(name) && !name.contains(['/', '\\']));
        assert_ne!(name, "_fnlocal");
        for dots in [".", "..", "%2e", "%2e%2e", ".%2e", "%2e."] {
            assert!(!name.eq_ignore_ascii_case(dots));
        }
    }
}

/// Bytes of a client's connection: what hyper reads in their place is the same wherever they are cut.
pub fn head(bytes: &[u8]) {
    let read = |size: usize| {
        let mut head = RequestHead::default();
        let pieces = bytes.chunks(size);
        let read = pieces.flat_map(|piece| head.read(piece).unwrap_or_else(|| piece.to_vec()));
        (read.collect::<Vec<u8>>(), head.target())
    };
    assert_eq!(read(bytes.len().max(1)), read(3));
}

/// Headers of a client, one `name: value` a line. Nothing of one hop passes, nor what only the
/// platform may say.
pub fn headers(bytes: &[u8]) {
    let mut sent = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts
            .next()
            .and_then(|name| HeaderName::from_bytes(name).ok());
        let value = parts
            .next()
            .and_then(|value| HeaderValue::from_bytes(value).ok());
        if let (Some(name), Some(value)) = (name, value) {
            sent.append(name, value);
        }
    }
    let id = HeaderValue::from_static("0000000000000001");
    let peer = Peer::at(SocketAddr::from(([127, 0, 0, 1], 1)));
    let mut upstream = sent.clone();
    let proxies = TrustedProxies::loopback();
    by_balancer(&mut upstream, &peer, &proxies);
    let mut node = sent.clone();
    from_node(&mut node, &id);
    let mut instance = sent.clone();
    to_instance(&mut instance, &id, &peer, &proxies);
    strip_hop_by_hop(&mut sent);
    for headers in [&node, &instance] {
        let platform = headers
            .keys()
            .filter(|name| name.as_str().starts_with(api_headers::PREFIX));
        assert_eq!(platform.collect::<Vec<_>>(), [api_headers::REQUEST_ID]);
    }
    for headers in [&sent, &upstream, &node, &instance] {
        for name in ["connection", "upgrade", "transfer-encoding", "keep-alive"] {
            assert!(!headers.contains_key(name), "{name}");
        }
    }
    let address = HeaderValue::from_static("127.0.0.1");
    let last = instance.get("x-forwarded-for").expect("it was added");
    assert!(last.as_bytes().ends_with(address.as_bytes()));
}

/// Reports of an instance, in pieces of any length: the result is the same as of the whole.
pub fn reports(bytes: &[u8]) {
    let mut whole = Vec::new();
    ReportLines::default().push(bytes, |line| whole.push(line.to_vec()));
    let mut lines = ReportLines::default();
    let mut pieces = Vec::new();
    let length = bytes.first().map_or(1, |byte| usize::from(byte % 16) + 1);
    for piece in bytes.chunks(length) {
        lines.push(piece, |line| pieces.push(line.to_vec()));
    }
    assert_eq!(whole, pieces);
    for line in &whole {
        if let Some(Report::Log { line, .. }) = Report::read(line) {
            let note = Record::Note {
                warning: false,
                text: line,
            };
            let kept = Documents::default().take(&note, Instant::now());
            assert_eq!(kept.len(), 1);
        }
    }
}

/// The report of a peer on itself: for any report, requests are routed somewhere.
pub fn peer(bytes: &[u8]) {
    let Ok(said) = serde_json::from_slice::<PeerStatus>(bytes) else {
        return;
    };
    let company = PeerTable::new("own", "0f").expect("a key of two digits");
    let names: Vec<String> = said.functions.keys().cloned().collect();
    company.heard(SocketAddr::from(([127, 0, 0, 1], 1)), said.clone());
    company.heard(SocketAddr::from(([127, 0, 0, 1], 1)), said.clone());
    let counted: Vec<_> = names
        .iter()
        .map(|name| Peers::route(&*company, name, &|| false))
        .collect();
    drop(counted);
    let bounded = said.clone().bounded();
    assert_eq!(bounded.clone().bounded(), bounded);
    company.shuts(said);
    assert_eq!(Rc::clone(&company).others(), 0);
}

/// Jobs that a peer hands over.
pub fn jobs(bytes: &[u8]) {
    if let Ok((_, jobs)) = handover::read(bytes) {
        for job in jobs {
            assert!(job.body.len() <= bytes.len());
        }
    }
}

/// A `traceparent` header: one that is taken is sent on with the same trace.
pub fn traceparent(bytes: &[u8]) {
    let Ok(header) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    if let Some(trace) = TraceContext::parse(&header) {
        let on = TraceContext::parse(&trace.header()).expect("what is sent on is well-formed");
        assert_eq!((on.trace, on.sampled), (trace.trace, trace.sampled));
    }
}

/// Filters of `logs` and `/_fnlocal/logs`, and a line of the log they look at.
pub fn query(text: &str) {
    let now = Timestamp::UNIX_EPOCH;
    let mut lines = text.lines();
    let _refused = since(lines.next().unwrap_or_default(), now);
    let filter = grep(lines.next().unwrap_or_default());
    let rest = lines.next().unwrap_or_default();
    if let Ok(kept) = serde_json::from_str::<LogDocument>(rest) {
        serde_json::to_string(&kept).expect("what was read can be written");
    }
    if let Ok(filter) = filter {
        filter.is_match(rest);
    }
}

/// A `.env` file.
pub fn env(text: &str) {
    let file = EnvFile::parse(text);
    let lines = text.lines().count();
    assert!(file.variables.iter().all(|one| one.line <= lines));
}
