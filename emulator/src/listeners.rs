//! The ports that are listened on.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpListener;

/// A port is taken, or not allowed.
#[derive(Debug, thiserror::Error)]
#[error("could not listen on {address}")]
pub struct ListenError {
    pub address: SocketAddr,
    pub source: std::io::Error,
}

fnlocal_api::user_error!(ListenError {
    Self { source, .. } if source.kind() == ErrorKind::AddrInUse => "another program listens there; \
        take another port with --port, or 0 for a free one";
    Self { source, .. } if source.kind() == ErrorKind::PermissionDenied => "ports below 1024 need \
        special rights; take another with --port";
    _ => "see --host and --port";
});

/// Takes a port.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ListenError { address, source })
}

/// Ports that are tried for the platform's own origin, from the functions' port on.
const PORTS_BESIDE: u16 = 16;

/// The functions' port, and that of the platform's own origin.
pub(crate) struct Listeners {
    pub functions: TcpListener,
    pub platform: TcpListener,
}

impl Listeners {
    /// Takes the functions' port, and the first free one after it.
    pub async fn open(address: SocketAddr) -> Result<Self, ListenError> {
        let functions = listen(address).await?;
        let at = address_of(&functions)?;
        let beside = (1..=PORTS_BESIDE).filter_map(|more| at.port().checked_add(more));
        for port in beside {
            if let Ok(platform) = listen(SocketAddr::new(at.ip(), port)).await {
                return Ok(Self {
                    functions,
                    platform,
                });
            }
        }
        let platform = listen(SocketAddr::new(at.ip(), 0)).await?;
        Ok(Self {
            functions,
            platform,
        })
    }

    /// Where both are.
    pub fn addresses(&self) -> Result<Addresses, ListenError> {
        Ok(Addresses {
            functions: address_of(&self.functions)?,
            platform: address_of(&self.platform)?,
        })
    }
}

/// Where functions and the platform are.
#[derive(Clone, Copy)]
pub(crate) struct Addresses {
    pub functions: SocketAddr,
    pub platform: SocketAddr,
}

/// The port that was taken.
pub(crate) fn address_of(listener: &TcpListener) -> Result<SocketAddr, ListenError> {
    listener.local_addr().map_err(|source| ListenError {
        address: SocketAddr::from(([0, 0, 0, 0], 0)),
        source,
    })
}

/// A URL by which this machine reaches an address.
pub(crate) fn reachable(address: SocketAddr) -> String {
    let ip = match address.ip() {
        ip if ip.is_unspecified() && ip.is_ipv4() => IpAddr::from([127, 0, 0, 1]),
        ip if ip.is_unspecified() => IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}
