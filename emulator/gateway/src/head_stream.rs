//! A client's stream whose requests hyper can read, and whose refusals by hyper have a reason.
//!
//! hyper answers a head that it cannot read by itself, with an empty body, and no service hears of it.
//! That answer is recognised on its way out and gets a problem for a body. The client may still be
//! sending then, so what it sends is taken for a moment: a connection closed before that is reset, and
//! the answer is lost.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::activity::Activity;
use super::refused_head::{HeadBounds, RefusedHead};

/// The time for which what a refused client sends is taken.
const LINGER: Duration = Duration::from_secs(2);
/// The maximum size in bytes of an answer by hyper itself.
const MAX_OWN_ANSWER: usize = 256;

/// A client's stream.
pub struct HeadStream<S> {
    stream: S,
    activity: Arc<Activity>,
    bounds: HeadBounds,
    /// Read, and not taken by hyper yet.
    unread: Vec<u8>,
    /// Written by hyper, and not taken by the stream yet.
    unwritten: Vec<u8>,
    refused: bool,
    shut: bool,
    linger: Option<Pin<Box<Sleep>>>,
}

impl<S> HeadStream<S> {
    /// Watches a stream's heads.
    pub fn new(stream: S, activity: &Arc<Activity>, bounds: HeadBounds) -> Self {
        Self {
            stream,
            activity: Arc::clone(activity),
            bounds,
            unread: Vec::new(),
            unwritten: Vec::new(),
            refused: false,
            shut: false,
            linger: None,
        }
    }

    /// Gives hyper what it has not taken.
    fn hand(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.unread.len().min(buf.remaining());
        buf.put_slice(self.unread.get(..count).unwrap_or_default());
        self.unread.drain(..count);
    }

    /// Gives an answer by hyper itself its reason. Returns `false` for any other bytes.
    fn take_refusal(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > MAX_OWN_ANSWER || self.activity.is_busy() {
            return false;
        }
        let Some((before, status)) = own_answer(bytes) else {
            return false;
        };
        let refused = RefusedHead::new(status, &self.activity.head(), self.bounds);
        self.unwritten
            .extend_from_slice(bytes.get(..before).unwrap_or_default());
        refused.write(&mut self.unwritten);
        self.activity.refuse(refused);
        self.refused = true;
        true
    }
}

/// The beginning and the status of an answer that hyper gave by itself, at the end of `bytes`: nothing
/// else is answered without a header of the platform's and without a body.
fn own_answer(bytes: &[u8]) -> Option<(usize, StatusCode)> {
    const FIELDS: [&str; 3] = ["connection", "content-length", "date"];
    let begin = bytes.windows(10).rposition(|part| part == b"HTTP/1.1 4")?;
    let text = std::str::from_utf8(bytes.get(begin..)?).ok()?;
    let mut lines = text.strip_suffix("\r\n\r\n")?.split("\r\n");
    let status = lines.next()?.get("HTTP/1.1 ".len()..)?.get(..3)?;
    let own = lines.all(|line| {
        let (name, value) = line.split_once(": ").unwrap_or_default();
        FIELDS.contains(&name) && (name != "content-length" || value == "0")
    });
    let status = StatusCode::from_bytes(status.as_bytes()).ok()?;
    own.then_some((begin, status))
}

impl<S: AsyncWrite + Unpin> HeadStream<S> {
    fn poll_unwritten(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while !self.unwritten.is_empty() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unwritten))?;
            if count == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            self.unwritten.drain(..count);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> HeadStream<S> {
    /// Ready once the client has sent all, or long enough.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self
            .linger
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if linger.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        loop {
            let mut bytes = [0; 4096];
            let mut buf = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf));
            if read.is_err() || buf.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeadStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if !self.unread.is_empty() {
            self.hand(buf);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let came = buf.filled().get(before..).unwrap_or_default();
        let instead = self.activity.head().read(came);
        if let Some(instead) = instead {
            buf.set_filled(before);
            self.unread = instead;
            self.hand(buf);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for HeadStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        ready!(self.poll_unwritten(cx))?;
        if self.take_refusal(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        ready!(self.poll_unwritten(cx))?;
        if let Some(last) = bufs.iter().rfind(|buf| !buf.is_empty())
            && bufs.iter().map(|buf| buf.len()).sum::<usize>() == last.len()
            && self.take_refusal(last)
        {
            return Poll::Ready(Ok(last.len()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        ready!(self.poll_unwritten(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        ready!(self.poll_unwritten(cx))?;
        if !self.shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.shut = true;
        }
        if self.refused {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::own_answer;

    #[test]
    fn only_the_error_answers_of_hyper_itself_are_recognised() {
        let own = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: Mon, 1 Jan\r\n\r\n";
        assert_eq!(own_answer(own.as_bytes()).unwrap().1, 400);
        let behind = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi{own}");
        assert_eq!(own_answer(behind.as_bytes()).unwrap().0, 40);
        for other in [
            "HTTP/1.1 400 Bad Request\r\nx-fnlocal-node: local\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 431",
        ] {
            assert!(own_answer(other.as_bytes()).is_none(), "{other}");
        }
    }
}
