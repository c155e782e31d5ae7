//! A tar on its way to an engine: written on a thread of its own, and sent as it comes.

use std::io::{self, BufWriter, Write};

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes that are sent at once.
pub const CHUNK_BYTES: usize = 128 << 10;

/// Pieces that may wait for the engine.
const PIECES: usize = 4;

/// A writer that sends its bytes.
pub(crate) type BodyWriter = BufWriter<BodySender>;

/// Has `write` write, and gives what it writes as pieces. The writer's own error comes by the
/// handle, which ends when the pieces do, or nobody takes them any more.
pub fn pieces<E: Send + 'static>(
    write: impl FnOnce(BodyWriter) -> Result<(), E> + Send + 'static,
) -> (
    impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    JoinHandle<Result<(), E>>,
) {
    let (sender, mut pieces) = mpsc::channel(PIECES);
    let writing =
        spawn_blocking(move || write(BufWriter::with_capacity(CHUNK_BYTES, BodySender(sender))));
    let stream = futures_util::stream::poll_fn(move |context| {
        let piece = pieces.poll_recv(context);
        piece.map(|piece| piece.map(Ok))
    });
    (stream, writing)
}

/// Hands what is written to whoever reads the pieces.
pub struct BodySender(mpsc::Sender<Bytes>);

impl Write for BodySender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        // The engine hung up; its own message is reported instead.
        self.0
            .blocking_send(piece)
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
