//! A request's body on its way into a file.

use std::io::Write;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use http_body_util::BodyExt;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};

use super::refusal::RegistryRefusal;
use super::sessions::Turn;
use crate::error::{StoreError, io};
use crate::store::BlobWriter;

/// Bytes gathered before they are hashed and written, which takes a thread for a moment.
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes of a body that are read and thrown away so that the client hears why.
const DRAINED: usize = 16 << 20;
/// Time for that.
const DRAINING: Duration = Duration::from_secs(5);

/// The least a client has to send on average, in bytes per second, once [`GRACE`] is over.
const LEAST_RATE: u64 = 1024;
/// The time in which a client may send nothing at all, on top of what it has sent.
const GRACE: Duration = Duration::from_secs(60);

/// How much of a body has come, and since when.
struct UploadPace {
    began: Instant,
    bytes: u64,
}

impl UploadPace {
    fn begin() -> Self {
        Self {
            began: Instant::now(),
            bytes: 0,
        }
    }

    /// The next bytes of a body, unless they come too late.
    async fn next(
        &mut self,
        body: &mut Body,
        stall: Duration,
    ) -> Result<Option<Result<Bytes, axum::Error>>, Elapsed> {
        let earned = Duration::from_secs(self.bytes / LEAST_RATE);
        let slow = self.began + GRACE + earned;
        let came = timeout_at(slow.min(Instant::now() + stall), next(body)).await?;
        if let Some(Ok(bytes)) = &came {
            self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        }
        Ok(came)
    }
}

/// An upload while a request writes to it. A blocking call on the file takes all of this along, so
/// that the turn ends only after it, even when the request is gone by then.
pub struct Incoming {
    pub writer: BlobWriter,
    pub turn: Turn,
}

impl Incoming {
    /// Leaves the upload to the next request.
    pub fn pause(mut self) {
        self.turn.keep(self.writer.pause());
    }
}

/// How receiving ended. Bytes that came before a failure are written.
pub struct Received {
    pub incoming: Incoming,
    pub failed: Option<RegistryRefusal>,
}

/// Writes all of `body`. Fails when writing failed: the upload is given up then.
pub async fn receive(
    body: &mut Body,
    mut incoming: Incoming,
    stall: Duration,
) -> Result<Received, RegistryRefusal> {
    let mut piece = Vec::new();
    let mut failed = None;
    let mut pace = UploadPace::begin();
    loop {
        let next = tokio::select! {
            next = pace.next(body, stall) => next,
            () = incoming.turn.is_over() => {
                failed = Some(interrupted("another request goes on with this upload"));
                break;
            }
        };
        match next {
            Ok(Some(Ok(bytes))) => piece.extend_from_slice(&bytes),
            Ok(None) => break,
            Ok(Some(Err(error))) => {
                failed = Some(interrupted(&error.to_string()));
                break;
            }
            Err(_elapsed) => {
                failed = Some(interrupted("it came too slowly"));
                break;
            }
        }
        if piece.len() >= CHUNK_BYTES {
            (incoming, piece) = write(incoming, piece).await?;
        }
    }
    let (incoming, _) = write(incoming, piece).await?;
    Ok(Received { incoming, failed })
}

/// All of a small body.
pub async fn gather(
    body: &mut Body,
    limit: usize,
    stall: Duration,
) -> Result<Vec<u8>, RegistryRefusal> {
    let mut gathered = Vec::new();
    let mut pace = UploadPace::begin();
    loop {
        match pace.next(body, stall).await {
            Ok(Some(Ok(bytes))) => gathered.extend_from_slice(&bytes),
            Ok(None) => return Ok(gathered),
            Ok(Some(Err(error))) => return Err(interrupted(&error.to_string())),
            Err(_elapsed) => return Err(interrupted("it came too slowly")),
        }
        if gathered.len() > limit {
            return Err(StoreError::TooLarge.into());
        }
    }
}

/// Reads on for a while what nobody wants.
pub async fn drain(body: &mut Body) {
    let drained = async {
        let mut left = DRAINED;
        while let Some(Ok(bytes)) = next(body).await
            && left > bytes.len()
        {
            left -= bytes.len();
        }
    };
    // In vain for a client that sends more: it sees a closed connection.
    let _late = timeout(DRAINING, drained).await;
}

/// The next bytes of a body; trailers carry none.
async fn next(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    loop {
        match body.frame().await? {
            Ok(frame) => {
                if let Ok(bytes) = frame.into_data() {
                    return Some(Ok(bytes));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

async fn write(
    mut incoming: Incoming,
    mut piece: Vec<u8>,
) -> Result<(Incoming, Vec<u8>), RegistryRefusal> {
    if piece.is_empty() {
        return Ok((incoming, piece));
    }
    let written = tokio::task::spawn_blocking(move || {
        if let Err(error) = incoming.writer.write_all(&piece) {
            let path = incoming.writer.path().to_owned();
            // An upload that cannot be finished must not keep its room.
            incoming.writer.cancel();
            return Err(RegistryRefusal::from(io(&path)(error)));
        }
        piece.clear();
        Ok((incoming, piece))
    });
    written
        .await
        .unwrap_or_else(|error| Err(RegistryRefusal::bug(&error)))
}

fn interrupted(why: &str) -> RegistryRefusal {
    RegistryRefusal::new(
        StatusCode::BAD_REQUEST,
        "BLOB_UPLOAD_INVALID",
        format!("the body was cut off: {why}"),
    )
}
