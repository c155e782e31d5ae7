//! CloudWatch Logs: the group of the nodes' records, and what is in it.

use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;

use super::{Aws, Creation, called, found};
use crate::error::CloudError;
use crate::inventory::FoundResource;
use crate::logs::{LogPage, NodeLogLine};
use crate::resource::{LogGroup, Resource};

impl Aws {
    pub(super) async fn read_log_group(&self) -> Result<Option<FoundResource>, CloudError> {
        let name = self.names.log_group();
        let mut token = None;
        let group = loop {
            let call = self.logs.describe_log_groups().log_group_name_prefix(&name);
            let output = called!("logs:DescribeLogGroups", call.set_next_token(token))?;
            let mut groups = output.log_groups.unwrap_or_default().into_iter();
            // Others' names may begin with ours.
            let ours = groups.find(|group| group.log_group_name() == Some(name.as_str()));
            token = output.next_token.filter(|token| !token.is_empty());
            if ours.is_some() || token.is_none() {
                break ours;
            }
        };
        let Some(group) = group else { return Ok(None) };
        let arn = self.arn("logs", &format!("log-group:{name}"));
        let call = self.logs.list_tags_for_resource().resource_arn(&arn);
        let output = found!(
            "logs:ListTagsForResource",
            ["ResourceNotFoundException"],
            call
        )?;
        let tags = output.and_then(|output| output.tags).unwrap_or_default();
        let tags = tags
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()));
        Ok(Some(FoundResource {
            owner: self.owner(tags),
            id: arn,
            resource: Resource::LogGroup(LogGroup {
                name,
                // Without a policy it keeps them for ever.
                days: group
                    .retention_in_days
                    .and_then(|days| u32::try_from(days).ok())
                    .unwrap_or(0),
            }),
        }))
    }

    pub(super) async fn create_log_group(&self, wanted: &LogGroup) -> Result<Creation, CloudError> {
        let mut call = self.logs.create_log_group().log_group_name(&wanted.name);
        for (key, value) in self.tags() {
            call = call.tags(key, value);
        }
        let made = found!(
            "logs:CreateLogGroup",
            ["ResourceAlreadyExistsException"],
            call
        )?;
        if made.is_none() {
            return Ok(Creation::There);
        }
        self.set_retention(wanted).await?;
        let arn = self.arn("logs", &format!("log-group:{}", wanted.name));
        Ok(Creation::New(arn))
    }

    pub(super) async fn set_retention(&self, wanted: &LogGroup) -> Result<(), CloudError> {
        let call = self.logs.put_retention_policy();
        let call = call
            .log_group_name(&wanted.name)
            .retention_in_days(i32::try_from(wanted.days).unwrap_or(i32::MAX));
        called!("logs:PutRetentionPolicy", call).map(drop)
    }

    pub(super) async fn delete_log_group(&self, name: &str) -> Result<(), CloudError> {
        let call = self.logs.delete_log_group().log_group_name(name);
        found!("logs:DeleteLogGroup", ["ResourceNotFoundException"], call).map(drop)
    }

    /// A part of the nodes' records from `since` on, in milliseconds since 1970, where `filter` says
    /// in CloudWatch's own language which; `token` is of the part before. None when there is no
    /// group.
    pub(crate) async fn events(
        &self,
        since: Option<i64>,
        filter: Option<&str>,
        token: Option<String>,
    ) -> Result<Option<LogPage>, CloudError> {
        let call = self.logs.filter_log_events();
        let call = call
            .log_group_name(self.names.log_group())
            .set_start_time(since)
            .set_filter_pattern(filter.map(str::to_owned))
            .set_next_token(token);
        let output = found!("logs:FilterLogEvents", ["ResourceNotFoundException"], call)?;
        Ok(output.map(|output| LogPage {
            events: output
                .events
                .unwrap_or_default()
                .into_iter()
                .map(event)
                .collect(),
            next: output.next_token.filter(|token| !token.is_empty()),
        }))
    }
}

fn event(event: FilteredLogEvent) -> NodeLogLine {
    NodeLogLine {
        id: event.event_id.unwrap_or_default(),
        at: event.timestamp.unwrap_or_default(),
        text: event.message.unwrap_or_default(),
    }
}
