//! From records to documents: a request's two halves joined, and all else as it comes.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::document::{
    FunctionLogLine, Invocation, LogDocument, PlatformLine, WrapperMeasurement, stamp,
};
use super::join::{Together, WholeRequest};
use super::{Record, RequestRecord};

/// Makes documents of records.
#[derive(Default)]
pub struct Documents {
    together: Together,
}

impl Documents {
    /// Returns the documents that a record completes.
    pub fn take(&mut self, record: &Record, now: Instant) -> Vec<LogDocument> {
        let mut made: Vec<LogDocument> = match record {
            Record::Request(request) => {
                let whole = self.together.ended(now, request);
                whole.iter().map(whole_of).collect()
            }
            Record::Done {
                request,
                handler,
                cpu,
                memory,
            } => {
                let measured = WrapperMeasurement {
                    handler: *handler,
                    cpu: *cpu,
                    memory: *memory,
                };
                let whole = self.together.measured(request, measured);
                whole.iter().map(whole_of).collect()
            }
            Record::Line { .. } => line(record).into_iter().collect(),
            Record::Died { node, instance, .. } => {
                let alone = self.together.died(node, *instance);
                alone.iter().map(|one| half_of(one)).collect()
            }
            _ => Vec::new(),
        };
        made.extend(PlatformLine::from_record(record).map(LogDocument::Platform));
        made
    }

    /// The next request whose instance has not told in time what it took.
    pub fn overdue(&mut self, now: Instant) -> Option<LogDocument> {
        self.together.overdue(now).map(|one| half_of(&one))
    }

    /// When the next will be.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.together.next_due()
    }

    /// All that still wait.
    pub fn rest(&mut self) -> Vec<LogDocument> {
        let rest = self.together.rest();
        rest.iter().map(|one| half_of(one)).collect()
    }
}

fn whole_of((request, measured): &WholeRequest) -> LogDocument {
    LogDocument::Invocation(Invocation::new(request, *measured))
}

fn half_of(request: &RequestRecord) -> LogDocument {
    LogDocument::Invocation(Invocation::new(request, None))
}

fn line(record: &Record) -> Option<LogDocument> {
    let Record::Line {
        at,
        function,
        instance,
        node,
        request,
        stderr,
        line,
    } = record
    else {
        return None;
    };
    Some(LogDocument::Line(FunctionLogLine {
        time: stamp(at.unwrap_or_else(SystemTime::now)),
        function: function.clone(),
        instance: instance.to_string(),
        node: Arc::clone(node),
        request: request.as_deref().map(str::to_owned),
        stream: if *stderr { "stderr" } else { "stdout" }.to_owned(),
        text: line.clone(),
    }))
}
