//! Taking what a refused client still sends.
//!
//! A connection closed under a client that is sending is reset, and the answer that says why may
//! be lost with it. So what is left is read and dropped, within bounds; beyond them the connection
//! is closed after all.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::Body;
use http_body_util::BodyExt;

/// Bytes taken: beyond them a new connection is cheaper for both sides.
const MAX_DRAINED_BYTES: u64 = 16 * 1024 * 1024;
/// Time for them, so that a slow client does not hold its connection for long.
const LONGEST: Duration = Duration::from_secs(5);

/// The client waits for a `100 Continue` before it sends its body.
pub fn holds_back(headers: &HeaderMap) -> bool {
    headers.contains_key(header::EXPECT)
}

/// Reads a body to its end beside the answer. Not for one that is held back: reading it would ask
/// for it.
pub fn drain<B>(mut body: B)
where
    B: Body<Data = Bytes> + Unpin + 'static,
{
    if body.is_end_stream() || body.size_hint().lower() > MAX_DRAINED_BYTES {
        return;
    }
    tokio::task::spawn_local(tokio::time::timeout(LONGEST, async move {
        let mut taken = 0;
        while let Some(Ok(frame)) = body.frame().await {
            taken += frame.data_ref().map_or(0, |data| data.len() as u64);
            if taken > MAX_DRAINED_BYTES {
                return;
            }
        }
    }));
}
