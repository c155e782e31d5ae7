//! The needs of asynchronous work: the queue with its dead letters, and the schedules of functions.

use fnlocal_core::release::{Release, ReleaseFunction};
use fnlocal_core::trigger::ScheduleSpec;
use serde_json::json;

use super::PromoteRequest;
use crate::cron::{ScheduleExpression, to_eventbridge};
use crate::error::{CloudError, CloudErrorKind};
use crate::inventory::AccountRegion;
use crate::job_queue::{group_of, max_receives, schedule_body};
use crate::names::ResourceNames;
use crate::resource::{FunctionSchedule, IamRole, MessageQueue, Resource, ScheduleGroup};
use crate::role;

/// The maximum number of days SQS keeps a message: "Amazon SQS message quotas".
const MAX_DAYS: u32 = 14;
/// The maximum of a redrive policy's `maxReceiveCount`.
const MAX_RECEIVES: u32 = 1000;
/// The maximum number of seconds that a message can be hidden, by ChangeMessageVisibility.
const MAX_HIDDEN_SECONDS: u64 = 12 * 3600;
/// The text that EventBridge Scheduler replaces by the time a firing is due.
const DUE: &str = "<aws.scheduler.scheduled-time>";

/// The wanted resources, and what people should know of them.
pub(super) struct DurableParts {
    pub resources: Vec<Resource>,
    pub warnings: Vec<String>,
}

/// Returns whether a release has work that no request waits for.
pub(super) fn is_asynchronous(release: &Release) -> bool {
    release.functions().values().any(|(_, function)| {
        let triggers = &function.triggers;
        function.schedule.is_some()
            || !triggers.sources.is_empty()
            || triggers.delivery.from_clients == Some(true)
    })
}

/// Returns the wanted resources of a release with asynchronous work.
///
/// # Errors
/// A function wants what the services do not have.
pub(super) fn durable(
    names: &ResourceNames,
    wish: &PromoteRequest,
    place: &AccountRegion,
) -> Result<DurableParts, CloudError> {
    let functions = wish.release.functions();
    let mut receives = 1;
    let (mut schedules, mut inexact) = (Vec::new(), Vec::new());
    for (name, (_, function)) in &functions {
        check(name, function)?;
        receives = receives.max(max_receives(function.triggers.delivery.attempts));
        let Some(spec) = &function.schedule else {
            continue;
        };
        let when = to_eventbridge(spec).map_err(|why| cannot_say(name, spec, &why))?;
        if !when.is_exact {
            inexact.push(format!("/{name}"));
        }
        schedules.push(schedule(names, place, name, function, spec, when));
    }
    let queue = |name: String, dead_letters: Option<String>, max_receives: u32| {
        Resource::Queue(MessageQueue {
            policy: role::queue_policy(names, place, &name),
            name,
            dead_letters,
            max_receives,
            days: MAX_DAYS,
            encrypted: true,
            deduplicates_content: true,
            high_throughput: true,
        })
    };
    let mut resources = vec![
        Resource::Role(IamRole {
            name: names.schedule_role(&place.region),
            trust: role::schedule_trust(names, place),
            policy: role::schedule_policy(names, place),
        }),
        queue(names.dead_letter_queue(), None, 0),
        queue(
            names.queue(),
            Some(names.dead_letter_queue()),
            receives.min(MAX_RECEIVES),
        ),
        Resource::ScheduleGroup(ScheduleGroup {
            name: names.schedule_group(),
        }),
    ];
    resources.extend(schedules.into_iter().map(Resource::FunctionSchedule));
    let mut warnings = Vec::new();
    if !inexact.is_empty() {
        warnings.push(format!(
            "on days when clocks are set, EventBridge Scheduler leaves out times that do not exist \
             and repeats none: {}",
            inexact.join(", ")
        ));
    }
    Ok(DurableParts {
        resources,
        warnings,
    })
}

fn schedule(
    names: &ResourceNames,
    place: &AccountRegion,
    name: &str,
    function: &ReleaseFunction,
    spec: &ScheduleSpec,
    when: ScheduleExpression,
) -> FunctionSchedule {
    let max_age = function.triggers.delivery.max_age.as_millis();
    let max_age = u64::try_from(max_age).unwrap_or(u64::MAX);
    let body = schedule_body(name, spec, max_age, DUE);
    let AccountRegion {
        partition,
        account,
        region,
        ..
    } = place;
    let queue = names.queue();
    let (target, message_group, input) = if spec.overlap {
        // Runs of one group come one after the other, so each firing has a group of its own, which
        // only the call itself can be given.
        let input = json!({
            "QueueUrl": queue_url(place, &queue),
            "MessageBody": body,
            "MessageGroupId": format!("{}.{DUE}", group_of(name, "schedule")),
            "MessageDeduplicationId": DUE,
        });
        let target = format!("arn:{partition}:scheduler:::aws-sdk:sqs:sendMessage");
        (target, None, input.to_string())
    } else {
        let target = format!("arn:{partition}:sqs:{region}:{account}:{queue}");
        (target, Some(group_of(name, "order schedule")), body)
    };
    FunctionSchedule {
        name: ResourceNames::function_schedule(name),
        expression: when.expression,
        timezone: when.timezone,
        target,
        role: format!(
            "arn:{partition}:iam::{account}:role/{}",
            names.schedule_role(&place.region)
        ),
        message_group,
        input,
    }
}

/// Returns a queue's URL.
#[must_use]
pub fn queue_url(place: &AccountRegion, queue: &str) -> String {
    let AccountRegion {
        account, region, ..
    } = place;
    let suffix = if place.partition == "aws-cn" {
        ".cn"
    } else {
        ""
    };
    format!("https://sqs.{region}.amazonaws.com{suffix}/{account}/{queue}")
}

fn check(name: &str, function: &ReleaseFunction) -> Result<(), CloudError> {
    let refuse =
        |what: String, hint: String| Err(CloudError::new(CloudErrorKind::Config, what).hint(hint));
    let backoff = function.triggers.delivery.backoff_max.as_secs();
    if backoff > MAX_HIDDEN_SECONDS {
        return refuse(
            format!("`backoff_max` of /{name} is longer than 12 hours, which is the most at SQS"),
            format!("shorten it in [functions.{name}.async] or [async]"),
        );
    }
    let mut sources = function.triggers.sources.iter();
    if let Some(source) = sources.find(|source| source.is_broadcast()) {
        return refuse(
            format!(
                "/{name} listens to `{}`, and an event that is sent while nodes come and go is lost",
                source.name
            ),
            format!(
                "name an `outbox` for `{}`: events stay in it until they are taken",
                source.name
            ),
        );
    }
    Ok(())
}

fn cannot_say(name: &str, spec: &ScheduleSpec, why: &str) -> CloudError {
    let what = format!(
        "EventBridge Scheduler has no schedule like `{}` of /{name}: {why}",
        spec.cron
    );
    CloudError::new(CloudErrorKind::Config, what).hint(format!(
        "change `schedule` of /{name}, or give it to two functions"
    ))
}
