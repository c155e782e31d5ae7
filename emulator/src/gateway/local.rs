//! Who may ask for the platform's own paths.

use std::net::SocketAddr;

use http::{Request, StatusCode, header};
use hyper::body::Incoming;

use super::Problem;

/// Refuses what does not come from this machine.
///
/// # Errors
/// What to answer.
pub(crate) fn asks_locally(request: &Request<Incoming>, peer: SocketAddr) -> Result<(), Problem> {
    let forbidden = |reason, text| Err(Problem::new(StatusCode::FORBIDDEN, reason, text));
    if !peer.ip().is_loopback() {
        let text = "the platform's own paths answer this machine only";
        return forbidden("not_local", text);
    }
    if !names_this_machine(request) {
        return forbidden("bad_host", "the Host header does not name this machine");
    }
    Ok(())
}

/// A page of another site can make a browser send requests here by a name that resolves to
/// 127.0.0.1 (DNS rebinding); its Host header then gives it away.
fn names_this_machine(request: &Request<Incoming>) -> bool {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    let Some(host) = host else {
        return false;
    };
    let Ok(authority) = host.parse::<http::uri::Authority>() else {
        return false;
    };
    let name = authority.host().trim_matches(['[', ']']);
    name == "localhost"
        || name.ends_with(".localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
