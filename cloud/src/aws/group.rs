//! Auto Scaling: the group, its nodes, and the pointer to the release.

use aws_sdk_autoscaling::types::{
    AutoScalingGroup, LaunchTemplateSpecification, LifecycleState, Tag,
};

use super::template::Version;
use super::{Aws, Creation, Ids, called, settled};
use crate::error::{CloudError, CloudErrorKind};
use crate::inventory::{FoundResource, GroupNode};
use crate::names::RELEASE_TAG;
use crate::resource::{CurrentRelease, MachineGroup, Nodes, Resource, ResourceKind};

impl Aws {
    /// The group, what its nodes are started from, and the pointer; and the nodes.
    pub(super) async fn read_group(
        &self,
        ids: &Ids,
        versions: &[Version],
    ) -> Result<(Vec<FoundResource>, Vec<GroupNode>), CloudError> {
        let Some(group) = self.group().await? else {
            return Ok((Vec::new(), Vec::new()));
        };
        let name = self.names.group();
        let tags = group.tags().iter();
        let owner = self.owner(tags.filter_map(|tag| Some((tag.key()?, tag.value()?))));
        let arn = group
            .auto_scaling_group_arn()
            .unwrap_or_default()
            .to_owned();
        let fingerprint = |used: Option<&LaunchTemplateSpecification>| {
            let number = used?.version()?;
            let version = versions.iter().find(|version| version.number == number)?;
            Some(version.template.fingerprint())
        };
        let nodes = group.instances().iter().map(|instance| GroupNode {
            id: instance.instance_id().unwrap_or_default().to_owned(),
            zone: instance.availability_zone().unwrap_or_default().to_owned(),
            state: instance
                .lifecycle_state()
                .map_or("", LifecycleState::as_str)
                .to_owned(),
            healthy: instance.health_status() == Some("Healthy"),
            template: fingerprint(instance.launch_template()),
        });
        let nodes = nodes.collect();
        let mut resources = vec![Resource::Group(plain(&name, &group, ids))];
        resources.push(Resource::Nodes(Nodes {
            name: name.clone(),
            template: fingerprint(group.launch_template()).unwrap_or_default(),
        }));
        let mut tags = group.tags().iter();
        let pointer = tags.find(|tag| tag.key() == Some(RELEASE_TAG));
        resources.extend(pointer.and_then(|tag| tag.value()).map(|release| {
            let release = release.to_owned();
            Resource::CurrentRelease(CurrentRelease { name, release })
        }));
        let found = resources.into_iter().map(|resource| FoundResource {
            resource,
            id: arn.clone(),
            owner: owner.clone(),
        });
        Ok((found.collect(), nodes))
    }

    pub(super) async fn create_group(
        &self,
        wanted: &MachineGroup,
        fingerprint: &str,
        ids: &Ids,
    ) -> Result<Creation, CloudError> {
        let (template, version) = self.version_number(fingerprint, ids).await?;
        let template = LaunchTemplateSpecification::builder()
            .launch_template_id(template)
            .version(version)
            .build();
        let mut call = self
            .autoscaling
            .create_auto_scaling_group()
            .auto_scaling_group_name(&wanted.name)
            .launch_template(template)
            .min_size(number(wanted.min))
            .max_size(number(wanted.max))
            .desired_capacity(number(wanted.min))
            .vpc_zone_identifier(wanted.subnets.join(","))
            .health_check_type(health(wanted))
            .health_check_grace_period(number(wanted.grace_seconds))
            .default_instance_warmup(number(wanted.warm_up_seconds));
        if let Some(name) = &wanted.target_group {
            call = call.target_group_arns(ids.get(ResourceKind::TargetGroup, name)?);
        }
        let name = ("Name", wanted.name.clone());
        for (key, value) in self.tags().into_iter().chain([name]) {
            call = call.tags(self.group_tag(key, &value, true));
        }
        let made = settled!(
            self,
            "autoscaling:CreateAutoScalingGroup",
            ["ValidationError"],
            call
        );
        match made {
            Ok(_) => Ok(Creation::New(self.arn("autoscaling", &wanted.name))),
            // AWS answers this also for a profile it has not noticed yet, and for a name that is
            // taken.
            Err(error) => match self.group().await? {
                Some(_) => Ok(Creation::There),
                None => Err(error),
            },
        }
    }

    pub(super) async fn change_group(
        &self,
        wanted: &MachineGroup,
        ids: &Ids,
    ) -> Result<(), CloudError> {
        let call = self
            .autoscaling
            .update_auto_scaling_group()
            .auto_scaling_group_name(&wanted.name)
            .min_size(number(wanted.min))
            .max_size(number(wanted.max))
            .vpc_zone_identifier(wanted.subnets.join(","))
            .health_check_type(health(wanted))
            .health_check_grace_period(number(wanted.grace_seconds))
            .default_instance_warmup(number(wanted.warm_up_seconds));
        settled!(
            self,
            "autoscaling:UpdateAutoScalingGroup",
            ["ScalingActivityInProgress"],
            call
        )?;
        let Some(group) = self.group().await? else {
            return Ok(());
        };
        let wanted_arn = match &wanted.target_group {
            Some(name) => Some(ids.get(ResourceKind::TargetGroup, name)?),
            None => None,
        };
        let there = group.target_group_arns();
        let strangers: Vec<String> = there
            .iter()
            .filter(|arn| Some(arn.as_str()) != wanted_arn)
            .cloned()
            .collect();
        if let Some(arn) = wanted_arn.filter(|arn| !there.iter().any(|there| there == arn)) {
            let call = self.autoscaling.attach_load_balancer_target_groups();
            let call = call
                .auto_scaling_group_name(&wanted.name)
                .target_group_arns(arn);
            called!("autoscaling:AttachLoadBalancerTargetGroups", call)?;
        }
        if !strangers.is_empty() {
            let call = self.autoscaling.detach_load_balancer_target_groups();
            let call = call.auto_scaling_group_name(&wanted.name);
            let call = call.set_target_group_arns(Some(strangers));
            called!("autoscaling:DetachLoadBalancerTargetGroups", call)?;
        }
        Ok(())
    }

    /// Deletes it with its nodes, and waits until they are gone.
    pub(super) async fn delete_group(&self, name: &str) -> Result<(), CloudError> {
        let call = self.autoscaling.delete_auto_scaling_group();
        let call = call.auto_scaling_group_name(name).force_delete(true);
        let deleted = settled!(
            self,
            "autoscaling:DeleteAutoScalingGroup",
            ["ScalingActivityInProgress", "ResourceInUse"],
            call
        );
        for _ in 0..self.pace.looks {
            if self.group().await?.is_none() {
                return Ok(());
            }
            if deleted.is_err() {
                break;
            }
            tokio::time::sleep(self.pace.poll).await;
        }
        deleted?;
        Err(CloudError::new(
            CloudErrorKind::TryAgain,
            format!("{name} is still ending its nodes"),
        )
        .hint("run the command again: it goes on where it stopped"))
    }

    pub(super) async fn set_pointer(&self, wanted: &CurrentRelease) -> Result<(), CloudError> {
        let tag = self.group_tag(RELEASE_TAG, &wanted.release, false);
        let call = self.autoscaling.create_or_update_tags().tags(tag);
        called!("autoscaling:CreateOrUpdateTags", call).map(drop)
    }

    async fn group(&self) -> Result<Option<AutoScalingGroup>, CloudError> {
        let call = self.autoscaling.describe_auto_scaling_groups();
        let call = call.auto_scaling_group_names(self.names.group());
        let output = called!("autoscaling:DescribeAutoScalingGroups", call)?;
        Ok(output.auto_scaling_groups.unwrap_or_default().pop())
    }

    fn group_tag(&self, key: &str, value: &str, for_nodes: bool) -> Tag {
        Tag::builder()
            .resource_type("auto-scaling-group")
            .resource_id(self.names.group())
            .key(key)
            .value(value)
            .propagate_at_launch(for_nodes)
            .build()
    }
}

fn plain(name: &str, group: &AutoScalingGroup, ids: &Ids) -> MachineGroup {
    let count = |number: Option<i32>| number.and_then(|it| u32::try_from(it).ok()).unwrap_or(0);
    let zones = group.vpc_zone_identifier().unwrap_or_default();
    let mut subnets: Vec<String> = zones
        .split(',')
        .filter(|subnet| !subnet.is_empty())
        .map(str::to_owned)
        .collect();
    subnets.sort();
    let targets = group.target_group_arns();
    let targets: Vec<String> = targets
        .iter()
        .map(|arn| ids.name_of(ResourceKind::TargetGroup, arn))
        .collect();
    MachineGroup {
        name: name.to_owned(),
        min: count(group.min_size()),
        max: count(group.max_size()),
        subnets,
        target_group: (!targets.is_empty()).then(|| targets.join(" ")),
        balancer_health: group.health_check_type() == Some("ELB"),
        grace_seconds: count(group.health_check_grace_period()),
        warm_up_seconds: count(group.default_instance_warmup()),
    }
}

fn health(wanted: &MachineGroup) -> &'static str {
    if wanted.balancer_health { "ELB" } else { "EC2" }
}

fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
