//! A request's body on its way into a file.

use std::io::Write;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::refusal::Refusal;
use super::sessions::Turn;
use crate::error::{StoreError, io};
use crate::store::BlobWriter;

/// Bytes gathered before they are hashed and written, which takes a thread for a moment.
const PIECE: usize = 1 << 20;
/// Bytes of a body that are read and thrown away so that the client hears why.
const DRAINED: usize = 16 << 20;
/// Time for that.
const DRAINING: Duration = Duration::from_secs(5);

/// How receiving ended. What came before a failure is written.
pub struct Received {
    pub writer: BlobWriter,
    pub failed: Option<Refusal>,
}

/// Writes all of `body`. Fails without a writer when writing failed: the upload is given up then.
pub async fn receive(
    body: &mut Body,
    mut writer: BlobWriter,
    stall: Duration,
    turn: &mut Turn,
) -> Result<Received, Refusal> {
    let mut piece = Vec::new();
    let mut failed = None;
    loop {
        let next = tokio::select! {
            next = timeout(stall, next(body)) => next,
            () = turn.is_over() => {
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
                failed = Some(interrupted("no byte came for too long"));
                break;
            }
        }
        if piece.len() >= PIECE {
            (writer, piece) = write(writer, piece).await?;
        }
    }
    let (writer, _) = write(writer, piece).await?;
    Ok(Received { writer, failed })
}

/// All of a small body.
pub async fn gather(body: &mut Body, limit: usize, stall: Duration) -> Result<Vec<u8>, Refusal> {
    let mut gathered = Vec::new();
    loop {
        match timeout(stall, next(body)).await {
            Ok(Some(Ok(bytes))) => gathered.extend_from_slice(&bytes),
            Ok(None) => return Ok(gathered),
            Ok(Some(Err(error))) => return Err(interrupted(&error.to_string())),
            Err(_elapsed) => return Err(interrupted("no byte came for too long")),
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
    mut writer: BlobWriter,
    mut piece: Vec<u8>,
) -> Result<(BlobWriter, Vec<u8>), Refusal> {
    if piece.is_empty() {
        return Ok((writer, piece));
    }
    let written = tokio::task::spawn_blocking(move || {
        if let Err(error) = writer.write_all(&piece) {
            let path = writer.path().to_owned();
            // What cannot be finished must not keep the room it took.
            writer.cancel();
            return Err(Refusal::from(io(&path)(error)));
        }
        piece.clear();
        Ok((writer, piece))
    });
    written
        .await
        .unwrap_or_else(|error| Err(Refusal::bug(&error)))
}

fn interrupted(why: &str) -> Refusal {
    Refusal::new(
        StatusCode::BAD_REQUEST,
        "BLOB_UPLOAD_INVALID",
        format!("the body was cut off: {why}"),
    )
}
