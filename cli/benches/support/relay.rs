//! The least a proxy can do: bytes are copied from a client's connection to a backend's and back,
//! on two threads. This proxy reads no HTTP, chooses nothing and limits nothing. So its throughput
//! on a machine is the ceiling that the system calls set.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

const THREADS: usize = 2;
/// A head and a small body.
const PIECE: usize = 8 * 1024;

/// A relay in a process of its own, ended when dropped.
pub struct Relay {
    child: Child,
    port: u16,
}

impl Relay {
    /// Starts this program anew as a relay to `sockets`.
    pub fn start(program: &Path, sockets: &[PathBuf]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = free.local_addr().expect("it is bound").port();
        drop(free);
        let child = Command::new(program)
            .arg("relay")
            .arg(port.to_string())
            .args(sockets)
            .spawn()
            .expect("this program starts");
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Self { child, port }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hello", self.port)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Relays until killed: `PORT SOCKET…`.
pub fn run(mut arguments: impl Iterator<Item = String>) {
    let port = arguments.next().and_then(|port| port.parse().ok());
    let listener =
        TcpListener::bind(("127.0.0.1", port.expect("a port"))).expect("the port is free");
    listener
        .set_nonblocking(true)
        .expect("a socket can be non-blocking");
    let sockets: Arc<[String]> = arguments.collect();
    let next = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let listener = listener.try_clone().expect("there are open files left");
            let (sockets, next) = (Arc::clone(&sockets), Arc::clone(&next));
            std::thread::spawn(move || accept(listener, &sockets, &next))
        })
        .collect();
    for thread in threads {
        let _ended = thread.join();
    }
}

fn accept(listener: TcpListener, sockets: &Arc<[String]>, next: &AtomicUsize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("it is a listener");
        loop {
            let Ok((client, _)) = listener.accept().await else {
                continue;
            };
            let turn = next.fetch_add(1, Ordering::Relaxed) % sockets.len();
            let socket = sockets[turn].clone();
            tokio::spawn(async move {
                // The side that closes first ends the copy.
                let _closed = copy(client, &socket).await;
            });
        }
    });
}

/// One request and its answer after the other, each in one piece.
async fn copy(mut client: TcpStream, socket: &str) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut backend = UnixStream::connect(socket).await?;
    let mut piece = vec![0; PIECE];
    loop {
        let count = client.read(&mut piece).await?;
        if count == 0 {
            return Ok(());
        }
        backend.write_all(&piece[..count]).await?;
        let count = backend.read(&mut piece).await?;
        client.write_all(&piece[..count]).await?;
    }
}
