//! Waiting until a wrapper answers.
//!
//! An open port proves nothing: a published one is opened by the engine long before the wrapper
//! listens. Only an answer to the health question counts. A wrapper that dials is there when its
//! connection is, and a connection that does not answer as it should is dropped for the next.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::Address;

/// How long an instance may take to boot, and then to open the channel of its reports.
pub const BOOT_TIMEOUT: Duration = Duration::from_secs(20);
/// Between two attempts at a port, which go through the engine's proxy.
const PORT_RETRY_INTERVAL: Duration = Duration::from_millis(5);
/// For one answer.
const ANSWER: Duration = Duration::from_secs(2);

/// Returns when the wrapper at `address` answers; never if it does not.
pub(crate) async fn answers(address: &Address, token: &str) {
    loop {
        let healthy = match address {
            Address::Dialed(listener) => match listener.accept().await {
                Ok(stream) => health(stream, token).await,
                Err(_) => false,
            },
            Address::Tcp(at) => match TcpStream::connect(at).await {
                Ok(stream) => health(stream, token).await,
                Err(_) => false,
            },
        };
        if healthy {
            return;
        }
        sleep(PORT_RETRY_INTERVAL).await;
    }
}

async fn health(stream: impl AsyncRead + AsyncWrite + Unpin, token: &str) -> bool {
    let answered = timeout(ANSWER, ask(stream, token));
    answered.await.unwrap_or_default()
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, token: &str) -> bool {
    let question = format!(
        "GET /_fnlocal/health HTTP/1.1\r\nhost: fnlocal\r\nx-fnlocal-token: {token}\r\n\
         connection: close\r\n\r\n"
    );
    if stream.write_all(question.as_bytes()).await.is_err() {
        return false;
    }
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.is_ok() && status == *b"HTTP/1.1 200"
}
