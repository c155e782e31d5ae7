//! Firings of schedules, which EventBridge Scheduler puts into the queue.
//!
//! The scheduler sends each firing when it is due. A message that waited longer than [`LATE`] was
//! missed, be it that no node was there or that the run before had not ended: the schedule's policy
//! for missed runs decides about it, by what else is due until now.

use aws_sdk_sqs::types::Message;
use fnlocal_core::trigger::ScheduleSpec;
use fnlocal_triggers::job::{Job, JobMeta};
use fnlocal_triggers::schedule::Schedule;
use fnlocal_triggers::scheduler::{LATE, scheduled_job};
use serde::{Deserialize, Serialize};

use super::message::{number_of, receives, sent_ms};

/// A firing of a schedule in a message.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleMessage {
    pub function: String,
    pub spec: ScheduleSpec,
    /// The time it is due, RFC 3339 in UTC.
    pub due: String,
    pub max_age_ms: u64,
}

/// A firing of a schedule.
#[derive(Debug)]
pub(super) struct Firing {
    pub job: Job,
    schedule: Schedule,
    due_ms: u64,
}

impl ScheduleMessage {
    pub fn into_firing(self, message: &Message) -> Result<Firing, String> {
        let schedule = Schedule::new(&self.spec);
        let schedule = schedule.map_err(|error| format!("its schedule is wrong: {error}"))?;
        let due_ms = fnlocal_triggers::event::parse_rfc3339(&self.due);
        let due_ms = due_ms.ok_or_else(|| format!("`{}` is no time", self.due))?;
        let new = scheduled_job(&self.function, due_ms, self.spec.overlap, self.max_age_ms);
        let head = JobMeta {
            id: number_of(message),
            function: new.function,
            trigger: new.trigger,
            path: new.path,
            headers: new.headers,
            size: new.body.len() as u64,
            order: new.order,
            key: new.key,
            accepted_ms: sent_ms(message),
            due_ms,
            attempts: receives(message).saturating_sub(1),
            error: None,
            died_ms: None,
            max_age_ms: Some(self.max_age_ms),
        };
        let job = Job {
            head,
            body: new.body,
            file: None,
        };
        Ok(Firing {
            job,
            schedule,
            due_ms,
        })
    }
}

impl Firing {
    /// Returns whether the firing is to run at `now`, in milliseconds since 1970 by the clock of
    /// SQS. One that has run before and failed is.
    pub fn is_to_run(&self, now: u64) -> bool {
        let before = self.due_ms.saturating_sub(1);
        self.job.head.attempts > 0
            || self.due_ms > now
            || self
                .schedule
                .to_run(before, now, LATE)
                .contains(&self.due_ms)
    }
}
