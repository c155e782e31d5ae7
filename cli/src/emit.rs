//! `fnlocal emit`: sends a CloudEvent to a function.

mod args;

pub use args::{EXAMPLES, EmitArgs};

use fnlocal_api::headers as api_headers;
use std::io::Read;

use bytes::Bytes;
use fnlocal_api::Exit;
use fnlocal_gateway::triggers::clock::Clock;
use fnlocal_gateway::triggers::event::{SourceEvent, content_type, rfc3339};
use fnlocal_project::Running;
use http::Request;
use serde_json::{Value, json};

use crate::ask::{PlatformAnswer, send};
use crate::error::{CliError, CommandResult};
use crate::terminal;

/// Sends it, and prints the answer.
pub fn run(args: &EmitArgs) -> CommandResult {
    Ok(print(args, &emit(args)?))
}

fn emit(args: &EmitArgs) -> Result<PlatformAnswer, CliError> {
    let running = Running::find(&args.folder)?;
    let data = data(&args.data)?;
    let kind = args.content_type.clone();
    let event = SourceEvent {
        id: args.id.clone().unwrap_or_else(id),
        source: args.source.clone(),
        kind: args.kind.clone(),
        subject: args.subject.clone(),
        time_ms: Some(Clock::system().now_ms()),
        content_type: kind.unwrap_or_else(|| content_type(&data).to_owned()),
        data,
    };
    let (headers, body) = if args.structured {
        let kind = (
            "content-type".to_owned(),
            "application/cloudevents+json".to_owned(),
        );
        (vec![kind], structured(&event))
    } else {
        (event.headers(), event.data.clone())
    };
    let mut request = Request::post(format!("/{}", args.function));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if args.deferred {
        request = request.header(api_headers::INVOKE, "async");
    }
    if let Some(key) = &args.order_key {
        request = request.header(api_headers::ORDER_KEY, key);
    }
    let request = request
        .body(body)
        .map_err(|error| CliError::usage(error, "a function's name, and what headers can hold"))?;
    send(&running, request)
}

/// The event as one JSON document: CloudEvents' JSON format, 3.
fn structured(event: &SourceEvent) -> Bytes {
    let mut document = json!({
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.kind,
        "datacontenttype": event.content_type,
    });
    if let Some(subject) = &event.subject {
        document["subject"] = json!(subject);
    }
    if let Some(time) = event.time_ms.and_then(rfc3339) {
        document["time"] = json!(time);
    }
    if let Ok(value) = serde_json::from_slice::<Value>(&event.data) {
        document["data"] = value;
    } else if let Ok(text) = std::str::from_utf8(&event.data) {
        document["data"] = json!(text);
    } else {
        use base64::Engine;
        let engine = base64::engine::general_purpose::STANDARD;
        document["data_base64"] = json!(engine.encode(&event.data));
    }
    Bytes::from(document.to_string())
}

fn data(said: &str) -> Result<Bytes, CliError> {
    let fail = |error: std::io::Error| {
        let text = format!("the event's data cannot be read from {said}: {error}");
        CliError::usage(text, None)
    };
    Ok(match said.strip_prefix('@') {
        None => Bytes::from(said.to_owned()),
        Some("-") => {
            let mut read = Vec::new();
            std::io::stdin().read_to_end(&mut read).map_err(fail)?;
            Bytes::from(read)
        }
        Some(path) => Bytes::from(std::fs::read(path).map_err(fail)?),
    })
}

/// An id nobody else has: the time and this process.
fn id() -> String {
    let nanos = jiff::Timestamp::now().as_nanosecond();
    format!("{nanos:x}-{:x}", std::process::id())
}

fn print(args: &EmitArgs, answer: &PlatformAnswer) -> Exit {
    let response = answer.response();
    let status = response.status();
    let body = String::from_utf8_lossy(response.body());
    let header = |name: &str| {
        let value = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    if args.json {
        let request = header(api_headers::REQUEST_ID);
        let parsed: Option<Value> = serde_json::from_slice(response.body()).ok();
        let body = parsed.unwrap_or_else(|| json!(body));
        let text = json!({ "status": status.as_u16(), "request_id": request, "body": body });
        terminal::print_json(&text);
    } else {
        terminal::eprintln!("{status}");
        terminal::print_body(response.body());
    }
    if status.is_success() {
        Exit::Ok
    } else {
        Exit::Failed
    }
}
