//! Auto Scaling: what is inside the group: the drain hook, the policy, schedules.

use aws_sdk_autoscaling::types::{
    CustomizedMetricSpecification, MetricDimension, MetricStatistic, MetricType,
    PredefinedMetricSpecification, TargetTrackingConfiguration, WarmPoolState, WarmPoolStatus,
};

use super::{Aws, Ids, called, found};
use crate::error::CloudError;
use crate::inventory::{FoundResource, ResourceOwner};
use crate::node;
use crate::resource::{
    Hook, Resource, ResourceKind, Scaling, ScheduledAction, TrackedMetric, WarmPool,
};

/// The beginning of the names of our parts in the group: these parts have no tags.
const PREFIX: &str = "fnlocal";
/// When a hook of machines that begin is due.
const LAUNCHING: &str = "autoscaling:EC2_INSTANCE_LAUNCHING";

impl Aws {
    pub(super) async fn read_scaling(&self, ids: &Ids) -> Result<Vec<FoundResource>, CloudError> {
        let (hooks, pool, policies, schedules) = tokio::join!(
            self.hooks(),
            self.warm_pool(),
            self.policies(ids),
            self.schedules()
        );
        let all = hooks?.into_iter().chain(policies?).chain(schedules?);
        let ours = all.filter(|resource| resource.key().name.starts_with(PREFIX));
        // A group has at most one pool, so the pool is the group's owner's.
        let ours = ours.chain(pool?);
        let found = ours.map(|resource| FoundResource {
            id: resource.key().name,
            resource,
            owner: ResourceOwner::Ours,
        });
        Ok(found.collect())
    }

    async fn hooks(&self) -> Result<Vec<Resource>, CloudError> {
        let group = self.names.group();
        let call = self
            .autoscaling
            .describe_lifecycle_hooks()
            .auto_scaling_group_name(&group);
        let output = found!(
            "autoscaling:DescribeLifecycleHooks",
            ["ValidationError"],
            call
        )?;
        let hooks = output
            .and_then(|output| output.lifecycle_hooks)
            .unwrap_or_default();
        let hooks = hooks.into_iter().map(|hook| {
            let seconds = hook.heartbeat_timeout.unwrap_or(0);
            Resource::Hook(Hook {
                name: hook.lifecycle_hook_name.unwrap_or_default(),
                group: group.clone(),
                at_launch: hook.lifecycle_transition.as_deref() == Some(LAUNCHING),
                seconds: u32::try_from(seconds).unwrap_or(0),
            })
        });
        Ok(hooks.collect())
    }

    async fn warm_pool(&self) -> Result<Option<Resource>, CloudError> {
        let name = self.names.group();
        let call = self.autoscaling.describe_warm_pool();
        let call = call.auto_scaling_group_name(&name);
        let output = found!("autoscaling:DescribeWarmPool", ["ValidationError"], call)?;
        let pool = output.and_then(|output| output.warm_pool_configuration);
        // One that is being deleted is as good as gone.
        let pool = pool.filter(|pool| pool.status() != Some(&WarmPoolStatus::PendingDelete));
        Ok(pool.map(|pool| {
            // With another bound than its least the pool changes with its group.
            let (least, most) = (pool.min_size, pool.max_group_prepared_capacity);
            let size = least.filter(|_| most == least).unwrap_or(0);
            Resource::WarmPool(WarmPool {
                name,
                size: u32::try_from(size).unwrap_or(0),
            })
        }))
    }

    async fn policies(&self, ids: &Ids) -> Result<Vec<Resource>, CloudError> {
        let group = self.names.group();
        let call = self
            .autoscaling
            .describe_policies()
            .auto_scaling_group_name(&group);
        let output = found!("autoscaling:DescribePolicies", ["ValidationError"], call)?;
        let policies = output
            .and_then(|output| output.scaling_policies)
            .unwrap_or_default();
        let policies = policies.iter().map(|policy| {
            let tracking = policy.target_tracking_configuration();
            let target = tracking.and_then(|tracking| tracking.target_value());
            Resource::Scaling(Scaling {
                name: policy.policy_name().unwrap_or_default().to_owned(),
                group: group.clone(),
                metric: tracking.map_or(TrackedMetric::Other("none".to_owned()), |it| {
                    self.metric(it, ids)
                }),
                target: whole(target.unwrap_or(0.0)),
            })
        });
        Ok(policies.collect())
    }

    async fn schedules(&self) -> Result<Vec<Resource>, CloudError> {
        let group = self.names.group();
        let call = self
            .autoscaling
            .describe_scheduled_actions()
            .auto_scaling_group_name(&group);
        let output = found!(
            "autoscaling:DescribeScheduledActions",
            ["ValidationError"],
            call
        )?;
        let actions = output
            .and_then(|it| it.scheduled_update_group_actions)
            .unwrap_or_default();
        let actions = actions.into_iter().map(|action| {
            let min = action.min_size.unwrap_or(0);
            Resource::Schedule(ScheduledAction {
                name: action.scheduled_action_name.unwrap_or_default(),
                group: group.clone(),
                cron: action.recurrence.unwrap_or_default(),
                timezone: action.time_zone.unwrap_or_else(|| "UTC".to_owned()),
                min: u32::try_from(min).unwrap_or(0),
            })
        });
        Ok(actions.collect())
    }

    /// Makes or changes it: AWS does not tell the two apart.
    pub(super) async fn put_hook(&self, wanted: &Hook) -> Result<(), CloudError> {
        // A machine that never gets ready is given up, one that never gets done is ended.
        let (transition, otherwise) = if wanted.at_launch {
            (LAUNCHING, "ABANDON")
        } else {
            ("autoscaling:EC2_INSTANCE_TERMINATING", "CONTINUE")
        };
        let call = self
            .autoscaling
            .put_lifecycle_hook()
            .auto_scaling_group_name(&wanted.group)
            .lifecycle_hook_name(&wanted.name)
            .lifecycle_transition(transition)
            .heartbeat_timeout(i32::try_from(wanted.seconds).unwrap_or(i32::MAX))
            .default_result(otherwise);
        called!("autoscaling:PutLifecycleHook", call).map(drop)
    }

    /// Makes or changes it: AWS does not tell the two apart.
    pub(super) async fn put_warm_pool(&self, wanted: &WarmPool) -> Result<(), CloudError> {
        let size = i32::try_from(wanted.size).unwrap_or(i32::MAX);
        let call = self
            .autoscaling
            .put_warm_pool()
            .auto_scaling_group_name(&wanted.name)
            .min_size(size)
            .max_group_prepared_capacity(size)
            .pool_state(WarmPoolState::Stopped);
        called!("autoscaling:PutWarmPool", call).map(drop)
    }

    pub(super) async fn delete_warm_pool(&self, pool: &WarmPool) -> Result<(), CloudError> {
        let call = self.autoscaling.delete_warm_pool();
        let call = call.auto_scaling_group_name(&pool.name).force_delete(true);
        found!("autoscaling:DeleteWarmPool", ["ValidationError"], call).map(drop)
    }

    /// Makes or changes it: AWS does not tell the two apart.
    pub(super) async fn put_scaling(&self, wanted: &Scaling, ids: &Ids) -> Result<(), CloudError> {
        let tracking =
            TargetTrackingConfiguration::builder().target_value(f64::from(wanted.target));
        let tracking = match &wanted.metric {
            TrackedMetric::Requests(group) => {
                let label = self.label(group, ids)?;
                let metric = PredefinedMetricSpecification::builder()
                    .predefined_metric_type(MetricType::AlbRequestCountPerTarget)
                    .resource_label(label);
                tracking.predefined_metric_specification(metric.build())
            }
            TrackedMetric::Memory | TrackedMetric::Other(_) => {
                let group = MetricDimension::builder()
                    .name("AutoScalingGroupName")
                    .value(&wanted.group)
                    .build();
                let metric = CustomizedMetricSpecification::builder()
                    .namespace(node::METRICS)
                    .metric_name(node::MEMORY_METRIC)
                    .dimensions(group)
                    .statistic(MetricStatistic::Average);
                tracking.customized_metric_specification(metric.build())
            }
        };
        let call = self
            .autoscaling
            .put_scaling_policy()
            .auto_scaling_group_name(&wanted.group)
            .policy_name(&wanted.name)
            .policy_type("TargetTrackingScaling")
            .target_tracking_configuration(tracking.build());
        called!("autoscaling:PutScalingPolicy", call).map(drop)
    }

    /// Makes or changes it: AWS does not tell the two apart.
    pub(super) async fn put_schedule(&self, wanted: &ScheduledAction) -> Result<(), CloudError> {
        let call = self
            .autoscaling
            .put_scheduled_update_group_action()
            .auto_scaling_group_name(&wanted.group)
            .scheduled_action_name(&wanted.name)
            .recurrence(&wanted.cron)
            .time_zone(&wanted.timezone)
            .min_size(i32::try_from(wanted.min).unwrap_or(i32::MAX));
        called!("autoscaling:PutScheduledUpdateGroupAction", call).map(drop)
    }

    pub(super) async fn delete_hook(&self, hook: &Hook) -> Result<(), CloudError> {
        let call = self.autoscaling.delete_lifecycle_hook();
        let call = call
            .auto_scaling_group_name(&hook.group)
            .lifecycle_hook_name(&hook.name);
        found!("autoscaling:DeleteLifecycleHook", ["ValidationError"], call).map(drop)
    }

    pub(super) async fn delete_scaling(&self, policy: &Scaling) -> Result<(), CloudError> {
        let call = self.autoscaling.delete_policy();
        let call = call
            .auto_scaling_group_name(&policy.group)
            .policy_name(&policy.name);
        found!("autoscaling:DeletePolicy", ["ValidationError"], call).map(drop)
    }

    pub(super) async fn delete_schedule(
        &self,
        schedule: &ScheduledAction,
    ) -> Result<(), CloudError> {
        let call = self.autoscaling.delete_scheduled_action();
        let call = call.auto_scaling_group_name(&schedule.group);
        let call = call.scheduled_action_name(&schedule.name);
        found!(
            "autoscaling:DeleteScheduledAction",
            ["ValidationError"],
            call
        )
        .map(drop)
    }

    fn metric(&self, tracking: &TargetTrackingConfiguration, ids: &Ids) -> TrackedMetric {
        if let Some(metric) = tracking.predefined_metric_specification() {
            let label = metric.resource_label().unwrap_or_default();
            let ours = self.names.balancer();
            return match self.label(&ours, ids) {
                Ok(expected) if expected == label => TrackedMetric::Requests(ours),
                _ => TrackedMetric::Other(label.to_owned()),
            };
        }
        let metric = tracking.customized_metric_specification();
        match metric.and_then(|metric| metric.metric_name()) {
            Some(node::MEMORY_METRIC) => TrackedMetric::Memory,
            other => TrackedMetric::Other(other.unwrap_or("none").to_owned()),
        }
    }

    /// Returns the label that ties a count of requests to a balancer and a target group: the ends
    /// of their ARNs.
    fn label(&self, group: &str, ids: &Ids) -> Result<String, CloudError> {
        let balancer = ids.get(ResourceKind::Balancer, &self.names.balancer())?;
        let group = ids.get(ResourceKind::TargetGroup, group)?;
        let group = group.rsplit_once(':').map_or(group, |(_, end)| end);
        let balancer = balancer
            .split_once(":loadbalancer/")
            .map_or(balancer, |(_, end)| end);
        Ok(format!("{balancer}/{group}"))
    }
}

/// A target as a whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of f64 to u32 saturates, and ours is whole"
)]
fn whole(target: f64) -> u32 {
    target.round() as u32
}
