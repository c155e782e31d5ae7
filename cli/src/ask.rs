//! Asking the fnlocal that runs on a folder.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fnlocal_api::Exit;
use fnlocal_api::headers as api_headers;
use fnlocal_gateway::triggers::job::JobMeta;
use fnlocal_project::Running;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use reqwest::redirect::Policy;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::CliError;
use crate::running::{AskError, block_on};

/// An answer of a running fnlocal.
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
        .body(Bytes::from(text))
        .map_err(CliError::bug)?;
    let answer = send(running, request)?;
    if answer.0.status() == StatusCode::OK {
        return Ok(answer);
    }
    Err(answer.problem())
}

/// Sends any request to a running fnlocal, with its token: by it, a command may also ask for what
/// clients may not. No function sees it.
pub fn send(running: &Running, request: Request<Bytes>) -> Result<PlatformAnswer, CliError> {
    let (head, body) = request.into_parts();
    let is_platform = head.uri.path().starts_with("/_fnlocal/");
    let base = if is_platform {
        &running.platform
    } else {
        &running.url
    };
    let asking = async {
        // A redirect that a function answers is shown, not followed.
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .build()?;
        let request = client
            .request(head.method, format!("{base}{}", head.uri))
            .headers(head.headers)
            .header(api_headers::TOKEN, &running.token)
            .body(body);
        let (head, body) = Response::from(request.send().await?).into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    };
    let silent = |source: reqwest::Error| AskError::Silent {
        url: base.clone(),
        source: source.without_url(),
    };
    let answered = block_on(async { asking.await.map_err(silent) });
    Ok(PlatformAnswer(answered?))
}

impl PlatformAnswer {
    /// The answer as it came.
    pub fn response(&self) -> &Response<Bytes> {
        &self.0
    }

    /// The answer's JSON.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, CliError> {
        serde_json::from_slice(self.0.body()).map_err(|error| {
            CliError::new(
                Exit::Bug,
                error,
                "compare its version with that of `fnlocal --version`",
            )
        })
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
