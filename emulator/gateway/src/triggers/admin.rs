//! `/_fnlocal/queue`: what `fnlocal queue` asks of a running fnlocal.
//!
//! All of it wants the run's token, reading too: jobs hold what clients sent.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fnlocal_api::UserError;
use fnlocal_triggers::job::JobId;
use fnlocal_triggers::queue::Selection;
use fnlocal_triggers::store::QueueStoreError;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde_json::json;
use tokio::task::spawn_blocking;

use super::Triggers;
use crate::ClientBody;
use crate::Problem;
use crate::ResponseBody;
use crate::peers::proves;
use crate::platform::TOKEN_HEADER;

/// The path all of them begin with.
pub const PATH: &str = "/_fnlocal/queue";
/// The maximum size of a selection in bytes: some ten thousand ids.
const SELECTION: usize = 256 << 10;

/// The maximum number of bytes of a body that is shown if it has a file of its own.
pub const MAX_SHOWN_BYTES: u64 = 1 << 20;

impl Triggers {
    /// Answers a question about the queue.
    pub async fn admin(&self, request: Request<ClientBody>, token: &str) -> Response<ResponseBody> {
        let answered = self.asked(request, token).await;
        answered.unwrap_or_else(|problem| problem.response(""))
    }

    async fn asked(
        &self,
        request: Request<ClientBody>,
        token: &str,
    ) -> Result<Response<ResponseBody>, Problem> {
        let given = request.headers().get(TOKEN_HEADER);
        let token = HeaderValue::from_str(token).ok();
        if !token
            .zip(given)
            .is_some_and(|(token, given)| proves(&token, given))
        {
            let what = "the queue is shown and changed with the run's token only";
            let hint = "send the token of .fnlocal/running.json as x-fnlocal-token";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "token", what).hint(hint));
        }
        let method = request.method().clone();
        let path = request.uri().path().trim_start_matches(PATH).to_owned();
        let value = match (&method, path.trim_start_matches('/')) {
            (&Method::POST, "list") => {
                let selection = selection(request).await?;
                let mut list = self.queue().list(selection).await.map_err(store)?;
                let is_gone = self.gone();
                for one in &mut list {
                    one.gone = is_gone(&one.job.function);
                }
                let written = spawn_blocking(move || serde_json::to_string(&list)).await;
                let written = written.ok().and_then(Result::ok);
                return Ok(answer(
                    written.ok_or_else(|| store(QueueStoreError::Closed))?,
                ));
            }
            (&Method::POST, "retry") => {
                let selection = selection(request).await?;
                json!({ "retried": Rc::clone(self.queue()).retry(selection).await.map_err(store)? })
            }
            (&Method::POST, "purge") => {
                let selection = selection(request).await?;
                json!({ "purged": Rc::clone(self.queue()).purge(selection).await.map_err(store)? })
            }
            (&Method::GET, id) => self.shown(id).await?,
            _ => return Err(unknown("the queue has no such path")),
        };
        Ok(answer(value.to_string()))
    }

    async fn shown(&self, id: &str) -> Result<serde_json::Value, Problem> {
        let id: JobId = id.parse().map_err(unknown)?;
        let job = self.queue().show(id).await.map_err(store)?;
        let job = job.ok_or_else(|| unknown("there is no such job"))?;
        let body = match job.file {
            Some(file) => spawn_blocking(move || beginning(&file)).await,
            None => Ok(Ok(job.body)),
        };
        let broken = |error: &dyn std::fmt::Display| {
            let what = format!("the body of job {id} cannot be read: {error}");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "queue", what)
        };
        let body = body.map_err(|error| broken(&error))?;
        let body = body.map_err(|error| broken(&error))?;
        let gone = self.gone()(&job.head.function);
        Ok(json!({ "job": job.head, "body": STANDARD.encode(&body), "gone": gone }))
    }

    /// Tells which functions are not there. While none is there, they may be on their way.
    fn gone(&self) -> impl Fn(&str) -> bool + use<> {
        let functions = self.functions();
        let names = functions.iter().map(|function| Arc::clone(&function.name));
        let names: BTreeSet<Arc<str>> = names.collect();
        move |name| !names.is_empty() && !names.contains(name)
    }
}

fn answer(json: String) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(json));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The beginning of a body that is a file.
fn beginning(file: &File) -> std::io::Result<Bytes> {
    let mut body = Vec::new();
    file.take(MAX_SHOWN_BYTES).read_to_end(&mut body)?;
    Ok(body.into())
}

async fn selection(request: Request<ClientBody>) -> Result<Selection, Problem> {
    let wrong = |error: String| Problem::new(StatusCode::BAD_REQUEST, "selection", error);
    let body = Limited::new(request.into_body(), SELECTION).collect().await;
    let body = body.map_err(|error| wrong(error.to_string()))?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))
}

fn unknown(what: &str) -> Problem {
    let hint = "`fnlocal queue list` names the jobs";
    Problem::new(StatusCode::NOT_FOUND, "unknown_job", what).hint(hint)
}

#[allow(clippy::needless_pass_by_value, reason = "given to map_err")]
fn store(error: QueueStoreError) -> Problem {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Problem::new(status, "queue", error.to_string()).hint(error.hint())
}
