//! Connections to the target: TCP, TLS where asked for, HTTP/1.1.
//!
//! HTTP/1.1 only, one request at a time on each connection: that is what the balancer speaks to
//! nodes, and a request never waits behind another's answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::error::LoadTestError;
use crate::target::Target;

/// Time to make a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that can take a request.
pub type LoadConnection = SendRequest<Full<Bytes>>;

/// Makes connections to one target, whose name was resolved once.
#[derive(Clone)]
pub struct Connector {
    target: Arc<Target>,
    addresses: Arc<[std::net::SocketAddr]>,
    tls: Option<TlsConnector>,
}

impl Connector {
    /// Resolves the target's name and makes one connection, to find out before any load is sent
    /// whether that is possible.
    ///
    /// # Errors
    /// [`LoadTestError::Dns`], [`LoadTestError::Down`] or [`LoadTestError::Tls`].
    pub async fn new(target: &Target) -> Result<Self, LoadTestError> {
        let dns = |source| LoadTestError::Dns {
            host: target.host.clone(),
            source,
        };
        let addresses: Vec<_> = tokio::net::lookup_host((target.host.as_str(), target.port))
            .await
            .map_err(dns)?
            .collect();
        if addresses.is_empty() {
            return Err(dns(io::Error::other("it has no address")));
        }
        let tls = if target.tls { Some(tls(target)?) } else { None };
        let mut connector = Self {
            target: Arc::new(target.clone()),
            addresses: addresses.into(),
            tls,
        };
        let (stream, address) = connector
            .tcp()
            .await
            .map_err(|source| LoadTestError::Down {
                url: target.url.clone(),
                source,
            })?;
        // `localhost` may be two addresses of which one listens: the others are not tried again.
        connector.addresses = Arc::new([address]);
        if let Some(tls) = &connector.tls {
            let name = connector.server_name();
            let failed = |source| LoadTestError::Tls {
                url: target.url.clone(),
                source,
            };
            let name = name.map_err(failed)?;
            tls.connect(name, stream).await.map_err(failed)?;
        }
        Ok(connector)
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Makes a connection. Must run inside a `LocalSet`, where the connection lives.
    ///
    /// # Errors
    /// When there is none to be had.
    pub async fn connect(&self) -> io::Result<LoadConnection> {
        let (stream, _) = self.tcp().await?;
        match &self.tls {
            None => handshake(stream).await,
            Some(tls) => handshake(tls.connect(self.server_name()?, stream).await?).await,
        }
    }

    async fn tcp(&self) -> io::Result<(TcpStream, std::net::SocketAddr)> {
        let connecting = async {
            let mut last = io::Error::other("it has no address");
            for address in &*self.addresses {
                match TcpStream::connect(address).await {
                    Ok(stream) => return Ok((stream, *address)),
                    Err(error) => last = error,
                }
            }
            Err(last)
        };
        let timed_out = |_| io::Error::new(io::ErrorKind::TimedOut, "no connection within 10 s");
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        let (stream, address) = connected.map_err(timed_out)??;
        stream.set_nodelay(true)?;
        Ok((stream, address))
    }

    fn server_name(&self) -> io::Result<ServerName<'static>> {
        ServerName::try_from(self.target.host.clone()).map_err(io::Error::other)
    }
}

async fn handshake<S>(stream: S) -> io::Result<LoadConnection>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // The connection ends with its sender, or when the target ends it; requests on it see that.
    tokio::task::spawn_local(connection);
    Ok(sender)
}

fn tls(target: &Target) -> Result<TlsConnector, LoadTestError> {
    let failed = |source| LoadTestError::Tls {
        url: target.url.clone(),
        source,
    };
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let error = io::Error::other("this machine has no root certificates");
        return Err(failed(error));
    }
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(io::Error::other(error)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
