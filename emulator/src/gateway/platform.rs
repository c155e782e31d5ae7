//! `/_fnlocal/*`: the platform's own paths.
//!
//! axum wants handlers that can move between threads, and the driver cannot, so a handler asks
//! the gateway's thread over a channel.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use fnlocal_core::NodeView;
use tokio::sync::{mpsc, oneshot};

/// What a platform path asks of the gateway's thread.
#[derive(Debug)]
pub enum Ask {
    /// A picture of the node.
    View(oneshot::Sender<Picture>),
}

/// A picture of the node with the names people use.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Picture {
    /// Functions by number, as in `node`.
    pub functions: std::collections::BTreeMap<String, String>,
    /// What the core knows.
    pub node: NodeView,
}

/// Asks that may wait; a browser with a few pages open never has more.
const ASKS: usize = 64;

/// The router, and where its questions come out.
pub fn router() -> (Router, mpsc::Receiver<Ask>) {
    let (asks, questions) = mpsc::channel(ASKS);
    let router = Router::new()
        .route("/_fnlocal/health", get(health))
        .route("/_fnlocal/view", get(view))
        .fallback(not_found)
        .with_state(asks);
    (router, questions)
}

async fn health() -> &'static str {
    "ok\n"
}

async fn view(State(asks): State<mpsc::Sender<Ask>>) -> axum::response::Response {
    let (answer, answered) = oneshot::channel();
    let asked = asks.send(Ask::View(answer)).await;
    match (asked, answered.await) {
        (Ok(()), Ok(picture)) => Json(picture).into_response(),
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn not_found() -> (StatusCode, Json<serde_json::Value>) {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "reason": "unknown_path",
        "hint": "the platform's paths are /_fnlocal/health and /_fnlocal/view",
    });
    (StatusCode::NOT_FOUND, Json(body))
}
