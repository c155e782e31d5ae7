//! Bodies that arrive whole before anything is done with them, in bounded memory: a small one is
//! kept in memory, a larger one goes to a file chunk by chunk, off the gateway's thread.

use std::fs::File;
use std::future::poll_fn;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use super::BoxError;

/// Bytes written to a file, or read from it, at once.
const CHUNK_BYTES: usize = 64 << 10;

/// The bounds of a body while it arrives.
#[derive(Clone, Copy, Debug)]
pub struct SpoolLimits {
    /// The maximum number of bytes kept in memory; a larger body is kept in a file only.
    pub memory_bytes: usize,
    /// The maximum number of bytes.
    pub max_bytes: u64,
    /// The maximum time without a byte.
    pub idle: Duration,
    /// The minimum rate in bytes per second, on average since the beginning, once `grace` is over.
    pub min_rate: u64,
    /// The time a body of no bytes may take.
    pub grace: Duration,
}

impl SpoolLimits {
    /// When a body that began at `began`, of which `taken` bytes are here, is given up.
    fn deadline(&self, began: Instant, taken: u64) -> Instant {
        let earned = Duration::from_secs(taken / self.min_rate.max(1));
        let slow = began + self.grace + earned;
        slow.min(Instant::now() + self.idle)
    }
}

/// Why a body did not become a [`Spooled`].
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The body has more than the maximum number of bytes.
    #[error("the body has more than {0} bytes")]
    TooLarge(u64),
    /// Its sender paused for too long, or kept below the minimum rate.
    #[error("the body arrived too slowly")]
    TooSlow,
    /// Its sender broke off.
    #[error("the body did not arrive whole")]
    Broken(#[source] BoxError),
    /// `room` refused its bytes.
    #[error("there is no room for the body")]
    NoRoom,
    /// Its sender was the slowest when others needed its place.
    #[error("the body arrived more slowly than all others, which needed its place")]
    Evicted,
    /// The body cannot be written to its file.
    #[error("the body cannot be written to disk")]
    Disk(#[source] std::io::Error),
}

/// A body that has arrived whole. Cheap to clone, and can be read more than once.
#[derive(Clone, Debug)]
pub struct Spooled {
    kept: SpooledBytes,
    trailers: Option<HeaderMap>,
}

#[derive(Clone, Debug)]
enum SpooledBytes {
    Memory(Bytes),
    File { file: Arc<File>, size: u64 },
}

/// Reads a body to its end. `room` is asked before bytes are kept, with how many more they are;
/// `create` makes the file of one that is larger than the limits keep in memory, and runs on a
/// thread for blocking work.
///
/// # Errors
/// [`SpoolError`]; the file is then whatever its maker leaves of it.
pub async fn spool<B>(
    mut body: B,
    limits: SpoolLimits,
    mut room: impl FnMut(u64) -> bool,
    create: impl FnOnce() -> std::io::Result<File> + Send + 'static,
) -> Result<Spooled, SpoolError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    if body.size_hint().lower() > limits.max_bytes {
        return Err(SpoolError::TooLarge(limits.max_bytes));
    }
    let began = Instant::now();
    let mut writing = SpoolWriter {
        pending: BytesMut::new(),
        file: None,
        size: 0,
    };
    let mut create = Some(create);
    let mut trailers = None;
    loop {
        let next = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
        let next = timeout_at(limits.deadline(began, writing.size), next).await;
        let Some(frame) = next.map_err(|_| SpoolError::TooSlow)? else {
            break;
        };
        match frame
            .map_err(|error| SpoolError::Broken(error.into()))?
            .into_data()
        {
            Ok(data) => writing.take(&data, &limits, &mut room)?,
            Err(other) => trailers = other.into_trailers().ok(),
        }
        writing.flush(&limits, &mut create).await?;
    }
    let kept = writing.end().await?;
    Ok(Spooled { kept, trailers })
}

/// A body on its way to memory or a file.
struct SpoolWriter {
    pending: BytesMut,
    file: Option<File>,
    size: u64,
}

impl SpoolWriter {
    fn take(
        &mut self,
        data: &Bytes,
        limits: &SpoolLimits,
        room: &mut impl FnMut(u64) -> bool,
    ) -> Result<(), SpoolError> {
        let more = data.len() as u64;
        if more > limits.max_bytes.saturating_sub(self.size) {
            return Err(SpoolError::TooLarge(limits.max_bytes));
        }
        if !room(more) {
            return Err(SpoolError::NoRoom);
        }
        self.size += more;
        self.pending.extend_from_slice(data);
        Ok(())
    }

    /// Writes what is more than may be in memory.
    async fn flush(
        &mut self,
        limits: &SpoolLimits,
        create: &mut Option<impl FnOnce() -> std::io::Result<File> + Send + 'static>,
    ) -> Result<(), SpoolError> {
        if self.file.is_none() {
            if self.pending.len() <= limits.memory_bytes {
                return Ok(());
            }
            if let Some(create) = create.take() {
                self.file = Some(off_thread(create).await?);
            }
        } else if self.pending.len() < CHUNK_BYTES {
            return Ok(());
        }
        self.write().await
    }

    async fn write(&mut self) -> Result<(), SpoolError> {
        let pending = self.pending.split();
        if let Some(mut file) = self.file.take() {
            let written = move || file.write_all(&pending).map(|()| file);
            self.file = Some(off_thread(written).await?);
        }
        Ok(())
    }

    async fn end(mut self) -> Result<SpooledBytes, SpoolError> {
        if self.file.is_none() {
            return Ok(SpooledBytes::Memory(self.pending.freeze()));
        }
        self.write().await?;
        let size = self.size;
        let file = self.file.map(Arc::new);
        let gone = || SpoolError::Disk(std::io::ErrorKind::NotFound.into());
        Ok(SpooledBytes::File {
            file: file.ok_or_else(gone)?,
            size,
        })
    }
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, SpoolError> {
    let done = spawn_blocking(work).await.map_err(std::io::Error::other);
    done.flatten().map_err(SpoolError::Disk)
}

impl Spooled {
    /// A body of a file of `size` bytes. Reading it fails when the file has fewer.
    #[must_use]
    pub fn of_file(file: Arc<File>, size: u64) -> Self {
        Self {
            kept: SpooledBytes::File { file, size },
            trailers: None,
        }
    }

    /// The number of its bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.kept {
            SpooledBytes::Memory(bytes) => bytes.len() as u64,
            SpooledBytes::File { size, .. } => *size,
        }
    }

    /// Returns the bytes of a body that is kept in memory; `None` if it is in a file.
    #[must_use]
    pub fn in_memory(&self) -> Option<&Bytes> {
        match &self.kept {
            SpooledBytes::Memory(bytes) => Some(bytes),
            SpooledBytes::File { .. } => None,
        }
    }

    /// Returns its file; `None` if it is kept in memory.
    #[must_use]
    pub fn file(&self) -> Option<&Arc<File>> {
        match &self.kept {
            SpooledBytes::Memory(_) => None,
            SpooledBytes::File { file, .. } => Some(file),
        }
    }

    /// Reads it from its beginning, at most one chunk in memory.
    #[must_use]
    pub fn body(&self) -> SpooledBody {
        self.body_after(Bytes::new())
    }

    /// As [`Spooled::body`], with something before it.
    #[must_use]
    pub fn body_after(&self, first: Bytes) -> SpooledBody {
        SpooledBody {
            first,
            left: self.clone(),
            at: 0,
            reading: None,
        }
    }
}

impl From<Bytes> for Spooled {
    fn from(bytes: Bytes) -> Self {
        Self {
            kept: SpooledBytes::Memory(bytes),
            trailers: None,
        }
    }
}

/// A [`Spooled`] being read.
#[derive(Debug)]
pub struct SpooledBody {
    first: Bytes,
    left: Spooled,
    at: u64,
    reading: Option<JoinHandle<std::io::Result<Bytes>>>,
}

impl SpooledBody {
    fn rest(&self) -> u64 {
        self.left.size().saturating_sub(self.at)
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<Bytes>> {
        let file = match &self.left.kept {
            SpooledBytes::Memory(bytes) => return Poll::Ready(Ok(bytes.clone())),
            SpooledBytes::File { file, .. } => file,
        };
        let (at, many) = (self.at, self.left.size().saturating_sub(self.at));
        let many = usize::try_from(many).map_or(CHUNK_BYTES, |rest| rest.min(CHUNK_BYTES));
        let reading = self.reading.get_or_insert_with(|| {
            let file = Arc::clone(file);
            // Taken here, so that a pool of many threads does not keep memory each.
            let mut chunk = vec![0; many];
            spawn_blocking(move || {
                file.read_exact_at(&mut chunk, at)?;
                Ok(chunk.into())
            })
        });
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        Poll::Ready(read.map_err(std::io::Error::other).flatten())
    }
}

impl Body for SpooledBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if !self.first.is_empty() {
            let first = std::mem::take(&mut self.first);
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if self.rest() == 0 {
            let trailers = self.left.trailers.take();
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        }
        let read = ready!(self.poll_data(cx));
        if let Ok(data) = &read {
            self.at += data.len() as u64;
        }
        Poll::Ready(Some(read.map(Frame::data).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.rest() == 0 && self.left.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.first.len() as u64 + self.rest())
    }
}

#[cfg(test)]
mod tests;
