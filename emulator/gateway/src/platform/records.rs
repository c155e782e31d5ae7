//! `/_fnlocal/logs` and `/_fnlocal/errors`: what is kept, also while it grows.

use std::io;
use std::path::PathBuf;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query as Words, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use fnlocal_api::UserError;
use futures_util::{Stream, stream};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::problem;
use fnlocal_logs::Archive;
use fnlocal_logs::cursor::Cursor;
use fnlocal_logs::document::DocumentKind;
use fnlocal_logs::query::{self, Query, QueryError};

/// The maximum number of the newest records that one answer has if `limit` is given.
const MAX_RECORDS: usize = 10_000;
/// Bytes read before they are sent.
const CHUNK_BYTES: usize = 64 * 1024;

/// Routes to what is kept.
pub fn records(archive: Archive) -> Router {
    Router::new()
        .route("/_fnlocal/logs", get(logs))
        .route("/_fnlocal/errors", get(errors))
        .with_state(archive)
}

async fn errors(State(archive): State<Archive>) -> Response {
    super::json(move || archive.errors()).await
}

/// The query of `/_fnlocal/logs`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RecordsQuery {
    function: Option<String>,
    since: Option<String>,
    grep: Option<String>,
    request: Option<String>,
    kind: Option<DocumentKind>,
    limit: Option<usize>,
    follow: Option<u8>,
}

impl RecordsQuery {
    fn query(self) -> Result<Query, QueryError> {
        let since = self.since.as_deref();
        let since = since.map(|text| query::since(text, Timestamp::now()));
        Ok(Query {
            function: self.function,
            since: since.transpose()?,
            grep: self.grep.as_deref().map(query::grep).transpose()?,
            request: self.request,
            kind: self.kind,
            limit: self.limit.map(|limit| limit.min(MAX_RECORDS)),
        })
    }
}

async fn logs(
    State(archive): State<Archive>,
    asked: Result<Words<RecordsQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let Words(asked) = match asked {
        Ok(asked) => asked,
        Err(error) => return problem(StatusCode::BAD_REQUEST, "query", &error.body_text()),
    };
    let follow = asked.follow.is_some_and(|follow| follow > 0);
    let query = match asked.query() {
        Ok(query) => query,
        Err(error) => {
            let hint = format!("{error}: {}", error.hint().unwrap_or_default());
            return problem(StatusCode::BAD_REQUEST, "query", &hint);
        }
    };
    let follow = follow.then(|| LogFollower {
        changes: archive.written(),
        archive: archive.clone(),
    });
    match Reading::begin(archive.folder().to_owned(), query, follow).await {
        Ok((first, reading)) => {
            let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
            (kind, Body::from_stream(reading.stream(first))).into_response()
        }
        Err(error) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            problem(status, "log_unreadable", &error.to_string())
        }
    }
}

/// A place in a log that somebody reads on from.
struct Reading {
    query: Query,
    cursor: Cursor,
    /// None for who wants only what is there.
    follow: Option<LogFollower>,
}

/// The source of news about more records.
struct LogFollower {
    changes: watch::Receiver<u64>,
    archive: Archive,
}

impl LogFollower {
    /// Waits for more; false when none will come, or nobody may wait any longer.
    async fn more(&mut self) -> bool {
        tokio::select! {
            changed = self.changes.changed() => changed.is_ok(),
            () = self.archive.stopped() => false,
        }
    }
}

impl Reading {
    /// The first of it, where only the last lines are wanted, and the rest.
    async fn begin(
        folder: PathBuf,
        query: Query,
        follow: Option<LogFollower>,
    ) -> io::Result<(String, Self)> {
        let read = move || {
            let (first, cursor) = query.begin(&folder)?;
            let reading = Self {
                query,
                cursor,
                follow,
            };
            Ok((first, reading))
        };
        off(read).await
    }

    fn stream(self, first: String) -> impl Stream<Item = io::Result<Bytes>> + use<> {
        let limited = self.query.limit.is_some() && self.follow.is_none();
        let state = (!limited).then_some(self);
        let rest = stream::unfold(state, async |state| {
            let mut reading = state?;
            loop {
                if let Some(follow) = &mut reading.follow {
                    follow.changes.mark_unchanged();
                }
                let mut at = reading;
                let read = off(move || {
                    let text = at.query.next(&mut at.cursor, CHUNK_BYTES)?;
                    Ok((text, at))
                });
                let text = match read.await {
                    Ok((text, back)) => {
                        reading = back;
                        text
                    }
                    Err(error) => return Some((Err(error), None)),
                };
                if let Some(text) = text {
                    return Some((Ok(Bytes::from(text)), Some(reading)));
                }
                if !reading.follow.as_mut()?.more().await {
                    return None;
                }
            }
        });
        let first = (!first.is_empty()).then(|| Ok(Bytes::from(first)));
        futures_util::StreamExt::chain(stream::iter(first), rest)
    }
}

/// Reads files on a thread where reading holds up nothing.
async fn off<T: Send + 'static>(
    read: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(read)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}
