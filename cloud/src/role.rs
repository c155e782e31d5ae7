//! A node's permissions on AWS: as few as its work needs.

use std::collections::BTreeSet;

use fnlocal_core::release::Release;
use fnlocal_core::trigger::SourceKind;
use serde_json::{Value, json};

use crate::events;
use crate::inventory::AccountRegion;
use crate::names::ResourceNames;
use crate::node;

/// Returns the trust policy: EC2 instances may take the role.
#[must_use]
pub fn trust() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "ec2.amazonaws.com" },
            "Action": "sts:AssumeRole",
        }],
    })
}

/// The permissions of a node that depend on its environment.
#[derive(Clone, Copy, Debug)]
pub struct NodeExtras {
    /// The node writes to CloudWatch Logs.
    pub logs: bool,
    /// The node works off the queue at SQS.
    pub durable: bool,
}

/// Returns the trust policy of the schedules' role: EventBridge Scheduler may take it, for this
/// environment's schedules.
#[must_use]
pub fn schedule_trust(names: &ResourceNames, place: &AccountRegion) -> Value {
    let AccountRegion {
        partition,
        account,
        region,
        ..
    } = place;
    let group = names.schedule_group();
    let group = format!("arn:{partition}:scheduler:{region}:{account}:schedule-group/{group}");
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "scheduler.amazonaws.com" },
            "Action": "sts:AssumeRole",
            "Condition": { "StringEquals": {
                "aws:SourceAccount": account,
                "aws:SourceArn": group,
            } },
        }],
    })
}

/// Returns the permissions of the schedules' role.
#[must_use]
pub fn schedule_policy(names: &ResourceNames, place: &AccountRegion) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "Fire",
            "Effect": "Allow",
            "Action": "sqs:SendMessage",
            "Resource": queue_arn(place, &names.queue()),
        }],
    })
}

/// Returns the policy of a queue: only nodes and schedules may send to it.
#[must_use]
pub fn queue_policy(names: &ResourceNames, place: &AccountRegion, queue: &str) -> Value {
    let AccountRegion {
        partition, account, ..
    } = place;
    let role = |name: &str| format!("arn:{partition}:iam::{account}:role/{name}");
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "OnlyNodesAndSchedulesSend",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:SendMessage",
            "Resource": queue_arn(place, queue),
            "Condition": { "ArnNotEquals": {
                "aws:PrincipalArn": [
                    role(&names.role(&place.region)),
                    role(&names.schedule_role(&place.region)),
                ],
            } },
        }],
    })
}

/// Returns a queue's ARN.
#[must_use]
pub fn queue_arn(place: &AccountRegion, queue: &str) -> String {
    let AccountRegion {
        partition,
        account,
        region,
        ..
    } = place;
    format!("arn:{partition}:sqs:{region}:{account}:{queue}")
}

/// Returns the role's permissions; `parameters` are the SSM parameters functions get their
/// variables from, `queues` the ARNs of the SQS queues they get events from.
#[must_use]
pub fn policy(
    names: &ResourceNames,
    place: &AccountRegion,
    parameters: &BTreeSet<String>,
    queues: &BTreeSet<String>,
    extras: NodeExtras,
) -> Value {
    let AccountRegion {
        partition,
        account,
        region,
        ..
    } = place;
    let arn =
        |service: &str, what: &str| format!("arn:{partition}:{service}:{region}:{account}:{what}");
    let peer_key = names.peer_key();
    let parameters: Vec<String> = parameters
        .iter()
        .map(String::as_str)
        .chain([peer_key.as_str()])
        .map(|name| arn("ssm", &format!("parameter{name}")))
        .collect();
    let group = format!("autoScalingGroup:*:autoScalingGroupName/{}", names.group());
    let mut statements = vec![
        json!({
            "Sid": "PullImages",
            "Effect": "Allow",
            "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            "Resource": arn("ecr", &format!("repository/{}", names.repository())),
        }),
        // These know no resources.
        json!({
            "Sid": "FindPeersAndRelease",
            "Effect": "Allow",
            "Action": [
                "autoscaling:DescribeAutoScalingGroups",
                "ec2:DescribeInstances",
                "ecr:GetAuthorizationToken",
            ],
            "Resource": "*",
        }),
        json!({
            "Sid": "EndInPeace",
            "Effect": "Allow",
            "Action": [
                "autoscaling:CompleteLifecycleAction",
                "autoscaling:RecordLifecycleActionHeartbeat",
            ],
            "Resource": arn("autoscaling", &group),
        }),
        json!({
            "Sid": "PublishMetrics",
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricData",
            "Resource": "*",
            "Condition": { "StringEquals": { "cloudwatch:namespace": node::METRICS } },
        }),
        json!({
            "Sid": "ReadVariables",
            "Effect": "Allow",
            "Action": ["ssm:GetParameter", "ssm:GetParameters"],
            "Resource": parameters,
        }),
    ];
    statements.extend(read_queues(queues));
    statements.extend(extras.durable.then(|| work_off_jobs(names, place)));
    if extras.logs {
        let group = format!("log-group:{}", names.log_group());
        statements.push(json!({
            "Sid": "WriteLogs",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": [arn("logs", &group), arn("logs", &format!("{group}:*"))],
        }));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn work_off_jobs(names: &ResourceNames, place: &AccountRegion) -> Value {
    json!({
        "Sid": "WorkOffJobs",
        "Effect": "Allow",
        "Action": [
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
        ],
        "Resource": [
            queue_arn(place, &names.queue()),
            queue_arn(place, &names.dead_letter_queue()),
        ],
    })
}

fn read_queues(queues: &BTreeSet<String>) -> Option<Value> {
    (!queues.is_empty()).then(|| {
        json!({
            "Sid": "ReadQueues",
            "Effect": "Allow",
            "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage"],
            "Resource": queues,
        })
    })
}

/// The ARNs of the SQS queues that functions get events from. A queue's URL ends in its account and
/// its name, and names its region.
#[must_use]
pub fn queues(release: &Release, place: &AccountRegion) -> BTreeSet<String> {
    let functions = release.functions();
    let sources = functions
        .values()
        .flat_map(|(_, function)| &function.triggers.sources);
    let read = sources.filter(|one| matches!(one.source, SourceKind::Sqs | SourceKind::S3));
    read.filter_map(|one| {
        let (rest, name) = one.name.rsplit_once('/')?;
        let account = rest.rsplit('/').next()?;
        let region = events::region_of(&one.name).unwrap_or(&place.region);
        Some(format!(
            "arn:{}:sqs:{region}:{account}:{name}",
            place.partition
        ))
    })
    .collect()
}
