//! Triggered runs in the log: one record a run, as requests have.

use std::sync::Arc;
use std::time::SystemTime;

use fnlocal_triggers::delivery::{Disposition, Run, RunOutcome};

use fnlocal_logs::{Logs, Record, RequestRecord};

/// The status a run answered with, or was answered for it; 0 if it did not begin.
pub(super) fn status(outcome: &RunOutcome) -> u16 {
    match outcome {
        RunOutcome::Done { status } | RunOutcome::Failed { status, .. } => *status,
        RunOutcome::NotRun { .. } => 0,
    }
}

/// Writes a run's record, and what went wrong. In place of a method stands what triggered it.
pub(super) fn log(logs: &Logs, node: Arc<str>, run: &Run) {
    if let (RunOutcome::NotRun { .. }, Disposition::Again(_)) = (&run.outcome, run.fate) {
        // Nothing ran, and nothing is lost.
        return;
    }
    let word = run.head.trigger.word().to_ascii_uppercase();
    let problem = match (run.fate, &run.outcome) {
        (Disposition::Done, _) => None,
        (Disposition::Again(_), _) => Some("retried"),
        (Disposition::Dead, _) => Some("dead"),
    };
    logs.send(Record::Request(Arc::new(RequestRecord {
        at: SystemTime::now()
            .checked_sub(run.took)
            .unwrap_or(SystemTime::UNIX_EPOCH),
        id: run.head.id.to_string().into(),
        function: Some(Arc::from(run.head.function.as_str())),
        method: http::Method::from_bytes(word.as_bytes()).unwrap_or(http::Method::POST),
        path: RequestRecord::path_of(&run.head.path),
        node,
        status: status(&run.outcome),
        start: None,
        served: None,
        trace: None,
        first_byte: run.took,
        total: run.took,
        problem,
    })));
    if run.fate == Disposition::Dead {
        let why = run.head.error.as_deref().unwrap_or("it failed");
        let first = why.lines().next().unwrap_or_default();
        logs.warn(format!(
            "job {} of /{} was given up after {} runs: {first}\n  \
             hint: `fnlocal queue show {}` shows it, `fnlocal queue retry {}` runs it again",
            run.head.id, run.head.function, run.head.attempts, run.head.id, run.head.id
        ));
    }
}
