//! The headers by which proxies in front name a request's client: `X-Forwarded-*`.
//!
//! A client can send any of them. They count only as far as proxies that are trusted wrote them: the
//! chain of addresses is followed from its end, and the first address that is no trusted proxy is
//! the client. What stands before it is left out, so that the first address is always the client.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::Authority;
use ipnet::IpNet;

use super::Peer;

const PREFIX: &str = "x-forwarded-";
const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
/// Other texts that are read as a client's address: RFC 7239, and a habit of nginx.
const ALSO: [HeaderName; 2] = [
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("x-real-ip"),
];

/// The proxies whose word on a client counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustedProxies {
    /// Those at addresses in these ranges.
    At(Arc<[IpNet]>),
    /// A load balancer through which every request comes. The balancer appends the client's address, sets
    /// protocol and port, and passes whatever else a client sends:
    /// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html>.
    Balancer,
}

impl TrustedProxies {
    /// Proxies on this machine.
    #[must_use]
    pub fn loopback() -> Self {
        Self::At(Arc::new([
            IpNet::new_assert([127, 0, 0, 0].into(), 8),
            IpNet::new_assert(Ipv6Addr::LOCALHOST.into(), 128),
        ]))
    }

    fn trusts(&self, address: IpAddr) -> bool {
        match self {
            Self::At(ranges) => {
                let address = address.to_canonical();
                ranges.iter().any(|range| range.contains(&address))
            }
            Self::Balancer => true,
        }
    }

    /// Makes the headers say what is established of the client: its address, protocol, host and
    /// port.
    pub(super) fn settle(&self, headers: &mut HeaderMap, peer: &Peer) {
        let told = self.trusts(peer.address.ip());
        let proto = told.then(|| last(headers, &PROTO)).flatten();
        let secure = proto.is_some_and(|proto| proto.eq_ignore_ascii_case("https"));
        let port = told.then(|| last(headers, &PORT)).flatten();
        let port = port.and_then(|port| port.parse::<u16>().ok());
        let host = match self {
            Self::At(_) if told => authority(last(headers, &HOST)),
            _ => None,
        };
        let host = host.or_else(|| headers.get(header::HOST).cloned());
        let chain = self.chain(headers, peer, told);
        if !told || *self == Self::Balancer {
            strip(headers);
        }
        let port = port.unwrap_or_else(|| port_of(host.as_ref(), secure));
        headers.insert(FOR, chain);
        headers.insert(
            PROTO,
            HeaderValue::from_static(if secure { "https" } else { "http" }),
        );
        headers.insert(PORT, port.into());
        match host {
            Some(host) => headers.insert(HOST, host),
            None => headers.remove(HOST),
        };
    }

    /// The client and the trusted proxies it came by, the last being the one that connected here.
    fn chain(&self, headers: &HeaderMap, peer: &Peer, told: bool) -> HeaderValue {
        let own = peer.address_text();
        if !told || !headers.contains_key(FOR) {
            return own.clone();
        }
        let mut kept = vec![own.as_bytes()];
        let named = headers.get_all(FOR).iter().map(HeaderValue::as_bytes);
        let named = named.flat_map(|value| value.split(|byte| *byte == b','));
        let named = named
            .map(<[u8]>::trim_ascii)
            .filter(|name| !name.is_empty());
        for name in named.collect::<Vec<_>>().into_iter().rev() {
            kept.push(name);
            let address = str::from_utf8(name).ok().and_then(address);
            if *self == Self::Balancer || !address.is_some_and(|address| self.trusts(address)) {
                break;
            }
        }
        kept.reverse();
        HeaderValue::from_bytes(&kept.join(&b", "[..])).unwrap_or_else(|_| own.clone())
    }
}

/// Returns whether no proxy passed the request on for another machine: every address that is named
/// is this machine's. The last alone does not tell, since a proxy behind another names that one.
pub(super) fn is_local(headers: &HeaderMap) -> bool {
    if !headers.contains_key(FOR) {
        return !headers.contains_key(&ALSO[0]);
    }
    let named = headers.get_all(FOR).iter().map(HeaderValue::as_bytes);
    let mut named = named.flat_map(|value| value.split(|byte| *byte == b','));
    named.all(|name| {
        let address = str::from_utf8(name.trim_ascii()).ok().and_then(address);
        address.is_some_and(|address| address.to_canonical().is_loopback())
    })
}

/// An address with or without a port, as proxies write it.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let bare = bare.unwrap_or(text).parse().ok();
    bare.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// The last of a header's values, which the nearest proxy wrote.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next_back()?.to_str().ok()?;
    Some(value.rsplit(',').next().unwrap_or(value).trim())
}

/// A name of a host that a proxy may name.
fn authority(text: Option<&str>) -> Option<HeaderValue> {
    let text = text.filter(|text| !text.contains('@'))?;
    Authority::from_str(text).ok()?;
    HeaderValue::from_str(text).ok()
}

fn port_of(host: Option<&HeaderValue>, secure: bool) -> u16 {
    let text = host.and_then(|host| host.to_str().ok());
    let written = text.and_then(|text| text.rsplit_once(':'));
    let written = written.and_then(|(_, port)| port.parse().ok());
    written.unwrap_or(if secure { 443 } else { 80 })
}

/// Removes what a client may have made up.
fn strip(headers: &mut HeaderMap) {
    let is_told = |name: &&HeaderName| name.as_str().starts_with(PREFIX) || ALSO.contains(name);
    let told: Vec<HeaderName> = headers.keys().filter(is_told).cloned().collect();
    for name in told {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(ranges: &[&str]) -> TrustedProxies {
        TrustedProxies::At(ranges.iter().map(|range| range.parse().unwrap()).collect())
    }

    /// The values that a request from `peer` with these headers has afterwards: for, proto, host, port.
    fn settled(trusted: &TrustedProxies, peer: &str, sent: &[(&'static str, &str)]) -> [String; 4] {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("localhost:9000"));
        for (name, value) in sent {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let peer = Peer::at(SocketAddr::new(peer.parse().unwrap(), 4000));
        trusted.settle(&mut headers, &peer);
        [FOR, PROTO, HOST, PORT].map(|name| {
            let value = headers
                .get(name)
                .map(|value| String::from_utf8_lossy(value.as_bytes()));
            value.map_or_else(|| "-".to_owned(), std::borrow::Cow::into_owned)
        })
    }

    #[test]
    fn a_proxy_on_this_machine_is_believed_by_default() {
        let sent = [
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop.example"),
        ];
        for peer in ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"] {
            let [chain, proto, host, port] = settled(&TrustedProxies::loopback(), peer, &sent);
            assert!(chain.starts_with("203.0.113.9, "), "{chain}");
            assert_eq!([proto, host, port], ["https", "shop.example", "443"]);
        }
    }

    #[test]
    fn a_client_that_is_no_trusted_proxy_cannot_name_another_address_protocol_host_or_port() {
        let sent = [
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "bank.example"),
            ("x-forwarded-port", "1"),
            ("x-forwarded-prefix", "/admin"),
            ("x-real-ip", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let peer = Peer::at(SocketAddr::from(([192, 0, 2, 7], 1)));
        TrustedProxies::loopback().settle(&mut headers, &peer);
        let mut left: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        left.sort_unstable_by_key(|(name, _)| *name);
        assert_eq!(
            left,
            [
                ("x-forwarded-for", "192.0.2.7"),
                ("x-forwarded-port", "80"),
                ("x-forwarded-proto", "http"),
            ]
        );
    }

    #[test]
    fn the_client_is_the_last_address_that_no_trusted_proxy_has() {
        let trusted = proxies(&["10.0.0.0/8", "127.0.0.0/8", "2001:db8::/32"]);
        for (sent, expected) in [
            ("1.1.1.1, 203.0.113.9", "203.0.113.9, 127.0.0.1"),
            (
                "1.1.1.1,203.0.113.9,10.1.2.3",
                "203.0.113.9, 10.1.2.3, 127.0.0.1",
            ),
            (
                "203.0.113.9:5123, 10.1.2.3:80",
                "203.0.113.9:5123, 10.1.2.3:80, 127.0.0.1",
            ),
            (
                "8.8.8.8, [2001:db8::1]:80",
                "8.8.8.8, [2001:db8::1]:80, 127.0.0.1",
            ),
            ("8.8.8.8, 2001:db8::1", "8.8.8.8, 2001:db8::1, 127.0.0.1"),
            ("1.1.1.1, unknown", "unknown, 127.0.0.1"),
            ("10.9.9.9, 10.1.1.1", "10.9.9.9, 10.1.1.1, 127.0.0.1"),
            ("10.9.9.9, \u{e9}", "\u{e9}, 127.0.0.1"),
            (" , ,", "127.0.0.1"),
        ] {
            let [chain, ..] = settled(&trusted, "127.0.0.1", &[("x-forwarded-for", sent)]);
            assert_eq!(chain, expected, "{sent}");
        }
    }

    #[test]
    fn several_headers_are_one_chain() {
        let sent = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-proto", "https"),
        ];
        let [chain, proto, ..] = settled(&TrustedProxies::loopback(), "127.0.0.1", &sent);
        assert_eq!([chain, proto], ["203.0.113.9, 127.0.0.1", "https"]);
    }

    #[test]
    fn without_trusted_proxies_even_this_machine_is_only_a_client() {
        let sent = [
            ("x-forwarded-for", "9.9.9.9"),
            ("x-forwarded-proto", "https"),
        ];
        let [chain, proto, host, port] = settled(&proxies(&[]), "127.0.0.1", &sent);
        assert_eq!(
            [chain, proto, host, port],
            ["127.0.0.1", "http", "localhost:9000", "9000"]
        );
    }

    #[test]
    fn behind_a_load_balancer_its_address_protocol_and_port_hold_and_no_host_that_a_client_names() {
        let sent = [
            ("x-forwarded-for", "10.0.0.1, 203.0.113.9"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "8443"),
            ("x-forwarded-host", "bank.example"),
        ];
        let [chain, proto, host, port] = settled(&TrustedProxies::Balancer, "10.0.3.4", &sent);
        assert_eq!(chain, "203.0.113.9, 10.0.3.4");
        assert_eq!([proto, host, port], ["https", "localhost:9000", "8443"]);
    }

    #[test]
    fn values_that_make_no_sense_are_replaced() {
        let sent = [
            ("x-forwarded-proto", "javascript"),
            ("x-forwarded-port", "99999"),
            ("x-forwarded-host", "a b"),
        ];
        let [_, proto, host, port] = settled(&TrustedProxies::loopback(), "127.0.0.1", &sent);
        assert_eq!([proto, host, port], ["http", "localhost:9000", "9000"]);
        for host in ["user@bank.example", "", "a/b", "a\u{e9}"] {
            let sent = [("x-forwarded-host", host)];
            let [.., host, _] = settled(&TrustedProxies::loopback(), "127.0.0.1", &sent);
            assert_eq!(host, "localhost:9000");
        }
    }

    #[test]
    fn a_request_is_local_only_if_every_address_in_its_chain_is() {
        let chain = |sent: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in sent {
                headers.append(FOR, HeaderValue::from_str(value).unwrap());
            }
            is_local(&headers)
        };
        assert!(chain(&[]) && chain(&["127.0.0.1"]) && chain(&["::1, 127.0.0.1", "[::1]:80"]));
        // A tunnel before nginx, or before the balancer of several nodes.
        assert!(!chain(&["203.0.113.9, 127.0.0.1"]));
        assert!(!chain(&["203.0.113.9", "127.0.0.1"]) && !chain(&["unknown, 127.0.0.1"]));
    }
}
