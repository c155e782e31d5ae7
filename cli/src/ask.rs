//! Asking the fnlocal that runs on a folder.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fnlocal_gateway::triggers;
use fnlocal_gateway::triggers::job::JobMeta;
use fnlocal_project::Running;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::exit::Exit;

/// Why a command came to nothing.
pub struct Failure {
    /// How it ends.
    pub exit: Exit,
    /// What happened.
    pub error: Box<dyn std::error::Error + Send + Sync>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What a running fnlocal answered.
pub struct Answer(Response<Bytes>);

/// Asks a running fnlocal about its queue.
pub fn ask(running: &Running, what: &str, body: Option<&Value>) -> Result<Answer, Failure> {
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
        .map_err(|error| Failure {
            exit: Exit::Bug,
            error: error.into(),
            hint: None,
        })?;
    let answer = send(running, request)?;
    if answer.0.status() == StatusCode::OK {
        return Ok(answer);
    }
    Err(answer.problem())
}

/// Sends any request to a running fnlocal.
pub fn send(running: &Running, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failure {
        exit: Exit::Failed,
        error: error.into(),
        hint: None,
    })?;
    let answered = runtime.block_on(triggers::ask(running, request));
    answered.map(Answer).map_err(|error| Failure {
        exit: Exit::Unreachable,
        error: error.into(),
        hint: Some("is it ending? try again".to_owned()),
    })
}

impl Answer {
    /// The answer as it came.
    pub fn response(&self) -> &Response<Bytes> {
        &self.0
    }

    /// The answer's JSON.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(self.0.body()).map_err(|error| Failure {
            exit: Exit::Bug,
            error: error.into(),
            hint: Some("is it another version of fnlocal?".to_owned()),
        })
    }

    /// A job's head and body in an answer that shows one.
    pub fn job(value: &Value) -> Option<(JobMeta, Vec<u8>)> {
        let head = JobMeta::deserialize(&value["job"]).ok()?;
        Some((head, STANDARD.decode(value["body"].as_str()?).ok()?))
    }

    /// The problem it tells.
    pub fn problem(&self) -> Failure {
        let problem: Value = serde_json::from_slice(self.0.body()).unwrap_or_default();
        let text = |key: &str| problem[key].as_str().map(str::to_owned);
        let status = self.0.status();
        let error = text("detail").unwrap_or_else(|| format!("it answered {status}"));
        Failure {
            exit: Exit::Failed,
            error: error.into(),
            hint: text("hint"),
        }
    }
}
