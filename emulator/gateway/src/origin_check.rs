//! The clients that may ask for the platform's own paths.

use std::net::SocketAddr;

use http::uri::Authority;
use http::{Method, Request, StatusCode, header};

use super::{Problem, forwarded};

/// Refuses what does not come from this machine.
///
/// # Errors
/// Returns an error answer if the request does not come from this machine.
pub fn asks_locally<B>(request: &Request<B>, peer: SocketAddr) -> Result<(), Problem> {
    let forbidden = |reason, text| Err(Problem::new(StatusCode::FORBIDDEN, reason, text));
    if !peer.ip().is_loopback() {
        let text = "the platform's own paths answer this machine only";
        return forbidden("not_local", text);
    }
    if !forwarded::is_local(request.headers()) {
        let text = "the platform's own paths answer this machine only, and a proxy names another";
        return forbidden("not_local", text);
    }
    if !names_this_machine(request) {
        return forbidden("bad_host", "the Host header does not name this machine");
    }
    comes_from_no_other_site(request)
}

/// Refuses what a page of another site has a browser ask: whatever it sends, and what only looks,
/// but for links that are followed.
///
/// # Errors
/// Returns an error answer if the request comes from another site's page.
pub fn comes_from_no_other_site<B>(request: &Request<B>) -> Result<(), Problem> {
    let header = |name: &str| {
        let value = request.headers().get(name)?;
        Some(value.to_str().unwrap_or("unreadable"))
    };
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    let followed = looks && header("sec-fetch-mode") == Some("navigate");
    let site = header("sec-fetch-site");
    let same = site.is_none_or(|site| matches!(site, "same-origin" | "none"));
    let host = header("host").or_else(|| request.uri().authority().map(Authority::as_str));
    // Browsers that do not tell the site tell the origin.
    let origin = header("origin");
    let own = origin.is_none_or(|origin| {
        let place = origin.split_once("://").map(|(_, place)| place);
        place.is_some() && place == host
    });
    if (same && own) || (followed && origin.is_none()) {
        return Ok(());
    }
    let text = "a page of another site asks, and the platform's own paths are not for it";
    Err(Problem::new(StatusCode::FORBIDDEN, "other_site", text))
}

/// A page of another site can make a browser send requests here by a name that resolves to
/// 127.0.0.1 (DNS rebinding); its Host header then gives it away.
fn names_this_machine<B>(request: &Request<B>) -> bool {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| request.uri().authority().map(Authority::as_str));
    let Some(host) = host else {
        return false;
    };
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host().trim_matches(['[', ']']);
    name == "localhost"
        || name.ends_with(".localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
