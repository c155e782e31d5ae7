//! The real events at a backend's socket.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// From a request's last byte to the first of its answer, in microseconds.
pub type Took = Arc<Mutex<Vec<u64>>>;

/// A connection on which one request follows the other.
pub struct Watched {
    stream: TcpStream,
    /// When the last bytes of load were read, unless they are answered.
    read: Option<Instant>,
    took: Took,
}

impl Watched {
    pub fn new(stream: TcpStream, took: Took) -> Self {
        Self {
            stream,
            read: None,
            took,
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        let bytes = &buffer.filled()[before..];
        // Questions about the backend itself are no load.
        if !bytes.is_empty() && !bytes.starts_with(b"GET /_fnlocal") {
            self.read = Some(Instant::now());
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        if let Some(read) = self.read.take() {
            let micros = u64::try_from(read.elapsed().as_micros()).unwrap();
            self.took.lock().unwrap().push(micros);
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
