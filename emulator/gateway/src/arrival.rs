//! A parsed function's body arrives whole before its request takes a place: a slow sender costs
//! room for its bytes, not an instance.
//!
//! The queue's deadline and the function's timeout begin once the body is here.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, timeout};

use super::async_invoke::{evicted, too_large};
use super::client_body::{LEAST_RATE, PACE_WINDOW};
use super::outgoing::OutgoingRequest;
use super::sender::{Arrivals, Sender};
use super::{Gateway, Problem};
use fnlocal_driver::Function;
use fnlocal_driver::spool::{SpoolError, SpoolLimits, SpooledBody, spool};
use fnlocal_project::BodyMode;

/// Bytes of one body that are kept in memory; a larger one goes to a file.
const MEMORY_BYTES: u64 = 64 << 10;
/// A body of a declared length up to this stays in memory also when room is scarce, so that large
/// ones that arrive slowly do not shut small ones out.
const SMALL_BYTES: u64 = 4 << 10;
/// Bytes of all bodies in memory.
const MAX_MEMORY_BYTES: u64 = 32 << 20;
/// Bytes of all bodies in files.
const MAX_FILE_BYTES: u64 = 2 << 30;
/// Bodies in files, each of which is an open file.
const MAX_FILES: u32 = 128;
/// When a request makes sense again for which there was no room.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The memory and disk of the bodies of all requests while they are here.
#[derive(Default)]
pub(super) struct Room {
    memory: Cell<u64>,
    file_bytes: Cell<u64>,
    files: Cell<u32>,
    arriving: Rc<Arrivals<Share>>,
}

impl Room {
    fn is_enough(&self) -> bool {
        self.memory.get() <= MAX_MEMORY_BYTES
            && self.file_bytes.get() <= MAX_FILE_BYTES
            && self.files.get() <= MAX_FILES
    }
}

/// The memory or disk of one body, until dropped.
struct Share {
    room: Rc<Room>,
    /// Bytes of it that stay in memory; if it has more, all of them are in a file.
    in_memory: u64,
    bytes: Cell<u64>,
    sender: Sender,
}

impl AsRef<Sender> for Share {
    fn as_ref(&self) -> &Sender {
        &self.sender
    }
}

impl Share {
    fn new(room: &Rc<Room>, declared: Option<u64>) -> Self {
        // Close to the bound, all but what is being read goes to files.
        let is_small = declared.is_some_and(|bytes| bytes <= SMALL_BYTES);
        let is_tight = !is_small && room.memory.get() > MAX_MEMORY_BYTES / 2;
        Self {
            room: Rc::clone(room),
            in_memory: if is_tight { 0 } else { MEMORY_BYTES },
            bytes: Cell::new(0),
            sender: Sender::new(Instant::now()),
        }
    }

    fn has_file(&self) -> bool {
        self.bytes.get() > self.in_memory
    }

    /// Takes room for more bytes, from slower senders if there is none left. Returns `false` if there
    /// is none then either.
    fn take(&self, more: u64) -> bool {
        self.sender.came(more, Instant::now());
        let bytes = self.give_back().saturating_add(more);
        self.bytes.set(bytes);
        let room = &self.room;
        if self.has_file() {
            room.files.update(|files| files + 1);
            room.file_bytes.update(|all| all + bytes);
        } else {
            room.memory.update(|all| all + bytes);
        }
        while !room.is_enough() {
            if !self.evict_slowest() {
                return false;
            }
        }
        true
    }

    /// Evicts the slowest sender that holds what this one lacks. Returns `false` if none is slower.
    fn evict_slowest(&self) -> bool {
        let holding = |one: &Self| one.bytes.get() > 0 && one.has_file() == self.has_file();
        let (arriving, now) = (&self.room.arriving, Instant::now());
        let evicted = arriving.evict_slowest(holding, self.sender.rate(now), now);
        evicted.map(|evicted| evicted.give_back()).is_some()
    }

    /// Gives all of it back, and returns how many bytes it was.
    fn give_back(&self) -> u64 {
        let bytes = self.bytes.take();
        if bytes > self.in_memory {
            self.room.files.update(|files| files - 1);
            self.room.file_bytes.update(|all| all - bytes);
        } else {
            self.room.memory.update(|all| all - bytes);
        }
        bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// A body that is here, with the room it takes.
struct Arrived {
    body: SpooledBody,
    _share: Rc<Share>,
}

impl Body for Arrived {
    type Data = Bytes;
    type Error = <SpooledBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Gateway {
    /// Waits for the body of a request to a function that parses bodies. Other bodies pass
    /// unchanged.
    ///
    /// # Errors
    /// Returns an error answer; nothing was dispatched then.
    pub(super) async fn arrive_whole(
        &self,
        outgoing: &mut OutgoingRequest,
        function: &Function,
    ) -> Result<(), Problem> {
        if outgoing.sent.is_none() || function.settings.body == BodyMode::Stream {
            return Ok(());
        }
        let Some(mut body) = outgoing.take_body() else {
            return Ok(());
        };
        let share = Share::new(&self.room, body.size_hint().exact());
        let arriving = self.room.arriving.list(share);
        let share = &arriving.one;
        let limits = SpoolLimits {
            memory_bytes: usize::try_from(share.in_memory).unwrap_or(usize::MAX),
            max_bytes: function.settings.body_limit,
            idle: self.options.idle_timeout,
            min_rate: LEAST_RATE,
            grace: PACE_WINDOW,
        };
        let whole = spool(
            &mut body,
            limits,
            |more| share.take(more),
            tempfile::tempfile,
        );
        let whole = share.sender.unless_evicted(whole);
        let error = match timeout(self.options.body_timeout, whole).await {
            Ok(Ok(spooled)) => {
                outgoing.put_body(Arrived {
                    body: spooled.body(),
                    _share: Rc::clone(share),
                });
                return Ok(());
            }
            Ok(Err(error)) => error,
            Err(_) => SpoolError::TooSlow,
        };
        let explains = matches!(error, SpoolError::TooLarge(_) | SpoolError::Evicted);
        if explains && !outgoing.holds_back() {
            super::drain::drain(body);
        }
        Err(self.not_here(&error).function(&function.name))
    }

    fn not_here(&self, error: &SpoolError) -> Problem {
        let timeout = self.options.body_timeout.as_secs();
        match error {
            SpoolError::TooLarge(limit) => too_large(*limit),
            SpoolError::Evicted => evicted(),
            SpoolError::TooSlow | SpoolError::Broken(_) => Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "request_body",
                format!("the request's body did not arrive whole: {error}"),
            )
            .hint(format!(
                "send at least {LEAST_RATE} bytes a second, and all of it within {timeout} s"
            )),
            SpoolError::NoRoom | SpoolError::Disk(_) => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let mut problem = Problem::new(status, "no_room", error.to_string());
                problem.retry_after = Some(RETRY_AFTER);
                problem.hint("too many large or slow bodies arrive at once; send it again")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_charged_to_memory_and_then_to_a_file_and_is_released_when_dropped() {
        let room = Rc::new(Room::default());
        let share = Share::new(&room, None);
        assert!(share.take(1000));
        assert_eq!((room.memory.get(), room.files.get()), (1000, 0));
        assert!(share.take(MEMORY_BYTES));
        assert_eq!((room.memory.get(), room.files.get()), (0, 1));
        assert_eq!(room.file_bytes.get(), 1000 + MEMORY_BYTES);
        drop(share);
        assert_eq!((room.file_bytes.get(), room.files.get()), (0, 0));
    }

    #[test]
    fn the_memory_of_small_bodies_is_bounded_and_released() {
        let room = Rc::new(Room::default());
        let shares: Vec<_> = (0..)
            .map(|_| {
                let share = Share::new(&room, None);
                (share.take(MEMORY_BYTES), share)
            })
            .take_while(|(fits, _)| *fits)
            .take(10_000)
            .collect();
        assert!(shares.len() < 10_000);
        assert!(room.memory.get() <= MAX_MEMORY_BYTES);
        drop(shares);
        assert_eq!((room.memory.get(), room.files.get()), (0, 0));
    }
}
