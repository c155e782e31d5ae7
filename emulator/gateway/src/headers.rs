//! The headers that pass, those that stop here, and those that are added.

use std::time::Duration;

use fnlocal_api::{Cold, Timing, headers as api_headers};
use fnlocal_core::StartKind;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::Peer;
use super::forwarded::TrustedProxies;

/// Headers that speak about one connection only: RFC 9110, 7.6.1.
static HOP_BY_HOP: [HeaderName; 5] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::CONNECTION,
];

pub(super) const TARGET: HeaderName = HeaderName::from_static(api_headers::TARGET);
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static(api_headers::REQUEST_ID);
pub(super) const EVENT: HeaderName = HeaderName::from_static(api_headers::EVENT);
pub(super) const ROUTE: HeaderName = HeaderName::from_static(api_headers::ROUTE);
pub(super) const PARAMS: HeaderName = HeaderName::from_static(api_headers::PARAMS);
pub(super) const BACKGROUND: HeaderName = HeaderName::from_static(api_headers::BACKGROUND);
const START: HeaderName = HeaderName::from_static(api_headers::START);
/// Of cold starts only.
const COLD: HeaderName = HeaderName::from_static(api_headers::COLD);
const INSTANCE: HeaderName = HeaderName::from_static(api_headers::INSTANCE);
const CODE: HeaderName = HeaderName::from_static(api_headers::CODE);
const NODE: HeaderName = HeaderName::from_static(api_headers::NODE);
const TIMING: HeaderName = HeaderName::from_static(api_headers::TIMING);

/// Removes what stops at a hop, and what `Connection` names.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // Most have none, and looking for each by its hash takes longer.
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return;
    }
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderValue> = headers
            .get_all(header::CONNECTION)
            .iter()
            .cloned()
            .collect();
        for named in &named {
            strip_named(headers, named);
        }
    }
    for name in &HOP_BY_HOP {
        if headers.contains_key(name) {
            headers.remove(name);
        }
    }
}

fn strip_named(headers: &mut HeaderMap, connection: &HeaderValue) {
    let Ok(text) = connection.to_str() else {
        return;
    };
    for name in text.split(',').map(str::trim) {
        if let Ok(name) = HeaderName::try_from(name)
            && name != header::TE
            && name != header::HOST
        {
            headers.remove(name);
        }
    }
}

/// Makes a client's headers those of a request to an instance, or to another node.
pub fn to_instance(
    headers: &mut HeaderMap,
    request_id: &HeaderValue,
    peer: &Peer,
    proxies: &TrustedProxies,
) {
    from_node(headers, request_id);
    proxies.settle(headers, peer);
}

/// Makes the headers another node sent those of a request to an instance: what is known of the
/// client was added there.
pub fn from_node(headers: &mut HeaderMap, request_id: &HeaderValue) {
    to_upstream(headers);
    strip_platform(headers);
    headers.insert(REQUEST_ID, request_id.clone());
}

/// Makes a client's headers those of a request to a balancer's target.
pub fn by_balancer(headers: &mut HeaderMap, peer: &Peer, proxies: &TrustedProxies) {
    to_upstream(headers);
    proxies.settle(headers, peer);
}

fn to_upstream(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    join_cookies(headers);
    // The gateway itself answers 100 once somebody reads the body.
    headers.remove(header::EXPECT);
    let trailers = headers
        .remove(header::TE)
        .is_some_and(|te| te.as_bytes().windows(8).any(|w| w == b"trailers"));
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// Makes one header of the cookies that HTTP/2 allows in several: RFC 9113, 8.2.3.
fn join_cookies(headers: &mut HeaderMap) {
    let mut all = headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(_)) = (all.next(), all.next()) else {
        return;
    };
    let all = headers.get_all(header::COOKIE).iter();
    let all: Vec<&[u8]> = all.map(HeaderValue::as_bytes).collect();
    let joined = HeaderValue::from_bytes(&all.join(&b"; "[..]));
    let joined = joined.unwrap_or_else(|_| first.clone());
    headers.insert(header::COOKIE, joined);
}

/// Removes the platform's own headers, which neither a client nor an instance may set.
fn strip_platform(headers: &mut HeaderMap) {
    let forged: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with(api_headers::PREFIX))
        .cloned()
        .collect();
    for name in forged {
        headers.remove(name);
    }
}

/// The origin of a response.
pub struct Provenance<'a> {
    /// The request's id.
    pub request_id: &'a HeaderValue,
    /// The start kind.
    pub start: StartKind,
    /// The reason of a cold start; `None` for others.
    pub cold: Option<Cold>,
    /// The instance's number.
    pub instance: &'a HeaderValue,
    /// The hash of its code.
    pub code: Option<HeaderValue>,
    /// This node's name.
    pub node: &'a HeaderValue,
    /// Where the time went.
    pub timing: Timing,
}

/// Would let the page of one function rule over those of others.
const SERVICE_WORKER_ALLOWED: HeaderName = HeaderName::from_static("service-worker-allowed");

/// Removes what no trailer may say.
pub fn strip_trailers(trailers: &mut HeaderMap) {
    strip_hop_by_hop(trailers);
    strip_platform(trailers);
    trailers.remove(&SERVICE_WORKER_ALLOWED);
}

/// Adds the platform's headers to a response, and removes what no function may say.
pub fn to_client(headers: &mut HeaderMap, from: Provenance<'_>) {
    strip_platform(headers);
    headers.remove(&SERVICE_WORKER_ALLOWED);
    headers.reserve(7);
    headers.insert(REQUEST_ID, from.request_id.clone());
    headers.insert(START, HeaderValue::from_static(from.start.word()));
    if let Some(cold) = from.cold {
        headers.insert(COLD, HeaderValue::from_static(cold.word()));
    }
    headers.insert(INSTANCE, from.instance.clone());
    if let Some(code) = from.code {
        headers.insert(CODE, code);
    }
    headers.insert(NODE, from.node.clone());
    // Appended: the function may have timings of its own.
    headers.append(TIMING, server_timing(&from.timing));
}

/// Adds what is known of a request no instance answered.
pub fn to_refused(headers: &mut HeaderMap, request_id: &HeaderValue, node: &HeaderValue) {
    headers.insert(REQUEST_ID, request_id.clone());
    headers.insert(NODE, node.clone());
}

/// Returns `queue;dur=0.1, create;dur=0, …` in milliseconds.
fn server_timing(timing: &Timing) -> HeaderValue {
    let mut text = Vec::with_capacity(96);
    let phases = [
        (&b"queue;dur="[..], timing.queue),
        (b", create;dur=", timing.create),
        (b", boot;dur=", timing.boot),
        (b", import;dur=", timing.import),
        (b", handler;dur=", timing.handler),
    ];
    for (name, time) in phases {
        text.extend_from_slice(name);
        write_millis(&mut text, time);
    }
    if !timing.body.is_zero() {
        text.extend_from_slice(b", body;dur=");
        write_millis(&mut text, timing.body);
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text))
        .unwrap_or_else(|_| HeaderValue::from_static("queue"))
}

/// Milliseconds with two digits behind the point, without the formatter's machinery: this runs
/// five times a request.
fn write_millis(text: &mut Vec<u8>, time: Duration) {
    let hundredths = time.as_micros() / 10;
    let mut whole = hundredths / 100;
    let part = (hundredths % 100) as u8;
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (whole % 10) as u8;
        whole /= 10;
        if whole == 0 || at == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[at..]);
    if part > 0 {
        text.extend_from_slice(&[b'.', b'0' + part / 10, b'0' + part % 10]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_named_by_connection_are_removed() {
        let mut headers = HeaderMap::new();
        headers.insert("connection", HeaderValue::from_static("close, x-secret"));
        headers.insert("x-secret", HeaderValue::from_static("1"));
        headers.insert("x-kept", HeaderValue::from_static("1"));
        headers.insert("keep-alive", HeaderValue::from_static("timeout=5"));
        strip_hop_by_hop(&mut headers);
        assert_eq!(
            headers.keys().map(|k| k.as_str()).collect::<Vec<_>>(),
            ["x-kept"]
        );
    }

    #[test]
    fn platform_headers_forged_by_an_instance_are_removed() {
        let forged = ["x-fnlocal-token", "x-fnlocal-cold", "x-fnlocal-other"];
        let mut headers = HeaderMap::new();
        for name in forged {
            headers.insert(name, HeaderValue::from_static("forged"));
            headers.append(name, HeaderValue::from_static("twice"));
        }
        headers.insert("x-own", HeaderValue::from_static("kept"));
        let mut trailers = headers.clone();
        let value = HeaderValue::from_static("v");
        let from = Provenance {
            request_id: &value,
            start: StartKind::Warm,
            cold: None,
            instance: &value,
            code: None,
            node: &value,
            timing: Timing::default(),
        };
        to_client(&mut headers, from);
        assert!(forged.iter().all(|name| !headers.contains_key(*name)));
        assert_eq!(headers["x-own"], "kept");
        assert_eq!(headers[REQUEST_ID], "v");
        strip_trailers(&mut trailers);
        assert_eq!(trailers.len(), 1, "{trailers:?}");
    }

    #[test]
    fn split_cookie_headers_are_joined_into_one() {
        for (sent, passed) in [
            (&["a=1", "b=2", "c=3; d=4"][..], "a=1; b=2; c=3; d=4"),
            (&["a=1; b=2"], "a=1; b=2"),
        ] {
            let mut headers = HeaderMap::new();
            for cookie in sent {
                headers.append(header::COOKIE, HeaderValue::from_static(cookie));
            }
            to_upstream(&mut headers);
            let cookies: Vec<_> = headers.get_all(header::COOKIE).iter().collect();
            assert_eq!(cookies, [passed]);
        }
    }

    #[test]
    fn timings_are_written_in_milliseconds() {
        let timing = Timing {
            queue: Duration::from_micros(120),
            create: Duration::from_millis(65),
            handler: Duration::from_micros(1_234_560),
            ..Timing::default()
        };
        assert_eq!(
            server_timing(&timing).to_str().unwrap(),
            "queue;dur=0.12, create;dur=65, boot;dur=0, import;dur=0, handler;dur=1234.56"
        );
    }
}
