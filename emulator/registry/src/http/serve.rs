//! A server for the API.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{HttpOptions, router, stall::WriteStall};
use crate::store::Store;

/// Pause after a connection that could not be accepted.
const BREATH: Duration = Duration::from_millis(100);
/// The maximum number of connections. More wait, and each of these has a deadline in every state.
const MAX_CONNECTIONS: usize = 256;

/// Serves a store until `stop`, then lets requests under way finish within the drain timeout.
pub async fn serve(
    store: Store,
    listener: TcpListener,
    options: HttpOptions,
    stop: CancellationToken,
) {
    let router = router(store, options.clone());
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => accepted,
            Some(_ended) = connections.join_next() => continue,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let router = router.clone();
                connections.spawn(graceful.watch(connection(stream, router, &options)));
            }
            // Out of file descriptors, most likely: waiting lets some connection end first.
            Err(_) => tokio::time::sleep(BREATH).await,
        }
    }
    drop(listener);
    let _cut_off = tokio::time::timeout(options.drain_timeout, graceful.shutdown()).await;
    connections.shutdown().await;
}

fn connection(
    stream: TcpStream,
    router: Router,
    options: &HttpOptions,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send + use<> {
    // A socket that is already gone is found out by the first read.
    let _gone = stream.set_nodelay(true);
    let stream = WriteStall::new(stream, options.stall_timeout);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let answer = router.clone().oneshot(request.map(axum::body::Body::new));
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.head_timeout)
        .serve_connection(TokioIo::new(stream), service)
}
