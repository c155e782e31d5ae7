//! Bytes both ways after a switch of protocols, such as WebSocket.

use std::cell::Cell;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::access_log::AccessRecord;

/// Bytes taken over at once, each way.
const CHUNK_BYTES: usize = 16 * 1024;

/// Joins a client and its server until one of them ends or both are silent for too long. `held`,
/// such as the instance, stays taken for as long.
pub fn start(
    client: OnUpgrade,
    upstream: OnUpgrade,
    held: impl Sized + 'static,
    record: AccessRecord,
    idle_timeout: Duration,
    cut: CancellationToken,
) {
    tokio::task::spawn_local(async move {
        let problem = match tokio::join!(client, upstream) {
            (Ok(client), Ok(upstream)) => {
                let carried = carry(TokioIo::new(client), TokioIo::new(upstream), idle_timeout);
                tokio::select! {
                    problem = carried => problem,
                    () = cut.cancelled() => Some("draining"),
                }
            }
            _ => Some("client_gone"),
        };
        // An instance whose tunnel ended may still be at work: it is asked before it is reused.
        drop(held);
        record.write(problem);
    });
}

async fn carry<A, B>(client: A, instance: B, idle_timeout: Duration) -> Option<&'static str>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (client_read, client_write) = tokio::io::split(client);
    let (instance_read, instance_write) = tokio::io::split(instance);
    let moved = Cell::new(Instant::now());
    let both = async {
        let up = pass(client_read, instance_write, &moved);
        let down = pass(instance_read, client_write, &moved);
        // Whichever way breaks ends both.
        tokio::try_join!(up, down)
    };
    tokio::select! {
        _over = both => None,
        () = silence(&moved, idle_timeout) => Some("idle_timeout"),
    }
}

/// Returns once no byte was taken over either way for so long: a side that does not read counts as
/// silent too.
async fn silence(moved: &Cell<Instant>, limit: Duration) {
    loop {
        let due = moved.get() + limit;
        if due <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(due).await;
    }
}

async fn pass<R, W>(mut from: R, mut to: W, moved: &Cell<Instant>) -> std::io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut piece = vec![0; CHUNK_BYTES];
    loop {
        let count = from.read(&mut piece).await?;
        moved.set(Instant::now());
        if count == 0 {
            return to.shutdown().await;
        }
        let mut rest = &piece[..count];
        while !rest.is_empty() {
            let taken = to.write(rest).await?;
            if taken == 0 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            moved.set(Instant::now());
            rest = &rest[taken..];
        }
        to.flush().await?;
    }
}
