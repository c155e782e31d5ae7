//! Asking the fnlocal that runs on a folder.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fnlocal_api::Exit;
use fnlocal_gateway::triggers;
use fnlocal_gateway::triggers::job::JobMeta;
use fnlocal_project::Running;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::CliError;

/// What a running fnlocal answered.
pub struct PlatformAnswer(Response<Bytes>);

/// Asks a running fnlocal about its queue.
pub fn ask(
    running: &Running,
    what: &str,
    body: Option<&Value>,
) -> Result<PlatformAnswer, CliError> {
    let path = format!("/_fnlocal/queue/{what}");
    let text = body.map(ToString::to_string).unwrap_or_default();
    let request = Request::builder()
        .method(if body.is_some() {
            Method::POST
        } else {
            Method::GET
        })
        .uri(path)
        .body(Full::new(Bytes::from(text)))
        .map_err(CliError::bug)?;
    let answer = send(running, request)?;
    if answer.0.status() == StatusCode::OK {
        return Ok(answer);
    }
    Err(answer.problem())
}

/// Sends any request to a running fnlocal.
pub fn send(running: &Running, request: Request<Full<Bytes>>) -> Result<PlatformAnswer, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(CliError::failed)?;
    let answered = runtime.block_on(triggers::ask(running, request));
    answered
        .map(PlatformAnswer)
        .map_err(|error| CliError::new(Exit::Unreachable, error, "is it ending? try again"))
}

impl PlatformAnswer {
    /// The answer as it came.
    pub fn response(&self) -> &Response<Bytes> {
        &self.0
    }

    /// The answer's JSON.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, CliError> {
        serde_json::from_slice(self.0.body())
            .map_err(|error| CliError::new(Exit::Bug, error, "is it another version of fnlocal?"))
    }

    /// A job's head and body in an answer that shows one.
    pub fn job(value: &Value) -> Option<(JobMeta, Vec<u8>)> {
        let head = JobMeta::deserialize(&value["job"]).ok()?;
        Some((head, STANDARD.decode(value["body"].as_str()?).ok()?))
    }

    /// The problem it tells.
    pub fn problem(&self) -> CliError {
        let problem: Value = serde_json::from_slice(self.0.body()).unwrap_or_default();
        let text = |key: &str| problem[key].as_str().map(str::to_owned);
        let status = self.0.status();
        let error = text("detail").unwrap_or_else(|| format!("it answered {status}"));
        CliError::new(Exit::Failed, error, text("hint"))
    }
}
