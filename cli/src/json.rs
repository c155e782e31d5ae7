//! Records as JSON, one a line, for machines.

use std::time::{SystemTime, UNIX_EPOCH};

use fnlocal_api::Failure;
use fnlocal_logs::{Record, RequestRecord};
use serde_json::{Value, json};

/// One record. Times are milliseconds; `at` is since 1970.
pub fn value(record: &Record) -> Value {
    match record {
        Record::Request(request) => of_request(request),
        Record::Done { .. } => Value::Null,
        Record::Line {
            function,
            request,
            stderr,
            line,
            ..
        } => json!({
            "event": "log",
            "function": function,
            "request": request,
            "stream": if *stderr { "stderr" } else { "stdout" },
            "line": line,
        }),
        Record::Error {
            function,
            request,
            failure,
            fatal,
            before,
            ..
        } => json!({
            "event": "error",
            "function": function,
            "request": request,
            "fatal": fatal,
            "before": before,
            "error": failure.summary(),
            "stack": failure.stack,
        }),
        Record::ImportFailed { function, failure } => not_imported(function, failure),
        Record::Died {
            function,
            instance,
            reason,
            ..
        } => json!({
            "event": "died",
            "function": function,
            "instance": instance.to_string(),
            "reason": reason,
        }),
        Record::StartFailed {
            package,
            error,
            hint,
        } => json!({"event": "start_failed", "package": package, "error": error, "hint": hint}),
        Record::Engine { up, message } => json!({"event": "engine", "up": up, "message": message}),
        Record::Switched {
            function,
            files,
            after,
        } => json!({
            "event": "reloaded",
            "function": function,
            "code": files,
            "after_ms": after.map(|after| after.as_secs_f64() * 1000.0),
        }),
        Record::Note { warning, text } => {
            json!({"event": if *warning { "warning" } else { "note" }, "text": text})
        }
        Record::Dropped { function, count } => {
            json!({"event": "dropped", "function": function, "count": count})
        }
    }
}

fn not_imported(function: &str, failure: &Failure) -> Value {
    json!({
        "event": "import_failed",
        "function": function,
        "error": failure.summary(),
        "file": failure.file,
        "line": failure.line,
        "column": failure.column,
        "frame": failure.frame,
        "hint": failure.hint,
    })
}

fn of_request(request: &RequestRecord) -> Value {
    json!({
        "event": "request",
        "at": since_epoch(request.at),
        "request": &*request.id,
        "function": request.function,
        "method": request.method.as_str(),
        "path": request.path,
        "status": request.status,
        "start": request.start,
        "first_byte_ms": request.first_byte.as_secs_f64() * 1000.0,
        "total_ms": request.total.as_secs_f64() * 1000.0,
        "problem": request.problem,
    })
}

fn since_epoch(at: SystemTime) -> u128 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis())
}
