//! The host's end of what an instance dials.
//!
//! The host owns the socket and the instance connects to it. The host thus never resolves a path
//! that an instance may have changed, and a container sees the socket's folder read-only: through
//! it, nothing can be written to the host.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::net::RecvFlags;
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio_util::sync::CancellationToken;

use super::place::SOCKET;

/// The maximum number of connections that wait in the kernel until one is needed: they cost the
/// gateway nothing. An instance keeps up to 16 ready.
const BACKLOG: u32 = 64;
/// The maximum number of useless connections thrown away in a row: more than can have waited.
const MAX_USELESS: usize = 2 * BACKLOG as usize;
/// A container's user has another id than the owner. The run's folder keeps other users out.
const ANYBODY: u32 = 0o666;

/// A socket that one instance connects to, bound before the instance is started.
#[derive(Clone, Debug)]
pub struct InstanceListener(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    listener: UnixListener,
    folder: PathBuf,
    /// The only process whose connections are taken, where it can be told.
    process: Arc<OnceLock<u32>>,
    ended: CancellationToken,
}

impl InstanceListener {
    /// Binds the socket for requests in an instance's own folder.
    pub fn bind(folder: PathBuf) -> io::Result<Self> {
        let listener = listen(&folder.join(SOCKET))?;
        Ok(Self(Arc::new(Inner {
            listener,
            folder,
            process: Arc::default(),
            ended: CancellationToken::new(),
        })))
    }

    /// Binds another socket for the same instance, in the same folder.
    ///
    /// # Errors
    /// The socket cannot be bound.
    pub fn beside(&self, name: &str) -> io::Result<Self> {
        let Inner {
            folder,
            process,
            ended,
            ..
        } = &*self.0;
        Ok(Self(Arc::new(Inner {
            listener: listen(&folder.join(name))?,
            folder: folder.clone(),
            process: Arc::clone(process),
            ended: ended.clone(),
        })))
    }

    /// Takes connections of this process only. A container's are not checked: its folder is mounted
    /// into no other, and its processes' ids may not be visible here.
    pub(crate) fn only_from(&self, process: u32) {
        // Said once, by the start of the one process.
        let _already = self.0.process.set(process);
    }

    /// The folder, which belongs to the host.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// Returns an open connection on which the instance has sent nothing yet, waiting for one. The
    /// caller bounds the time.
    ///
    /// # Errors
    /// The instance has ended, or offers useless connections only.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        for _ in 0..MAX_USELESS {
            let stream = tokio::select! {
                biased;
                () = self.0.ended.cancelled() => return Err(io::ErrorKind::NotConnected.into()),
                accepted = self.0.listener.accept() => accepted?.0,
            };
            if self.is_instance(&stream) && is_quiet(&stream) {
                return Ok(stream);
            }
        }
        Err(io::Error::other("the instance closes its connections"))
    }

    /// Ends all waiting for connections: the instance has ended.
    pub(crate) fn close(&self) {
        self.0.ended.cancel();
    }

    fn is_instance(&self, stream: &UnixStream) -> bool {
        let Some(wanted) = self.0.process.get() else {
            return true;
        };
        let peer = stream.peer_cred().ok().and_then(|peer| peer.pid());
        peer.is_none_or(|peer| u32::try_from(peer) == Ok(*wanted))
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(ANYBODY))?;
    socket.listen(BACKLOG)
}

/// Returns whether a connection is open and nothing came over it. One that was closed while it
/// waited must not cost a request.
fn is_quiet(stream: &UnixStream) -> bool {
    let peeked = rustix::net::recv(
        stream,
        &mut [0_u8; 1],
        RecvFlags::PEEK | RecvFlags::DONTWAIT,
    );
    matches!(peeked, Err(rustix::io::Errno::AGAIN))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream as Dialed;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn listener() -> (tempfile::TempDir, InstanceListener) {
        let folder = tempfile::tempdir().unwrap();
        let listener = InstanceListener::bind(folder.path().to_owned()).unwrap();
        (folder, listener)
    }

    fn dial(listener: &InstanceListener) -> Dialed {
        Dialed::connect(listener.folder().join(SOCKET)).unwrap()
    }

    #[tokio::test]
    async fn connections_that_are_closed_or_send_first_are_skipped() {
        let (_folder, listener) = listener();
        for _ in 0..10 {
            drop(dial(&listener));
        }
        let mut speaks = dial(&listener);
        speaks.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
        let good = dial(&listener);
        let taken = listener.accept().await.unwrap();
        taken.try_write(b"x").unwrap();
        let mut byte = [0];
        std::io::Read::read_exact(&mut &good, &mut byte).unwrap();
        assert_eq!(byte, *b"x");
    }

    #[tokio::test]
    async fn accept_fails_for_an_instance_that_only_closes_its_connections() {
        let (_folder, listener) = listener();
        let path = listener.folder().join(SOCKET);
        let given_up = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&given_up);
        std::thread::spawn(move || {
            while !told.load(Ordering::Acquire) {
                drop(Dialed::connect(&path));
            }
        });
        // One that is taken before it is closed is of use for that moment.
        while listener.accept().await.is_ok() {}
        given_up.store(true, Ordering::Release);
    }

    #[tokio::test]
    async fn a_pending_accept_ends_when_the_listener_closes() {
        let (_folder, listener) = listener();
        let beside = listener.beside("i").unwrap();
        let (one, other, ()) = tokio::join!(listener.accept(), beside.accept(), async {
            listener.close();
        });
        assert!(one.is_err() && other.is_err());
    }

    #[tokio::test]
    async fn connections_from_another_process_are_skipped() {
        let (_folder, listener) = listener();
        listener.only_from(std::process::id() + 1);
        let _other = dial(&listener);
        let waited = tokio::time::timeout(std::time::Duration::from_millis(100), listener.accept());
        assert!(waited.await.is_err());
    }

    #[tokio::test]
    async fn replacing_the_socket_with_a_symlink_does_not_affect_the_listener() {
        let (folder, listener) = listener();
        let path = folder.path().join(SOCKET);
        let elsewhere = std::os::unix::net::UnixListener::bind(folder.path().join("x")).unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let own = dial(&listener);
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(folder.path().join("x"), &path).unwrap();
        assert!(listener.accept().await.is_ok());
        assert!(elsewhere.accept().is_err());
        drop(own);
    }
}
