//! Bytes both ways after a switch of protocols, such as WebSocket.

use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::answer::Entry;
use crate::driver::Ticket;

/// Bytes taken over at once, each way.
const PIECE: usize = 16 * 1024;

/// Joins a client and an instance until one of them ends or both are silent for too long. The
/// instance is taken for as long.
pub fn start(
    client: OnUpgrade,
    instance: OnUpgrade,
    ticket: Ticket,
    entry: Entry,
    idle_timeout: Duration,
) {
    tokio::task::spawn_local(async move {
        let problem = match tokio::join!(client, instance) {
            (Ok(client), Ok(instance)) => {
                carry(TokioIo::new(client), TokioIo::new(instance), idle_timeout).await
            }
            _ => Some("client_gone"),
        };
        // An instance whose tunnel ended may still be at work: it is asked before it is reused.
        drop(ticket);
        entry.write(problem);
    });
}

async fn carry<A, B>(client: A, instance: B, idle_timeout: Duration) -> Option<&'static str>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut client_read, mut client_write) = tokio::io::split(client);
    let (mut instance_read, mut instance_write) = tokio::io::split(instance);
    let mut up = [0; PIECE];
    let mut down = [0; PIECE];
    let (mut up_open, mut down_open) = (true, true);
    while up_open || down_open {
        let carried = tokio::select! {
            read = client_read.read(&mut up), if up_open => {
                pass(read, &up, &mut instance_write, &mut up_open).await
            }
            read = instance_read.read(&mut down), if down_open => {
                pass(read, &down, &mut client_write, &mut down_open).await
            }
            () = tokio::time::sleep(idle_timeout) => return Some("idle_timeout"),
        };
        if carried.is_err() {
            return None;
        }
    }
    None
}

async fn pass<W: AsyncWrite + Unpin>(
    read: std::io::Result<usize>,
    bytes: &[u8],
    to: &mut W,
    open: &mut bool,
) -> std::io::Result<()> {
    match read? {
        0 => {
            *open = false;
            to.shutdown().await
        }
        count => {
            to.write_all(&bytes[..count]).await?;
            to.flush().await
        }
    }
}
