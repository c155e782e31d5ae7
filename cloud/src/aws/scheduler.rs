//! EventBridge Scheduler: the schedules of functions.

use aws_sdk_scheduler::types::{
    FlexibleTimeWindow, FlexibleTimeWindowMode, ScheduleGroupState, SqsParameters, Tag, Target,
};
use futures_util::future::try_join_all;

use super::{Aws, Creation, called, found, settled};
use crate::error::CloudError;
use crate::inventory::{FoundResource, ResourceOwner};
use crate::resource::{FunctionSchedule, Resource, ScheduleGroup};

impl Aws {
    /// Returns the group and the schedules in it.
    pub(super) async fn read_schedule_group(&self) -> Result<Vec<FoundResource>, CloudError> {
        let name = self.names.schedule_group();
        let call = self.scheduler.get_schedule_group().name(&name);
        let group = found!(
            "scheduler:GetScheduleGroup",
            ["ResourceNotFoundException"],
            call
        )?;
        let group = group.filter(|group| group.state() != Some(&ScheduleGroupState::Deleting));
        let Some(group) = group else {
            return Ok(Vec::new());
        };
        let arn = group.arn().unwrap_or_default().to_owned();
        let call = self.scheduler.list_tags_for_resource().resource_arn(&arn);
        let tags = found!(
            "scheduler:ListTagsForResource",
            ["ResourceNotFoundException"],
            call
        )?;
        let tags = tags.and_then(|output| output.tags).unwrap_or_default();
        let owner = self.owner(tags.iter().map(|tag| (tag.key(), tag.value())));
        // Schedules in a stranger's group are a stranger's.
        let names = if owner == ResourceOwner::Ours {
            self.schedule_names(&name).await?
        } else {
            Vec::new()
        };
        let read = names.iter().map(|one| self.read_function_schedule(one));
        let schedules = try_join_all(read).await?;
        let mut all = vec![FoundResource {
            owner,
            id: arn,
            resource: Resource::ScheduleGroup(ScheduleGroup { name }),
        }];
        all.extend(schedules.into_iter().flatten());
        Ok(all)
    }

    async fn schedule_names(&self, group: &str) -> Result<Vec<String>, CloudError> {
        let (mut names, mut token) = (Vec::new(), None);
        loop {
            let call = self.scheduler.list_schedules().group_name(group);
            let output = called!("scheduler:ListSchedules", call.set_next_token(token))?;
            let listed = output.schedules.into_iter();
            names.extend(listed.filter_map(|one| one.name));
            token = output.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(names);
            }
        }
    }

    async fn read_function_schedule(
        &self,
        name: &str,
    ) -> Result<Option<FoundResource>, CloudError> {
        let call = self.scheduler.get_schedule().name(name);
        let call = call.group_name(self.names.schedule_group());
        let schedule = found!("scheduler:GetSchedule", ["ResourceNotFoundException"], call)?;
        let Some(schedule) = schedule else {
            return Ok(None);
        };
        let target = schedule.target();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let group = target.and_then(|target| target.sqs_parameters()?.message_group_id());
        Ok(Some(FoundResource {
            owner: ResourceOwner::Ours,
            id: text(schedule.arn()),
            resource: Resource::FunctionSchedule(FunctionSchedule {
                name: name.to_owned(),
                expression: text(schedule.schedule_expression()),
                timezone: text(schedule.schedule_expression_timezone()),
                target: text(target.map(Target::arn)),
                role: text(target.map(Target::role_arn)),
                message_group: group.map(str::to_owned),
                input: text(target.and_then(Target::input)),
            }),
        }))
    }

    pub(super) async fn create_schedule_group(&self, name: &str) -> Result<Creation, CloudError> {
        let mut call = self.scheduler.create_schedule_group().name(name);
        for (key, value) in self.tags() {
            let tag = Tag::builder().key(key).value(value).build();
            call = call.tags(tag.expect("key and value are set"));
        }
        let made = found!("scheduler:CreateScheduleGroup", ["ConflictException"], call)?;
        Ok(match made {
            Some(output) => Creation::New(output.schedule_group_arn),
            None => Creation::There,
        })
    }

    pub(super) async fn create_function_schedule(
        &self,
        wanted: &FunctionSchedule,
    ) -> Result<Creation, CloudError> {
        let call = self.scheduler.create_schedule().name(&wanted.name);
        let call = call
            .group_name(self.names.schedule_group())
            .schedule_expression(&wanted.expression)
            .schedule_expression_timezone(&wanted.timezone)
            .flexible_time_window(at_its_time())
            .target(target(wanted));
        // A role that was made just now cannot be taken everywhere yet.
        let made = settled!(
            self,
            "scheduler:CreateSchedule",
            ["ValidationException"],
            call
        );
        match made {
            Ok(output) => Ok(Creation::New(output.schedule_arn)),
            Err(error) if fnlocal_api::chain(&error).contains("ConflictException") => {
                Ok(Creation::There)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn change_function_schedule(
        &self,
        wanted: &FunctionSchedule,
    ) -> Result<(), CloudError> {
        let call = self.scheduler.update_schedule().name(&wanted.name);
        let call = call
            .group_name(self.names.schedule_group())
            .schedule_expression(&wanted.expression)
            .schedule_expression_timezone(&wanted.timezone)
            .flexible_time_window(at_its_time())
            .target(target(wanted));
        settled!(
            self,
            "scheduler:UpdateSchedule",
            ["ValidationException"],
            call
        )
        .map(drop)
    }

    pub(super) async fn delete_function_schedule(&self, name: &str) -> Result<(), CloudError> {
        let call = self.scheduler.delete_schedule().name(name);
        let call = call.group_name(self.names.schedule_group());
        found!(
            "scheduler:DeleteSchedule",
            ["ResourceNotFoundException"],
            call
        )
        .map(drop)
    }

    /// Deletes the group with the schedules in it.
    pub(super) async fn delete_schedule_group(&self, name: &str) -> Result<(), CloudError> {
        let call = self.scheduler.delete_schedule_group().name(name);
        found!(
            "scheduler:DeleteScheduleGroup",
            ["ResourceNotFoundException", "ConflictException"],
            call
        )
        .map(drop)
    }
}

fn at_its_time() -> FlexibleTimeWindow {
    let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off);
    window.build().expect("its mode is set")
}

fn target(wanted: &FunctionSchedule) -> Target {
    let group = wanted.message_group.as_ref();
    let group = group.map(|group| SqsParameters::builder().message_group_id(group).build());
    let target = Target::builder()
        .arn(&wanted.target)
        .role_arn(&wanted.role)
        .input(&wanted.input)
        .set_sqs_parameters(group);
    target.build().expect("ARN and role are set")
}
