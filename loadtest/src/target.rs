//! Where load goes.

use std::net::IpAddr;

use http::Uri;
use http::uri::Scheme;

use crate::error::LoadTestError;
use crate::template::encoded;

/// Where load goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its URL without a trailing slash.
    pub url: String,
    /// Where to connect to: host and port.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The connection is encrypted.
    pub tls: bool,
    /// The beginning of every path.
    pub prefix: String,
    /// The token for changes under `/_fnlocal/*`, if known.
    pub token: Option<String>,
    /// The runtime of the instances, if known.
    pub runtime: Option<String>,
}

impl Target {
    /// A target by its URL.
    ///
    /// # Errors
    /// [`LoadTestError::BadUrl`] for what is no `http` or `https` URL.
    pub fn parse(url: &str) -> Result<Self, LoadTestError> {
        let bad = |why: &str| LoadTestError::BadUrl {
            url: url.to_owned(),
            why: why.to_owned(),
        };
        let uri: Uri = url.parse().map_err(|_| bad("it cannot be read"))?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(bad("it must begin with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| bad("it names no host"))?;
        if uri.query().is_some() {
            return Err(bad("it must not have a query"));
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            host,
            tls,
            prefix: encoded(uri.path().trim_end_matches('/')),
            token: None,
            runtime: None,
        })
    }

    /// Returns whether the target is this machine by its name, so that load disturbs no other
    /// machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.host == "localhost"
            || self
                .host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// The Host header.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_hosts_are_local() {
        for (url, local) in [
            ("http://localhost:9000", true),
            ("http://127.0.0.1:9000/", true),
            ("http://[::1]:9000", true),
            ("http://10.0.0.1", false),
            ("https://localhost.example.org", false),
        ] {
            assert_eq!(Target::parse(url).unwrap().is_local(), local, "{url}");
        }
    }

    #[test]
    fn an_invalid_target_url_is_refused() {
        for url in ["localhost:9000", "ftp://x", "http://x/?a=1", "http://"] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_path_of_a_target_url_becomes_a_prefix() {
        let target = Target::parse("https://example.org/api/").unwrap();
        assert_eq!((target.prefix.as_str(), target.port), ("/api", 443));
        assert_eq!(target.authority(), "example.org");
    }
}
