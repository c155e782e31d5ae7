//! The answer, and what it cost.

use fnlocal_api::headers as api_headers;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

use anstyle::AnsiColor;
use fnlocal_api::Exit;
use http::StatusCode;
use reqwest::Response;

use crate::error::{CliError, CommandResult};
use crate::invoke::InvokeArgs;
use crate::lines::millis;
use crate::terminal;

/// An answer whose body is still to come.
pub struct StreamedAnswer<'a> {
    args: &'a InvokeArgs,
    response: Response,
    began: Instant,
}

/// The platform's own answer, in a function's stead.
#[derive(Debug, serde::Deserialize, thiserror::Error)]
#[error("{detail}")]
struct PlatformProblem {
    detail: String,
    hint: Option<String>,
}

// Addresses are written as names where names are typed.
fnlocal_api::user_error!(PlatformProblem {
    Self { hint, .. } => hint.as_ref().map(|hint| hint.replace(" /", " "));
});

impl<'a> StreamedAnswer<'a> {
    /// The answer to a request that was sent at `began`.
    pub fn new(args: &'a InvokeArgs, response: Response, began: Instant) -> Self {
        Self {
            args,
            response,
            began,
        }
    }

    /// The body as it comes on stdout, the rest on stderr. Fails in silence when stdout is closed.
    pub async fn print(mut self) -> CommandResult {
        let status = self.response.status();
        let head = self.head();
        if self.is_platforms() {
            return Err(self.error(&head).await);
        }
        let mut body = terminal::BodyPrinter::start();
        let cut = loop {
            match self.response.chunk().await {
                Ok(Some(bytes)) if body.write(&bytes).is_err() => return Ok(Exit::Failed),
                Ok(Some(_)) => {}
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        if body.end().is_err() {
            return Ok(Exit::Failed);
        }
        terminal::eprintln!("{head}  {}", millis(self.began.elapsed()));
        if let Some(error) = cut {
            let hint = "`fnlocal dev` says why, where it runs";
            return Err(CliError::new(Exit::Failed, error.without_url(), hint));
        }
        Ok(ended(status))
    }

    /// Everything as one JSON object.
    pub async fn print_json(self) -> CommandResult {
        let status = self.response.status();
        let headers = self.response.headers();
        let named: BTreeMap<_, _> = headers
            .iter()
            .map(|(name, value)| {
                let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), text)
            })
            .collect();
        let timing: BTreeMap<_, _> = phases(self.header("server-timing").unwrap_or_default())
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let texts = ["start", "request-id", "instance", "code", "node"]
            .map(|name| self.header(&format!("x-fnlocal-{name}")).map(str::to_owned));
        let began = self.began;
        let (body, cut) = match self.response.bytes().await {
            Ok(bytes) => (as_json(&bytes), None),
            Err(error) => (serde_json::Value::Null, Some(error.without_url())),
        };
        let [start, request, instance, code, node] = texts;
        let answer = serde_json::json!({
            "status": status.as_u16(),
            "start": start,
            "request": request,
            "instance": instance,
            "code": code,
            "node": node,
            "took_ms": began.elapsed().as_secs_f64() * 1000.0,
            "timing": timing,
            "headers": named,
            "body": body,
        });
        terminal::print_json(&answer);
        match cut {
            Some(error) => Err(CliError::new(
                Exit::Failed,
                error,
                "the answer was cut short",
            )),
            None => Ok(ended(status)),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// No instance answered, and what the platform says is for people.
    fn is_platforms(&self) -> bool {
        self.header(api_headers::INSTANCE).is_none()
            && self.header("content-type") == Some("application/problem+json")
    }

    /// The platform's answer as an error, with its body still on stdout.
    async fn error(self, head: &str) -> CliError {
        let (began, function) = (self.began, &self.args.function);
        let text = self.response.text().await.unwrap_or_default();
        terminal::print_body(text.as_bytes());
        terminal::eprintln!("{head}  {}", millis(began.elapsed()));
        match serde_json::from_str::<PlatformProblem>(&text) {
            Ok(problem) => problem.into(),
            Err(error) => {
                let hint = format!("`fnlocal ps` shows what {function} does");
                CliError::new(Exit::Failed, error, hint)
            }
        }
    }

    /// Status, start and phases in one line.
    fn head(&self) -> String {
        let status = self.response.status();
        let colour = match status.as_u16() {
            500.. => AnsiColor::Red,
            400.. => AnsiColor::Yellow,
            _ => AnsiColor::Green,
        };
        let (colour, dim) = (colour.on_default(), anstyle::Style::new().dimmed());
        let reason = status.canonical_reason().unwrap_or_default();
        let mut text = format!("{colour}{} {reason}{colour:#}", status.as_u16());
        if let Some(start) = self.header(api_headers::START) {
            let _infallible = write!(text, "  {start}");
        }
        let spent = phases(self.header("server-timing").unwrap_or_default());
        let spent: Vec<_> = spent
            .iter()
            .map(|(name, spent)| format!("{name} {spent}"))
            .collect();
        if !spent.is_empty() {
            let _infallible = write!(text, "  {dim}{} ms{dim:#}", spent.join(", "));
        }
        if let Some(id) = self.header(api_headers::REQUEST_ID) {
            let _infallible = write!(text, "  {dim}request {id}{dim:#}");
        }
        text
    }
}

fn ended(status: StatusCode) -> Exit {
    if status.is_client_error() || status.is_server_error() {
        Exit::Failed
    } else {
        Exit::Ok
    }
}

/// A body as JSON, else as text, else as what text can be made of it.
fn as_json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned().into())
}

/// The phases of a `Server-Timing` header with their milliseconds, in order.
fn phases(header: &str) -> Vec<(&str, f64)> {
    let phase = |part| -> Option<(&str, f64)> {
        let (name, rest) = str::split_once(part, ';')?;
        let spent = rest
            .split(';')
            .find_map(|one| one.trim().strip_prefix("dur="));
        Some((name.trim(), spent?.parse().ok()?))
    };
    header.split(',').filter_map(phase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_timing_phases_keep_their_order() {
        let header = "queue;dur=0.1, boot;desc=\"x\";dur=20, odd, handler;dur=2.8";
        let read = phases(header);
        assert_eq!(read, [("queue", 0.1), ("boot", 20.0), ("handler", 2.8)]);
    }
}
