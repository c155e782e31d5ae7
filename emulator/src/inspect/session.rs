//! One debugger attached to one instance.

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::HeaderValue;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use fnlocal_language::InspectPaths;

use super::BoxError;

/// The maximum length of a message, in bytes. A profile of minutes is one message of many megabytes.
const MAX_MESSAGE_BYTES: usize = 256 << 20;

fn large() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
}

/// Returns the answer to a client's key.
pub(super) fn accept_key(key: &HeaderValue) -> Result<HeaderValue, BoxError> {
    Ok(HeaderValue::from_str(&derive_accept_key(key.as_bytes()))?)
}

/// Attaches to an instance's inspector.
pub(super) async fn open(
    stream: UnixStream,
    id: &str,
) -> Result<WebSocketStream<UnixStream>, BoxError> {
    let url = format!("ws://127.0.0.1/{id}");
    let (socket, _) = client_async_with_config(url, stream, Some(large())).await?;
    Ok(socket)
}

/// Passes messages on until either side ends; the other then ends too, and a debugger attaches
/// again to the instance that took over.
pub(super) async fn carry(
    client: OnUpgrade,
    instance: WebSocketStream<UnixStream>,
    paths: InspectPaths,
) {
    let Ok(client) = client.await else {
        return;
    };
    let client: WebSocketStream<TokioIo<Upgraded>> =
        WebSocketStream::from_raw_socket(TokioIo::new(client), Role::Server, Some(large())).await;
    let (mut to_client, from_client) = client.split();
    let (mut to_instance, from_instance) = instance.split();
    tokio::select! {
        // Whichever way breaks ends both.
        _over = pass(from_client, &mut to_instance, |text| paths.to_instance(text)) => {}
        _over = pass(from_instance, &mut to_client, |text| paths.to_client(text)) => {}
    }
    let _gone = to_client.send(Message::Close(None)).await;
    let _gone = to_instance.send(Message::Close(None)).await;
}

async fn pass<A, B>(
    mut from: SplitStream<WebSocketStream<A>>,
    to: &mut SplitSink<WebSocketStream<B>, Message>,
    rewrite: impl Fn(&str) -> String,
) -> Result<(), Error>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = from.next().await {
        match message? {
            Message::Text(text) => to.send(Message::text(rewrite(&text))).await?,
            Message::Close(_) => return Ok(()),
            // Pings are answered by the library.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            binary @ Message::Binary(_) => to.send(binary).await?,
        }
    }
    Ok(())
}
