//! A client's body, which must keep coming.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::BoxError;
use super::activity::Activity;

/// The least a client has to send of a body, in bytes per second: slower than any modem.
pub(super) const LEAST_RATE: u64 = 240;
/// The time of waiting for a body over which its pace is measured.
pub(super) const PACE_WINDOW: Duration = Duration::from_secs(10);
/// The least a client has to send in [`PACE_WINDOW`], in bytes.
const LEAST_BYTES: u64 = LEAST_RATE * PACE_WINDOW.as_secs();

/// A client's body as it comes. Fails when the client sends nothing for the idle timeout, or less
/// than [`LEAST_BYTES`] in [`PACE_WINDOW`]. Only time in which more was asked for counts, so a slow
/// reader is not the client's fault.
pub struct ClientBody {
    body: Incoming,
    activity: Arc<Activity>,
    pace: Pace,
    timer: Option<Pin<Box<Sleep>>>,
}

impl ClientBody {
    /// A body that may be silent for `idle_timeout`.
    pub(super) fn new(body: Incoming, activity: &Arc<Activity>, idle_timeout: Duration) -> Self {
        Self {
            body,
            activity: Arc::clone(activity),
            pace: Pace::new(idle_timeout, Instant::now()),
            timer: None,
        }
    }

    fn came(&mut self, bytes: usize) {
        if self.pace.came(bytes) {
            self.pace.count(Instant::now());
            self.activity.wait_for_client(false);
        }
        if bytes > 0 {
            self.activity.pass();
        }
    }

    /// Ready once the client sends too slowly.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<BoxError> {
        if self.pace.wait(Instant::now()) {
            self.activity.wait_for_client(true);
            if let Some(timer) = &mut self.timer {
                timer.as_mut().reset(self.pace.due());
            }
        }
        let due = self.pace.due();
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        loop {
            ready!(timer.as_mut().poll(cx));
            if !self.pace.keeps_up(Instant::now()) {
                return Poll::Ready("the client stopped sending, or sends too slowly".into());
            }
            timer.as_mut().reset(self.pace.due());
        }
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        if self.pace.came(0) {
            self.activity.wait_for_client(false);
        }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                let data = frame.as_ref().and_then(|frame| frame.as_ref().ok());
                let data = data.and_then(Frame::data_ref);
                self.came(data.map_or(0, Bytes::len));
                if frame.is_none() || self.body.is_end_stream() {
                    self.activity.head().body_ended();
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => {
                let late = ready!(self.poll_late(cx));
                Poll::Ready(Some(Err(late)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The progress of a body in the time it was waited for.
struct Pace {
    idle_timeout: Duration,
    /// Since when more is waited for; none while nothing is.
    silent: Option<Instant>,
    /// Since when that counts in this window.
    counts: Instant,
    /// The time waited in this window before.
    waited: Duration,
    bytes: u64,
}

impl Pace {
    fn new(idle_timeout: Duration, now: Instant) -> Self {
        Self {
            idle_timeout,
            silent: None,
            counts: now,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// More is waited for. Returns whether it was not before.
    fn wait(&mut self, now: Instant) -> bool {
        if self.silent.is_some() {
            return false;
        }
        self.counts = now;
        self.silent = Some(now);
        true
    }

    /// Something came. Returns whether it was waited for.
    fn came(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.silent.take().is_some()
    }

    /// Counts the time waited up to now.
    fn count(&mut self, now: Instant) {
        self.waited += now.duration_since(self.counts);
    }

    /// When the pace has to be looked at next.
    fn due(&self) -> Instant {
        let silent = self.silent.unwrap_or(self.counts);
        let window = self.counts + PACE_WINDOW.saturating_sub(self.waited);
        window.min(silent + self.idle_timeout)
    }

    /// Returns whether the client keeps up, at a moment that was due. A new window begins.
    fn keeps_up(&mut self, now: Instant) -> bool {
        let is_silent = |since: Instant| now.duration_since(since) >= self.idle_timeout;
        if self.silent.is_some_and(is_silent) {
            return false;
        }
        self.counts = now;
        self.waited = Duration::ZERO;
        std::mem::take(&mut self.bytes) >= LEAST_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a client may go on that sends `bytes` after each `pause`; none for an hour.
    fn lasts(bytes: usize, pause: Duration) -> Option<u64> {
        let began = Instant::now();
        let mut pace = Pace::new(Duration::from_secs(60), began);
        let mut now = began;
        while now < began + Duration::from_secs(3600) {
            let next = now + pause;
            pace.wait(now);
            while pace.due() <= next {
                let due = pace.due();
                if !pace.keeps_up(due) {
                    return Some(due.duration_since(began).as_secs());
                }
            }
            pace.came(bytes);
            pace.count(next);
            now = next;
        }
        None
    }

    #[test]
    fn a_trickling_body_is_ended_after_one_window() {
        assert_eq!(lasts(1, Duration::from_millis(300)), Some(10));
        assert_eq!(lasts(1344, Duration::from_secs(29)), Some(10));
    }

    #[test]
    fn a_fast_start_extends_a_body_by_only_one_window() {
        let now = Instant::now();
        let mut pace = Pace::new(Duration::from_secs(60), now);
        pace.came(1 << 30);
        pace.wait(now);
        assert!(pace.keeps_up(pace.due()));
        assert!(!pace.keeps_up(pace.due()));
    }

    #[test]
    fn a_slow_but_steady_body_is_never_ended() {
        assert_eq!(lasts(300, Duration::from_secs(1)), None);
    }
}
