//! The check of the host: only requests to this machine are answered.

use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{StatusCode, header};

use super::refusal::RegistryRefusal;

/// A page of another site can make a browser send requests here: by a name that resolves to
/// 127.0.0.1, which the Host header gives away, or to the address itself, which the Origin header
/// gives away. Registry clients send no Origin.
pub fn check(head: &Parts, also: &[String]) -> Result<(), RegistryRefusal> {
    let denied = |message| RegistryRefusal::new(StatusCode::FORBIDDEN, "DENIED", message);
    if head.headers.contains_key(header::ORIGIN) {
        return Err(denied("the registry does not answer web pages"));
    }
    if names_this_machine(head, also) {
        return Ok(());
    }
    Err(denied("the Host header does not name this machine"))
}

fn names_this_machine(head: &Parts, also: &[String]) -> bool {
    let sent = head.headers.get(header::HOST);
    let sent = sent.and_then(|host| host.to_str().ok());
    // HTTP/2's :authority, or an absolute-form target, which outranks Host: RFC 9112, 3.2.2.
    let host = head.uri.authority().map(Authority::as_str).or(sent);
    let Some(Ok(authority)) = host.map(str::parse::<Authority>) else {
        return false;
    };
    let name = authority.host().trim_matches(['[', ']']);
    let name = name.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || also.iter().any(|also| also.eq_ignore_ascii_case(&name))
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
