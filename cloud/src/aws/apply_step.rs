//! One step of a plan, on AWS.

use super::{Aws, Creation, Ids};
use crate::apply::{ApplyProgress, OnApplyProgress};
use crate::error::{CloudError, CloudErrorKind};
use crate::inventory::ResourceOwner;
use crate::plan::{self, Action, Plan, PlanStep};
use crate::resource::{LaunchTemplate, Resource};

impl Aws {
    /// Takes a step. Notes in `ids` what AWS calls what is new.
    ///
    /// # Errors
    /// AWS refuses or does not answer; or what should be made is there and not ours.
    pub(crate) async fn take(
        &self,
        step: &PlanStep,
        plan: &Plan,
        ids: &mut Ids,
        watcher: OnApplyProgress<'_>,
    ) -> Result<(), CloudError> {
        let key = step.resource.key();
        let id = step.id.as_deref().unwrap_or_default();
        match step.action {
            Action::Create => {
                let id = match Box::pin(self.make(&step.resource, plan, ids)).await? {
                    Creation::New(id) => id,
                    Creation::There => Box::pin(self.adopt(&step.resource, ids)).await?,
                };
                ids.insert(key, id);
                Ok(())
            }
            Action::Change | Action::Replace => {
                let fields: Vec<&str> = step.changes.iter().map(|it| it.field.as_str()).collect();
                Box::pin(self.change(id, step, &fields, ids, watcher)).await
            }
            Action::Delete => {
                Box::pin(self.delete(id, &step.resource)).await?;
                ids.remove(&key);
                Ok(())
            }
        }
    }

    async fn make(
        &self,
        wanted: &Resource,
        plan: &Plan,
        ids: &Ids,
    ) -> Result<Creation, CloudError> {
        match wanted {
            Resource::Repository(it) => self.create_repository(it).await,
            Resource::PeerKey(it) => self.create_peer_key(it).await,
            Resource::LogGroup(it) => self.create_log_group(it).await,
            Resource::Role(it) => self.create_role(it).await,
            Resource::Queue(it) => self.create_queue(it).await,
            Resource::ScheduleGroup(it) => self.create_schedule_group(&it.name).await,
            Resource::FunctionSchedule(it) => self.create_function_schedule(it).await,
            Resource::Profile(it) => self.create_profile(it).await,
            Resource::SecurityGroup(it) => self.create_firewall(it, ids).await,
            Resource::Template(it) => self.create_template(it, ids).await,
            Resource::Balancer(it) => self.create_balancer(it, ids).await,
            Resource::TargetGroup(it) => self.create_target_group(it).await,
            Resource::Listener(it) => self.create_listener(it, ids).await,
            Resource::Group(it) => {
                let fingerprint = template_of(plan, ids, self).await?;
                self.create_group(it, &fingerprint, ids).await
            }
            Resource::Hook(it) => self
                .put_hook(it)
                .await
                .map(|()| Creation::New(it.name.clone())),
            Resource::WarmPool(it) => self
                .put_warm_pool(it)
                .await
                .map(|()| Creation::New(it.name.clone())),
            Resource::Scaling(it) => self
                .put_scaling(it, ids)
                .await
                .map(|()| Creation::New(it.name.clone())),
            Resource::Schedule(it) => self
                .put_schedule(it)
                .await
                .map(|()| Creation::New(it.name.clone())),
            Resource::CurrentRelease(it) => self
                .set_pointer(it)
                .await
                .map(|()| Creation::New(it.name.clone())),
            Resource::Nodes(_) | Resource::Image(_) | Resource::Release(_) => {
                unreachable!("nodes come with their group, and apply sends images and releases")
            }
        }
    }

    async fn change(
        &self,
        id: &str,
        step: &PlanStep,
        fields: &[&str],
        ids: &Ids,
        watcher: OnApplyProgress<'_>,
    ) -> Result<(), CloudError> {
        match &step.resource {
            Resource::Repository(it) => self.change_repository(it, fields).await,
            Resource::LogGroup(it) => self.set_retention(it).await,
            Resource::Role(it) => self.change_role(it, fields).await,
            Resource::Queue(it) => self.change_queue(it).await,
            Resource::FunctionSchedule(it) => self.change_function_schedule(it).await,
            Resource::Profile(it) => {
                let from = step.changes.iter().find_map(|change| change.from.as_str());
                self.change_profile(it, from).await
            }
            Resource::SecurityGroup(it) => self.change_firewall(id, it, ids).await,
            Resource::Template(it) => self.change_template(id, it, ids).await,
            Resource::Balancer(it) => self.change_balancer(id, it, fields, ids).await,
            Resource::TargetGroup(it) => self.change_target_group(id, it, fields).await,
            Resource::Listener(it) => self.change_listener(id, it, ids).await,
            Resource::Group(it) => self.change_group(it, ids).await,
            Resource::Hook(it) => self.put_hook(it).await,
            Resource::WarmPool(it) => self.put_warm_pool(it).await,
            Resource::Scaling(it) => self.put_scaling(it, ids).await,
            Resource::Schedule(it) => self.put_schedule(it).await,
            Resource::Nodes(it) => {
                let percent = |percent| watcher(ApplyProgress::Replacing { percent });
                self.replace_nodes(it, ids, percent).await
            }
            Resource::CurrentRelease(it) => self.set_pointer(it).await,
            // Their tags do not move, and a key or a group has no fields.
            Resource::Image(_)
            | Resource::Release(_)
            | Resource::PeerKey(_)
            | Resource::ScheduleGroup(_) => Ok(()),
        }
    }

    async fn delete(&self, id: &str, resource: &Resource) -> Result<(), CloudError> {
        match resource {
            Resource::Repository(it) => self.delete_repository(&it.name).await,
            Resource::Image(it) => self.delete_image(&it.tag).await,
            Resource::Release(it) => self.delete_image(&it.tag).await,
            Resource::PeerKey(it) => self.delete_peer_key(&it.name).await,
            Resource::LogGroup(it) => self.delete_log_group(&it.name).await,
            Resource::Role(it) => self.delete_role(&it.name).await,
            Resource::Queue(_) => self.delete_queue(id).await,
            Resource::ScheduleGroup(it) => self.delete_schedule_group(&it.name).await,
            Resource::FunctionSchedule(it) => self.delete_function_schedule(&it.name).await,
            Resource::Profile(it) => self.delete_profile(it).await,
            Resource::SecurityGroup(_) => self.delete_firewall(id).await,
            Resource::Template(_) => self.delete_template(id).await,
            Resource::Balancer(_) => self.delete_balancer(id).await,
            Resource::TargetGroup(_) => self.delete_target_group(id).await,
            Resource::Listener(_) => self.delete_listener(id).await,
            Resource::Group(it) => self.delete_group(&it.name).await,
            Resource::Hook(it) => self.delete_hook(it).await,
            Resource::WarmPool(it) => self.delete_warm_pool(it).await,
            Resource::Scaling(it) => self.delete_scaling(it).await,
            Resource::Schedule(it) => self.delete_schedule(it).await,
            // These go with their group.
            Resource::Nodes(_) | Resource::CurrentRelease(_) => Ok(()),
        }
    }

    /// Something to be made was there: a lost answer had made it, or another promote. If it is
    /// ours, what differs is set as planned.
    async fn adopt(&self, wanted: &Resource, ids: &Ids) -> Result<String, CloudError> {
        let key = wanted.key();
        let inventory = self.everything().await?;
        let found = inventory.get(&key).ok_or_else(|| {
            CloudError::new(
                CloudErrorKind::TryAgain,
                format!("AWS says the {key} is there, and does not show it"),
            )
            .hint("run the command again in a minute")
        })?;
        let changes = plan::differences(&found.resource, wanted);
        let fixed = key.kind.fixed();
        if found.owner != ResourceOwner::Ours
            || changes.iter().any(|it| fixed.contains(&it.field.as_str()))
        {
            return Err(CloudError::new(
                CloudErrorKind::TryAgain,
                format!("the {key} appeared meanwhile, and is not what was planned"),
            )
            .hint("run the command again: it makes a new plan"));
        }
        if !changes.is_empty() {
            let step = PlanStep {
                action: Action::Change,
                resource: wanted.clone(),
                id: Some(found.id.clone()),
                changes,
                reason: String::new(),
            };
            let fields: Vec<&str> = step.changes.iter().map(|it| it.field.as_str()).collect();
            self.change(&found.id, &step, &fields, ids, &|_| {}).await?;
        }
        Ok(found.id.clone())
    }
}

/// The content of the template a new group starts its nodes from: the planned one, or the one that
/// is there.
async fn template_of(plan: &Plan, ids: &Ids, aws: &Aws) -> Result<String, CloudError> {
    let mut steps = plan.steps.iter();
    let planned = steps.find_map(|step| match &step.resource {
        Resource::Template(template) => Some(template.fingerprint()),
        _ => None,
    });
    if let Some(planned) = planned {
        return Ok(planned);
    }
    let (found, _) = aws.read_template(ids).await?;
    let template = found.and_then(|found| match found.resource {
        Resource::Template(template) => Some(LaunchTemplate::fingerprint(&template)),
        _ => None,
    });
    template.ok_or_else(|| {
        CloudError::new(CloudErrorKind::TryAgain, "the launch template is gone")
            .hint("run the command again: it makes a new plan")
    })
}
