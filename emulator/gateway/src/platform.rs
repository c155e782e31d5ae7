//! `/_fnlocal/*`: the platform's own paths.
//!
//! axum wants handlers that can move between threads, and the driver cannot, so a handler asks
//! the gateway's thread over a channel.

mod records;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use fnlocal_api::headers as api_headers;
use fnlocal_core::NodeView;
use fnlocal_core::trigger::Signature;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use crate::metrics::{self, NodeCounts};
use fnlocal_driver::Count;
use fnlocal_faults::{Fault, Faults};
use fnlocal_logs::Archive;

use crate::triggers::TriggersView;
pub use records::records;

/// A question of a platform path to the gateway's thread.
#[derive(Debug)]
pub enum Ask {
    /// A picture of the node.
    View(oneshot::Sender<Picture>),
    /// The counts of the node.
    Counts(oneshot::Sender<NodeCounts>),
    /// A cold start for a function's next request; answered whether there is such a function.
    Cold {
        /// Its name.
        function: String,
        /// Where the answer goes.
        answer: oneshot::Sender<bool>,
    },
}

/// A picture of the node with the names people use.
#[derive(Debug, serde::Serialize)]
pub struct Picture {
    /// Functions by number, as in `node`.
    pub functions: std::collections::BTreeMap<String, String>,
    /// The forms of functions' handlers, by name.
    pub signatures: std::collections::BTreeMap<String, Signature>,
    /// The state of the core.
    pub node: NodeView,
    /// How requests ended, since the node began.
    pub requests: Vec<Count>,
    /// Its queue, schedules and sources; none for a node of a fleet, which shares them.
    pub triggers: Option<TriggersView>,
}

/// Where a fnlocal says whether it is well.
pub const HEALTH_PATH: &str = "/_fnlocal/health";

/// The header that carries the token.
pub const TOKEN_HEADER: &str = api_headers::TOKEN;

/// Asks that may wait; a browser with a few pages open never has more.
const ASKS: usize = 64;

#[derive(Clone)]
pub struct PlatformState {
    asks: mpsc::Sender<Ask>,
    token: String,
    archive: Option<Archive>,
}

/// Returns the router, and the receiver of its questions. Changes require `token`; kept records are
/// in `archive`.
pub fn router(token: &str, archive: Option<Archive>) -> (Router, mpsc::Receiver<Ask>) {
    let (asks, questions) = mpsc::channel(ASKS);
    let platform = PlatformState {
        asks,
        token: token.to_owned(),
        archive: archive.clone(),
    };
    let router = Router::new()
        .route(HEALTH_PATH, get(health))
        .route("/_fnlocal/view", get(view))
        .route("/_fnlocal/metrics", get(scrape))
        .route("/_fnlocal/cold", post(cold))
        .with_state(platform);
    let router = match archive {
        Some(archive) => router.merge(records(archive)),
        None => router,
    };
    (router.fallback(not_found), questions)
}

async fn health() -> Response {
    health_with(None)
}

/// `ok`, or 503 with the parts of the platform that are missing: those of the process, and the queue
/// while it is down.
pub fn health_with(queue: Option<Fault>) -> Response {
    let missing: Vec<Fault> = Faults::process()
        .missing()
        .into_iter()
        .chain(queue)
        .collect();
    if missing.is_empty() {
        return "ok\n".into_response();
    }
    let line = |one: &Fault| format!("{}: {}\n", one.part, one.what);
    let text: String = missing.iter().map(line).collect();
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn view(State(platform): State<PlatformState>) -> Response {
    let (answer, answered) = oneshot::channel();
    let asked = platform.asks.send(Ask::View(answer)).await;
    match (asked, answered.await) {
        (Ok(()), Ok(picture)) => json(move || picture).await,
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn scrape(State(platform): State<PlatformState>) -> Response {
    let (answer, answered) = oneshot::channel();
    let asked = platform.asks.send(Ask::Counts(answer)).await;
    match (asked, answered.await) {
        (Ok(()), Ok(counts)) => {
            let write = move || metrics::text_of(vec![counts], platform.archive.as_ref());
            match spawn_blocking(write).await {
                Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// JSON, written off the gateway's thread.
async fn json<T: serde::Serialize>(what: impl FnOnce() -> T + Send + 'static) -> Response {
    match spawn_blocking(move || serde_json::to_vec(&what())).await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[derive(Deserialize)]
struct ColdQuery {
    function: String,
}

async fn cold(
    State(platform): State<PlatformState>,
    headers: HeaderMap,
    Query(ColdQuery { function }): Query<ColdQuery>,
) -> Response {
    let given = headers.get(TOKEN_HEADER).map(|token| token.as_bytes());
    if !given.is_some_and(|given| same(given, platform.token.as_bytes())) {
        let hint = "send the token of .fnlocal/running.json as x-fnlocal-token";
        return problem(StatusCode::UNAUTHORIZED, "token", hint);
    }
    let (answer, answered) = oneshot::channel();
    let asked = platform.asks.send(Ask::Cold { function, answer }).await;
    match (asked, answered.await) {
        (Ok(()), Ok(true)) => StatusCode::NO_CONTENT.into_response(),
        (Ok(()), Ok(false)) => {
            let hint = "GET /_fnlocal/view names the functions";
            problem(StatusCode::NOT_FOUND, "unknown_function", hint)
        }
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Compares in a time that does not tell how much was right.
fn same(given: &[u8], token: &[u8]) -> bool {
    let differ = given.iter().zip(token).fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == token.len() && differ == 0
}

async fn not_found() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "unknown_path",
        "the platform's paths are /_fnlocal/health, view, logs, errors, metrics and cold",
    )
}

fn problem(status: StatusCode, reason: &str, hint: &str) -> Response {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "reason": reason,
        "hint": hint,
    });
    (status, Json(body)).into_response()
}
