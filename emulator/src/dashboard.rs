//! `/_fnlocal/`: a page that shows what runs, and what it is fed with.
//!
//! The page's files are in the binary, and the page loads nothing from anywhere else. Changes
//! arrive as server-sent events, at most [`feed::TICKS`] a second. All viewers get the same bytes,
//! made once, and only while there is a viewer. Deliberately absent: any way to act that other
//! clients do not have; the page asks for the same paths with the run's token.

mod assets;
mod feed;
mod history;
mod latency;
mod tail;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Sse};
use axum::routing::get;
use fnlocal_core::balancer::TargetState;
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use feed::Feed;
use fnlocal_driver::{Count, Histogram};
use fnlocal_faults::Faults;
use fnlocal_gateway::platform::Picture;
use fnlocal_logs::Archive;
use history::History;

const EVENTS: &str = "/_fnlocal/events";
const HISTORY: &str = "/_fnlocal/history";
/// Time between two points of the history.
const HISTORY_PERIOD: Duration = Duration::from_secs(1);

/// Facts that do not change while something is served.
#[derive(Clone, Debug)]
pub(crate) struct About {
    /// The project's name.
    pub project: String,
    /// The runtime of instances, for people.
    pub runtime: String,
}

/// The state of the nodes at a moment.
#[derive(Debug, Serialize)]
pub(crate) struct RunNow {
    /// Nodes by name.
    pub nodes: BTreeMap<String, NodeNow>,
    /// `None` if there is only one node.
    pub fleet: Option<FleetNow>,
    /// Time to the head of the answer of all requests so far.
    #[serde(skip)]
    pub latency: Histogram,
}

/// A node at a moment.
#[derive(Debug, Serialize)]
pub(crate) struct NodeNow {
    /// How far it is.
    pub stage: NodeStage,
    /// How the balancer sees it; none when it does not know it.
    pub target: Option<TargetState>,
    /// Requests of other nodes may be forwarded to it.
    pub routed: bool,
    /// None before it has booted, and after its end.
    pub picture: Option<Picture>,
}

/// The stage of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NodeStage {
    /// Its machine boots.
    Booting,
    /// The node imports the code.
    Importing,
    /// The node serves.
    Serving,
    /// The node finishes its requests.
    Draining,
    /// The node ended without a drain, or never came up.
    Dead,
    /// The node has ended.
    Gone,
}

/// A fleet at a moment.
#[derive(Debug, Serialize)]
pub(crate) struct FleetNow {
    /// Nodes wanted; none for a fleet of a fixed size.
    pub desired: Option<u32>,
    /// Nodes stopped in the warm pool.
    pub pooled: u32,
    /// How many times as fast as usual the fleet's time runs.
    pub time_scale: f64,
    /// How requests ended of which no node tells.
    pub ended: Vec<Count>,
}

#[derive(Clone)]
struct EventsState {
    feed: Feed,
    history: Arc<Mutex<History>>,
    about: String,
    stop: CancellationToken,
}

#[derive(Serialize)]
struct AboutEvent<'a> {
    project: &'a str,
    runtime: &'a str,
    version: &'static str,
    /// Another run counts from zero.
    run: String,
}

/// Returns whether a path is a file of the page, which holds no data.
pub(crate) fn is_page_file(path: &str) -> bool {
    assets::has(path)
}

/// Returns whether a path is one of the dashboard's.
pub(crate) fn has(path: &str) -> bool {
    path == EVENTS || path == HISTORY || assets::has(path)
}

/// Starts to feed whoever looks, who is let go at `stop`: a stream would never end by itself. Returns
/// the paths, and the task that feeds. `now` is asked on the gateway's thread.
pub(crate) fn start(
    about: &About,
    archive: Option<Archive>,
    stop: CancellationToken,
    now: impl Fn() -> RunNow + 'static,
) -> (Router, JoinHandle<()>) {
    let about = AboutEvent {
        project: &about.project,
        runtime: &about.runtime,
        version: env!("CARGO_PKG_VERSION"),
        run: format!("{:08x}", rand::random::<u32>()),
    };
    let feed = Feed::default();
    let history = Arc::<Mutex<History>>::default();
    let watched = EventsState {
        feed: feed.clone(),
        history: Arc::clone(&history),
        about: serde_json::to_string(&about).expect("plain texts"),
        stop,
    };
    let feeding = spawn_local(async move {
        let _guard = Faults::process().lasting("the dashboard");
        tokio::join!(feed.run(&now, archive), remember(&history, &now));
    });
    let fed = Router::new()
        .route(EVENTS, get(events))
        .route(HISTORY, get(all_history))
        .with_state(watched);
    (assets::router().merge(fed), feeding)
}

/// Adds a point to the history each second, until dropped.
async fn remember(history: &Mutex<History>, now: &impl Fn() -> RunNow) {
    let mut ticks = tokio::time::interval(HISTORY_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = now();
        history
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(feed::millis(), &now);
    }
}

async fn all_history(State(watched): State<EventsState>) -> impl IntoResponse {
    let history = watched.history.lock();
    let json = history.unwrap_or_else(PoisonError::into_inner).json();
    ([(header::CONTENT_TYPE, "application/json")], json)
}

async fn events(
    State(watched): State<EventsState>,
) -> Sse<impl Stream<Item = Result<Event, std::convert::Infallible>>> {
    let about = Event::default().event("about").data(watched.about);
    let about = futures_util::stream::iter([about]);
    let rest = watched.feed.subscribe();
    let rest = rest.map(|told| Event::default().event(told.kind).data(&*told.json));
    let stream = about.chain(rest).map(Ok);
    Sse::new(stream.take_until(watched.stop.cancelled_owned()))
}
