//! Asks a running fnlocal of this machine, for the commands that do.

use bytes::Bytes;
use fnlocal_api::headers as api_headers;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use fnlocal_project::Running;

/// A running fnlocal does not answer.
#[derive(Debug, thiserror::Error)]
#[error("the fnlocal at {url} does not answer")]
pub struct AskError {
    /// Where it should.
    pub url: String,
    /// Why.
    pub source: std::io::Error,
}

/// Sends a request to a running fnlocal, with its token.
///
/// # Errors
/// [`AskError`] when no whole answer comes.
pub async fn ask(
    running: &Running,
    mut request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, AskError> {
    let is_platform = request.uri().path().starts_with("/_fnlocal/");
    let url = if is_platform {
        &running.platform
    } else {
        &running.url
    };
    let fail = |source: std::io::Error| AskError {
        url: url.clone(),
        source,
    };
    let other = |error: hyper::Error| fail(std::io::Error::other(error));
    let place = url.trim_start_matches("http://");
    let stream = TcpStream::connect(place).await.map_err(fail)?;
    let headers = request.headers_mut();
    let host = HeaderValue::from_str(place);
    let host = host.map_err(|error| fail(std::io::Error::other(error)))?;
    headers.insert(header::HOST, host);
    // By it a command of this machine may also ask for what clients may not. No function sees it.
    let token = HeaderValue::from_str(&running.token);
    let token = token.map_err(|error| fail(std::io::Error::other(error)))?;
    headers.insert(api_headers::TOKEN, token);
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(other)?;
    let asking = async {
        let response = sender.send_request(request).await.map_err(other)?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(other)?.to_bytes();
        Ok(Response::from_parts(parts, body))
    };
    tokio::pin!(asking);
    tokio::select! {
        answered = &mut asking => answered,
        // It ends with the answer, or breaks and tells whoever waits for it.
        _ended = connection => asking.await,
    }
}
