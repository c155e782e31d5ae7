//! The head of a request as it arrives over HTTP/1.1, before hyper parses it.
//!
//! Clients send targets with characters that no URI may have, such as `"` and `<`. Node.js takes them,
//! and hyper's type for targets cannot. Such a character is percent-encoded on its way to hyper, and the
//! target is kept as it was sent, for the function.

use std::sync::LazyLock;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Version, header};
use hyper::body::Body;

use super::headers::TARGET;

/// The maximum length of a method in bytes; the longest registered one has 17.
const MAX_METHOD: usize = 32;
/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// The part of a request's head that has arrived.
#[derive(Default)]
pub struct RequestHead {
    stage: HeadStage,
    method: Vec<u8>,
    /// As it was sent.
    target: Vec<u8>,
    /// Where in it the path begins: behind a scheme and an authority.
    path_at: usize,
    /// Where in it the authority begins: behind `://`. Kept, since looking for it at each slash would
    /// cost a long target the square of its length.
    authority_at: Option<usize>,
    /// The target has a character that is encoded.
    encoded: bool,
    /// The first byte begins a TLS handshake, not HTTP.
    tls: bool,
}

/// Where in a connection's bytes the next one stands.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum HeadStage {
    #[default]
    Method,
    /// In a target's scheme or authority, or at its first byte.
    Origin,
    Path,
    Query,
    /// Behind the target.
    Fields,
    Body,
    /// In what is not HTTP/1.1 or stays unknown: nothing is touched any more.
    Foreign,
}

/// A target that is not a URI, as its client sent it.
#[derive(Clone)]
pub struct SentTarget(pub HeaderValue);

impl RequestHead {
    /// Takes bytes that have come. Returns what is to be read in their place if they have characters
    /// that a URI may not have.
    pub fn read(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut instead: Option<Vec<u8>> = None;
        for (at, &byte) in bytes.iter().enumerate() {
            let is_foreign = match self.stage {
                HeadStage::Fields | HeadStage::Body | HeadStage::Foreign => {
                    if let Some(instead) = &mut instead {
                        instead.extend_from_slice(bytes.get(at..).unwrap_or_default());
                    }
                    return instead;
                }
                HeadStage::Method => {
                    self.method_byte(byte);
                    false
                }
                HeadStage::Origin | HeadStage::Path | HeadStage::Query => self.target_byte(byte),
            };
            if is_foreign {
                self.encoded = true;
                let before = || bytes.get(..at).unwrap_or_default().to_vec();
                let instead = instead.get_or_insert_with(before);
                instead.extend_from_slice(format!("%{byte:02X}").as_bytes());
            } else if let Some(instead) = &mut instead {
                instead.push(byte);
            }
        }
        instead
    }

    fn method_byte(&mut self, byte: u8) {
        match byte {
            // Empty lines before a request are allowed: RFC 9112, 2.2.
            b'\r' | b'\n' if self.method.is_empty() => {}
            // The preface of HTTP/2.
            b' ' if self.method == b"PRI" => self.stage = HeadStage::Foreign,
            b' ' if !self.method.is_empty() => self.stage = HeadStage::Origin,
            byte if byte.is_ascii_graphic() && self.method.len() < MAX_METHOD => {
                self.method.push(byte);
            }
            byte => {
                self.tls = byte == TLS_HANDSHAKE && self.method.is_empty();
                self.stage = HeadStage::Fields;
            }
        }
    }

    /// Returns whether the byte has to be encoded.
    fn target_byte(&mut self, byte: u8) -> bool {
        if matches!(byte, b' ' | b'\r' | b'\n') {
            self.stage = HeadStage::Fields;
            return false;
        }
        let is_foreign = match self.stage {
            HeadStage::Path => IN_PATH.get(usize::from(byte)),
            HeadStage::Query => IN_QUERY.get(usize::from(byte)),
            _ => None,
        };
        let before = self.stage;
        self.stage = match (before, byte) {
            (HeadStage::Origin, b'/') if self.is_at_path() => HeadStage::Path,
            (HeadStage::Origin | HeadStage::Path, b'?') => HeadStage::Query,
            (stage, _) => stage,
        };
        if before == HeadStage::Origin && self.stage != before {
            self.path_at = self.target.len();
        }
        self.target.push(byte);
        if self.authority_at.is_none() && self.target.ends_with(b"://") {
            self.authority_at = Some(self.target.len());
        }
        is_foreign.is_some_and(|is_foreign| *is_foreign)
    }

    /// Returns whether a slash here begins the path: it comes first, or after an authority.
    fn is_at_path(&self) -> bool {
        let authority = self.authority_at;
        self.target.is_empty() || authority.is_some_and(|at| at < self.target.len())
    }

    /// Notes that a head was whole, and what comes next. Returns its target if that was encoded.
    pub fn whole<B: Body>(&mut self, request: &Request<B>) -> Option<SentTarget> {
        let next = if self.stage == HeadStage::Foreign || may_switch(request) {
            HeadStage::Foreign
        } else if request.body().is_end_stream() {
            HeadStage::Method
        } else {
            HeadStage::Body
        };
        let encoded = std::mem::take(&mut self.encoded) && request.version() <= Version::HTTP_11;
        let target = encoded.then(|| self.path()).flatten();
        self.target.clear();
        self.authority_at = None;
        self.method.clear();
        self.stage = next;
        target
    }

    fn path(&self) -> Option<SentTarget> {
        let path = self.target.get(self.path_at..)?;
        // An authority may be followed by a query alone.
        let slash = if path.starts_with(b"/") {
            &b""[..]
        } else {
            b"/"
        };
        let value = HeaderValue::from_bytes(&[slash, path].concat());
        value.ok().map(SentTarget)
    }

    /// Notes that a request's body has come whole.
    pub fn body_ended(&mut self) {
        if self.stage == HeadStage::Body {
            self.stage = HeadStage::Method;
        }
    }

    /// The method of a head that is not whole; `-` if there is none.
    pub fn method(&self) -> Method {
        let none = || Method::from_bytes(b"-").unwrap_or(Method::GET);
        Method::from_bytes(&self.method).unwrap_or_else(|_| none())
    }

    /// The target of a head that is not whole, as text; `-` if there is none.
    pub fn target(&self) -> String {
        if self.target.is_empty() {
            return "-".to_owned();
        }
        String::from_utf8_lossy(&self.target).into_owned()
    }

    /// Returns whether the client speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }
}

/// Returns whether the connection may speak another protocol after this request.
fn may_switch<B>(request: &Request<B>) -> bool {
    request.method() == Method::CONNECT || request.headers().contains_key(header::UPGRADE)
}

static IN_PATH: LazyLock<[bool; 256]> = LazyLock::new(|| foreign_after(b"/"));
static IN_QUERY: LazyLock<[bool; 256]> = LazyLock::new(|| foreign_after(b"/?"));

/// Returns for each byte whether a target may not have it behind `before`. A byte that is no ASCII
/// is a part of a character, and stands for itself only beside the others.
fn foreign_after(before: &[u8]) -> [bool; 256] {
    let may_not = |byte: u8| PathAndQuery::try_from([before, &[byte]].concat()).is_err();
    std::array::from_fn(|byte| u8::try_from(byte).is_ok_and(|byte| byte > b' ' && may_not(byte)))
}

/// The size of a request's head in bytes, as HTTP/1.1 writes it.
pub fn head_bytes<B>(request: &Request<B>) -> usize {
    /// Two spaces, the version, and two line ends.
    const AROUND: usize = 2 + "HTTP/1.1".len() + 4;
    let uri = request.uri();
    let path = uri.path_and_query().map_or(1, |path| path.as_str().len());
    let host = uri.authority().map_or(0, |host| host.as_str().len());
    let line = request.method().as_str().len() + path + host + AROUND;
    let fields = request.headers().iter();
    line + fields
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum::<usize>()
}

/// Tells an instance, or another node, a target as it was sent.
pub fn add_target(headers: &mut HeaderMap, target: Option<SentTarget>) {
    if let Some(SentTarget(target)) = target {
        headers.insert(TARGET, target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the text that hyper reads if the bytes arrive in pieces of `size` bytes.
    fn read(head: &mut RequestHead, bytes: &[u8], size: usize) -> String {
        let pieces = bytes.chunks(size);
        let read: Vec<u8> = pieces
            .flat_map(|piece| head.read(piece).unwrap_or_else(|| piece.to_vec()))
            .collect();
        String::from_utf8(read).unwrap()
    }

    fn taken(head: &mut RequestHead, request: &Request<String>) -> Option<String> {
        let target = head.whole(request)?;
        Some(String::from_utf8(target.0.as_bytes().to_vec()).unwrap())
    }

    /// Without an end if each slash looked through the target for a scheme.
    #[test]
    fn a_target_of_millions_of_slashes_is_read_to_its_end() {
        let sent = format!("GET x{} HTTP/1.1\r\n\r\n", "/".repeat(4 << 20));
        let mut head = RequestHead::default();
        assert_eq!(read(&mut head, sent.as_bytes(), 8192), sent);
    }

    #[test]
    fn each_request_of_a_connection_is_parsed_for_its_own_authority() {
        let mut head = RequestHead::default();
        for target in ["http://one.example/<a>", "/<b>"] {
            let sent = format!("GET {target} HTTP/1.1\r\n\r\n");
            read(&mut head, sent.as_bytes(), 7);
            let path = &target[target.find("/<").unwrap()..];
            let request = Request::default();
            assert_eq!(taken(&mut head, &request).as_deref(), Some(path));
        }
    }

    #[test]
    fn characters_invalid_in_uris_are_encoded_wherever_the_bytes_are_split() {
        let target = "/a\"b<c>d`e{f|g}h^i\\?q=\"<>`{|}^\\&u=%22#x";
        let sent = format!("GET {target} HTTP/1.1\r\nx-own: \"<>\r\n\r\n");
        for size in 1..sent.len() {
            let mut head = RequestHead::default();
            let seen = read(&mut head, sent.as_bytes(), size);
            let line = seen.split(' ').nth(1).unwrap();
            let uri: http::Uri = line.parse().unwrap();
            assert!(uri.query().unwrap().contains("&u=%22"), "{uri}");
            assert!(seen.ends_with("HTTP/1.1\r\nx-own: \"<>\r\n\r\n"), "{seen}");
            assert_eq!(
                taken(&mut head, &Request::default()).as_deref(),
                Some(target)
            );
        }
    }

    #[test]
    fn hyper_accepts_every_byte_in_an_encoded_target() {
        for byte in (0x21..=0xff_u8).filter(|byte| *byte != 0x7f) {
            for before in ["/x", "/x?q="] {
                let mut head = RequestHead::default();
                let sent = [b"GET ", before.as_bytes(), &[byte], b" HTTP/1.1\r\n"].concat();
                let seen = read(&mut head, &sent, 7);
                let line = seen.split(' ').nth(1).unwrap();
                assert!(line.parse::<http::Uri>().is_ok(), "{byte:x}: {line}");
            }
        }
    }

    #[test]
    fn bytes_that_are_not_a_request_target_are_unchanged() {
        let foreign = [
            "GET http://a\"b/ HTTP/1.1\r\n\r\n",
            "CONNECT a\"b:1 HTTP/1.1\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET /\" HTTP/1.1\r\n\r\n",
            "\u{16}\u{3}GET /\" HTTP/1.1\r\n\r\n",
            "nothing of HTTP/1.1 <\">",
        ];
        for sent in foreign {
            let mut head = RequestHead::default();
            assert_eq!(read(&mut head, sent.as_bytes(), 5), sent);
        }
        let mut head = RequestHead::default();
        let absolute = read(&mut head, b"GET http://host/< HTTP/1.1\r\n", 9);
        assert_eq!(absolute, "GET http://host/%3C HTTP/1.1\r\n");
        let sent = taken(&mut head, &Request::default());
        assert_eq!(sent.as_deref(), Some("/<"));
        read(&mut head, b"GET http://host?q=< HTTP/1.1\r\n", 9);
        let sent = taken(&mut head, &Request::default());
        assert_eq!(sent.as_deref(), Some("/?q=<"));
    }

    #[test]
    fn a_body_is_unchanged_and_the_head_after_it_is_encoded() {
        const HEAD: &[u8] = b"POST /< HTTP/1.1\r\n\r\n";
        let with_body = Request::new("GET /\" HTTP/1.1".to_owned());
        let mut head = RequestHead::default();
        read(&mut head, HEAD, 100);
        assert_eq!(taken(&mut head, &with_body).as_deref(), Some("/<"));
        let body = b"GET /\" HTTP/1.1\r\n";
        assert_eq!(read(&mut head, body, 100).as_bytes(), body);
        head.body_ended();
        assert_eq!(read(&mut head, HEAD, 100), "POST /%3C HTTP/1.1\r\n\r\n");
    }

    #[test]
    fn bytes_after_a_protocol_switch_are_unchanged() {
        let mut head = RequestHead::default();
        let mut request = Request::new(String::new());
        let upgrade = HeaderValue::from_static("websocket");
        request.headers_mut().insert(header::UPGRADE, upgrade);
        assert!(head.whole(&request).is_none());
        let frame = b"GET /\" HTTP/1.1\r\n";
        assert_eq!(read(&mut head, frame, 100).as_bytes(), frame);
    }
}
